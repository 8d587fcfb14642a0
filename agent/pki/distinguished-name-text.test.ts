import { describe, expect, it } from 'vitest';

import { readDistinguishedName } from './distinguished-name.ts';
import { encodeDistinguishedName } from './distinguished-name-text.ts';
import { name } from './testing/der-writer.ts';

function parts(text: string) {
  const encoded = encodeDistinguishedName(text);
  if (!encoded.ok) throw new Error(encoded.error);
  return readDistinguishedName(encoded.value)?.parts;
}

describe('the text of a distinguished name', () => {
  it('has the most specific part first, in either case and with or without spaces (RFC 4514)', () => {
    const expected = readDistinguishedName(name({ C: 'DE', O: 'Mesh', CN: 'node-a' }))?.parts;
    expect(parts('CN=node-a, O=Mesh, C=DE')).toEqual(expected);
    expect(parts('cn=Node-A,o=MESH , c = de')).toEqual(expected);
    expect(parts('C=DE, O=Mesh, CN=node-a')).not.toEqual(expected);
  });

  it('is that which a name is shown with', () => {
    for (const text of [
      'CN=node-a, OU=Nodes, O=Mesh\\, Inc',
      'CN=ä, DC=mesh, DC=test',
      'UID=7+CN=a, O=b',
      '1.2.3.4=x',
    ]) {
      const encoded = encodeDistinguishedName(text);
      const shown = encoded.ok ? readDistinguishedName(encoded.value)?.text : undefined;
      expect(parts(shown ?? '')).toEqual(parts(text));
    }
  });

  it('may have values longer than a byte can count', () => {
    expect(parts(`CN=${'a'.repeat(300)}`)).toHaveLength(1);
    expect(parts(`CN=${'a'.repeat(120)}, O=b`)).toHaveLength(2);
  });

  it.each([
    ['', /not of the form TYPE=value/],
    ['node-a', /not of the form TYPE=value/],
    ['CN=', /not of the form TYPE=value/],
    ['CN=a,,O=b', /not of the form TYPE=value/],
    ['XX=a', /known are CN, .*, or write its OID/],
    [Array.from({ length: 33 }, () => 'CN=a').join(), /has 33 parts/],
  ])('%j is none', (text, reason) => {
    const encoded = encodeDistinguishedName(text);
    expect(encoded.ok ? '' : encoded.error).toMatch(reason);
  });
});
