import type { KeyExchangeAlgorithm } from '../suites.ts';
import type { KeyExchange } from '../types.ts';
import { generateEcpKey } from './ecp-key.ts';
import { generateModpKey } from './modp-key.ts';
import { generateMontgomeryKey } from './montgomery-key.ts';

/** The key exchange of a row. */
export function opensslKeyExchange(row: KeyExchangeAlgorithm): KeyExchange {
  return { id: row.transformId, publicValueBytes: row.publicValueBytes, generate: generatorOf(row) };
}

function generatorOf(row: KeyExchangeAlgorithm): KeyExchange['generate'] {
  const { group } = row;
  switch (group) {
    case 'x25519':
    case 'x448':
      return (random) => generateMontgomeryKey(row, group, random);
    case 'p256':
    case 'p384':
    case 'p521':
      return (random) => generateEcpKey(row, group, random);
    case 'modp14':
    case 'modp15':
    case 'modp16':
      return () => generateModpKey(row, group);
  }
}
