import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

import { ipsecPeering } from './ipsec-peering.ts';
import { readObject } from './read-object.ts';

describe('an IPsecPeering that somebody copies out of the documents', () => {
  const documents = ['README.md', 'charts/ikemesh/docs/gateways.md', 'charts/ikemesh/docs/operations.md'];

  it.each(documents)('is one that the API server accepts, in %s', (document) => {
    const text = readFileSync(new URL(`../../${document}`, import.meta.url), 'utf8');
    const peerings = yamlBlocks(text).filter((block) => block.includes('kind: IPsecPeering'));
    expect(peerings).not.toEqual([]);
    for (const peering of peerings) expect(readObject(ipsecPeering, parse(peering))).toMatchObject({ ok: true });
  });
});

/** Contents of fenced blocks of YAML, also those within a list. */
function yamlBlocks(text: string): readonly string[] {
  return [...text.matchAll(/^( *)```yaml\n(.*?)^ *```$/gms)].map(([, indent = '', block = '']) =>
    block.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  );
}
