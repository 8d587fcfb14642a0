import { expect } from 'vitest';
import { bytesFromHex } from '../bytes.ts';
import { nobleMethod } from '../noble/key-exchange.ts';
import { algorithms, type EcpName, type GroupName, type KeyExchangeAlgorithm } from '../suites.ts';
import type { CryptoProvider } from '../types.ts';
import { hexOf } from './hex.ts';
import { fixedRandom } from './random.ts';

/** A file of Wycheproof's, of which a test group has what is common to its tests. */
export interface WycheproofFile<Group, Test> {
  readonly numberOfTests: number;
  readonly testGroups: readonly (Group & { readonly tests: readonly (Test & WycheproofTest)[] })[];
}

interface WycheproofTest {
  readonly tcId: number;
  readonly comment: string;
  readonly result: 'valid' | 'acceptable' | 'invalid';
}

/** A test of XDH or of ECDH with points. */
export interface DerivationTest {
  readonly public: string;
  readonly private: string;
  readonly shared: string;
}

/** The table's row for a group. */
function rowOf(group: GroupName): KeyExchangeAlgorithm {
  const row = algorithms.find((candidate) => candidate.kind === 'keyExchange' && candidate.group === group);
  if (row?.kind !== 'keyExchange') throw new Error(`${group} is not in the table`);
  return row;
}

/**
 * The shared secret in hexadecimal, or the reason of a refusal. With noble the public value that belongs to the
 * private key, which the vectors do not ask for, is left out: it would double the time.
 */
export function derive(provider: CryptoProvider, group: GroupName, privateKey: Uint8Array, peer: Uint8Array): string {
  const row = rowOf(group);
  if (provider.name === 'noble') {
    const derived = nobleMethod(row).derive(privateKey, peer);
    return derived.ok ? hexOf(derived.value) : derived.error.reason;
  }
  const derived = provider.keyExchange(row.transformId)?.generate(fixedRandom(privateKey)).derive(peer);
  if (derived === undefined) throw new Error(`${provider.name} has no ${group}`);
  return derived.ok ? derived.value.use(hexOf) : derived.error.reason;
}

/** A private key as long as the group's, whatever zeros the vector's integer has in front. */
function privateKeyOf(hex: string, bytes: number): Uint8Array {
  return bytesFromHex(hex.padStart(2 * bytes, '0').slice(-2 * bytes));
}

/**
 * Runs the ECDH vectors of a file and returns how many secrets were derived and how many points refused. IKE knows the
 * uncompressed form only, without its first byte; compressed points have another length and are refused. Of the valid
 * vectors only every `stride`th is used.
 */
export function runEcdh(
  provider: CryptoProvider,
  group: EcpName,
  file: WycheproofFile<object, DerivationTest>,
  stride = 1,
): { derived: number; refused: number } {
  const counts = { derived: 0, refused: 0 };
  let valid = 0;
  for (const test of file.testGroups.flatMap((testGroup) => testGroup.tests)) {
    if (test.result === 'valid' && valid++ % stride !== 0) continue;
    const privateKey = privateKeyOf(test.private, rowOf(group).sharedSecretBytes);
    const outcome = derive(provider, group, privateKey, bytesFromHex(test.public.slice(2)));
    if (test.result === 'valid') {
      expect(outcome, `${test.tcId} ${test.comment}`).toBe(test.shared);
      counts.derived++;
    } else {
      expect(['length', 'range', 'notOnCurve'], `${test.tcId} ${test.comment}`).toContain(outcome);
      counts.refused++;
    }
  }
  return counts;
}
