import { describe, expect, it } from 'vitest';
import { productionProviders } from './provider.ts';
import type { HashName } from './suites.ts';
import { mismatches } from './testing/ike-keys-vector.ts';
import { type IkeKeysVector, rfcVectors } from './testing/rfc-vectors.ts';
import { missing, sharedXzText } from './testing/shared-vectors.ts';

describe.each(productionProviders)('key derivation with $name', (provider) => {
  it.each(rfcVectors.ikeKeys)('gives the published keys: $source', (vector) => {
    expect(mismatches(provider, vector)).toEqual([]);
  });
});

const path = 'nss/ikev2.fax.xz';
const text = missing(path) === undefined ? sharedXzText(path) : undefined;
const reason = missing(path) ?? (text === undefined ? 'neither xz nor dpkg-deb is here to unpack the vectors' : '');

describe.skipIf(text === undefined)(`all of NIST's IKEv2 vectors ${reason}`, () => {
  it.each(productionProviders)('are reproduced by $name', { timeout: 60_000 }, (provider) => {
    const vectors = parse(text ?? '');
    expect(vectors).toHaveLength(900);
    const wrong = vectors.flatMap((vector) => mismatches(provider, vector).map((what) => `${vector.source}: ${what}`));
    expect(wrong.slice(0, 10)).toEqual([]);
  });
});

/** Sections of `[name = value]` lines, each followed by cases of `name = value` lines that start with COUNT. */
function parse(fax: string): readonly IkeKeysVector[] {
  const vectors: IkeKeysVector[] = [];
  let section = '';
  let hash: HashName = 'sha1';
  let fields = new Map<string, string>();
  for (const line of fax.split('\n').map((raw) => raw.trim())) {
    const heading = /^\[(.*)\]$/.exec(line)?.[1];
    if (heading?.startsWith('SHA-')) {
      hash = heading.replace('SHA-', 'sha') as HashName;
      section = heading;
    } else if (heading !== undefined) {
      section = `${section}, ${heading}`;
    }
    const [name, value] = line.split(' = ');
    if (heading !== undefined || name === undefined || value === undefined) continue;
    if (name === 'COUNT') fields = new Map();
    fields.set(name, value);
    if (name === 'SKEYSEED(Rekey)') vectors.push(vectorOf(`${section}, count ${fields.get('COUNT')}`, hash, fields));
  }
  return vectors;
}

function vectorOf(source: string, hash: HashName, fields: ReadonlyMap<string, string>): IkeKeysVector {
  const field = (name: string): string => {
    const value = fields.get(name);
    if (value === undefined) throw new Error(`${source} has no ${name}`);
    return value;
  };
  return {
    source,
    hash,
    initiatorNonce: field('Ni'),
    responderNonce: field('Nr'),
    sharedSecret: field('g^ir'),
    newSharedSecret: field('g^ir (new)'),
    initiatorSpi: field('SPIi'),
    responderSpi: field('SPIr'),
    skeyseed: field('SKEYSEED'),
    ikeKeymat: field('DKM'),
    childKeymat: field('DKM(Child SA)'),
    childKeymatWithKeyExchange: field('DKM(Child SA D-H)'),
    rekeySkeyseed: field('SKEYSEED(Rekey)'),
  };
}
