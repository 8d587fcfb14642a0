import { describe, expect, it } from 'vitest';

import { nobleProvider } from '../../agent/crypto/noble/noble-provider.ts';
import { opensslProvider } from '../../agent/crypto/openssl/openssl-provider.ts';
import { primitivesOfHandshakes } from './handshake.ts';
import { timePrimitivesInLoops } from './primitive-sum.ts';
import type { Primitive } from './record-primitives.ts';

/** Output of HMAC-SHA2-384; SK_e with its salt of AES-256-GCM. */
const PRF_BYTES = 48;
const ENCRYPTION_KEY_BYTES = 32 + 4;

describe.each([opensslProvider, nobleProvider])('primitives of a handshake with $name', (provider) => {
  const [primitives = []] = primitivesOfHandshakes(provider, 1);
  const ofKind = (kind: Primitive['kind']): readonly Primitive[] => primitives.filter((each) => each.kind === kind);

  it('are one key pair and one shared secret for each end', () => {
    expect(ofKind('keyGeneration')).toHaveLength(2);
    expect(ofKind('keyDerivation')).toHaveLength(2);
  });

  it('are the HMACs of the key schedule and of both AUTH payloads, computed at both ends (RFC 7296 §2.14, §2.15, §2.17)', () => {
    // SKEYSEED, and prf+ up to the end of SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr; SK_a is empty.
    const schedule = 1 + Math.ceil((3 * PRF_BYTES + 2 * ENCRYPTION_KEY_BYTES) / PRF_BYTES);
    expect(ofKind('hkdf').map(({ hmacs }) => hmacs)).toEqual([schedule, schedule]);
    // KEYMAT: both directions of the Child SA.
    const keymat = Math.ceil((2 * ENCRYPTION_KEY_BYTES) / PRF_BYTES);
    // prf(SK_p, ID) and AUTH, one's own and those expected of the peer; prf(secret, "Key Pad for IKEv2") once for both.
    const auth = 2 * 2 + 1;
    expect(ofKind('hmac')).toHaveLength(2 * (keymat + auth));
  });

  it('are one sealed and one opened message in each direction', () => {
    expect(ofKind('seal')).toHaveLength(2);
    expect(ofKind('open').map(({ inputBytes }) => inputBytes)).toEqual(
      ofKind('seal').map(({ inputBytes }) => inputBytes),
    );
  });

  it('are SHA-1 of source and destination, made and checked for both messages of IKE_SA_INIT (RFC 7296 §2.23)', () => {
    // SPIi | SPIr | IPv4 address | port
    expect(ofKind('sha1').map(({ inputBytes }) => inputBytes)).toEqual(Array(8).fill(8 + 8 + 4 + 2));
  });

  it('can be computed again after the keys of the handshake have been wiped', () => {
    for (const { run } of primitives) expect(run).not.toThrow();
  });
});

describe('primitives in loops of their own', () => {
  const counted = (name: string, calls: Map<string, number>, hmacs = 0): Primitive => {
    const count = (what: string) => () => void calls.set(what, (calls.get(what) ?? 0) + 1);
    const one = hmacs > 1 ? { oneHmac: count(`one HMAC of ${name}`) } : {};
    return { kind: 'hmac', name, inputBytes: 1, hmacs, run: count(name), ...one };
  };

  it('are computed with the key of the first alone, and once for all that are equal', () => {
    const [first, second] = [new Map<string, number>(), new Map<string, number>()];
    const seconds = timePrimitivesInLoops([counted('a', first), counted('a', second)], 100);
    expect(seconds[0]).toBe(seconds[1]);
    expect(first.get('a')).toBeGreaterThanOrEqual(100);
    expect(second.size).toBe(0);
  });

  it('are single HMACs where one call computes several, since every HMAC counts', () => {
    const calls = new Map<string, number>();
    timePrimitivesInLoops([counted('prf+', calls, 6)], 100);
    expect([...calls.keys()]).toEqual(['one HMAC of prf+']);
  });
});
