import { createDiffieHellmanGroup } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { bytesFromHex } from './bytes.ts';
import { drawPrivateKey, ecpCurves } from './ecp-curve.ts';
import { opensslProvider } from './openssl/openssl-provider.ts';
import { productionProviders } from './provider.ts';
import { algorithms, type EcpName, type GroupName } from './suites.ts';
import { hexOf } from './testing/hex.ts';
import { fixedRandom, seededRandom } from './testing/random.ts';
import { toyProvider } from './toy/toy-provider.ts';
import type { CryptoProvider } from './types.ts';

const exchanges = [...productionProviders, toyProvider].flatMap((provider) =>
  algorithms.flatMap((row) => {
    const method = row.kind === 'keyExchange' ? provider.keyExchange(row.transformId) : undefined;
    return row.kind === 'keyExchange' && method ? [{ provider: provider.name, row, name: row.name, method }] : [];
  }),
);

describe.each(exchanges)('$name with $provider', ({ row, method }) => {
  it('gives both sides the same secret, of the length of the table', () => {
    const [initiator, responder] = [method.generate(seededRandom(1)), method.generate(seededRandom(2))];
    expect(initiator.publicValue).toHaveLength(row.publicValueBytes);
    expect(method.publicValueBytes).toBe(row.publicValueBytes);
    const [ours, theirs] = [initiator.derive(responder.publicValue), responder.derive(initiator.publicValue)];
    if (!ours.ok || !theirs.ok) throw new Error('a valid public value was refused');
    expect(ours.value.length).toBe(row.sharedSecretBytes);
    expect(ours.value.use(hexOf)).toBe(theirs.value.use(hexOf));
    expect(ours.value.use(hexOf)).not.toMatch(/^0*$/);
  });

  it('gives another secret for another key', () => {
    const responder = method.generate(seededRandom(2)).publicValue;
    const secrets = [3, 4].map((seed) => {
      const derived = method.generate(seededRandom(seed)).derive(responder);
      return derived.ok ? derived.value.use(hexOf) : 'refused';
    });
    expect(new Set(secrets).size).toBe(2);
    expect(secrets).not.toContain('refused');
  });

  it('refuses public values of any other length', () => {
    const key = method.generate(seededRandom(1));
    const valid = method.generate(seededRandom(2)).publicValue;
    for (const length of [0, 1, row.publicValueBytes - 1, row.publicValueBytes + 1, 2 * row.publicValueBytes]) {
      const value = new Uint8Array(length);
      value.set(valid.subarray(0, length));
      expect(key.derive(value)).toEqual({
        ok: false,
        error: { kind: 'invalidPublicValue', group: row.transformId, reason: 'length' },
      });
    }
  });

  it('refuses a public value of zeros', () => {
    const derived = method.generate(seededRandom(1)).derive(new Uint8Array(row.publicValueBytes));
    expect(derived).toMatchObject({ ok: false, error: { kind: 'invalidPublicValue', group: row.transformId } });
  });

  it('throws when a key is used after it was wiped, which may happen twice', () => {
    const key = method.generate(seededRandom(1));
    const peer = method.generate(seededRandom(2)).publicValue;
    key.wipe();
    key.wipe();
    expect(() => key.derive(peer)).toThrow('ephemeral key used after it was wiped');
  });

  it('keeps its private key out of sight', () => {
    const key = method.generate(seededRandom(1));
    expect(Object.keys(key).filter((name) => name !== 'publicValue' && name !== 'derive' && name !== 'wipe')).toEqual(
      [],
    );
  });
});

describe.each(productionProviders)('public values refused with $name', (provider) => {
  it.each([
    ['0', '00'.repeat(32)],
    ['1', `01${'00'.repeat(31)}`],
    ['a point of order 8', 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800'],
    ['p - 1', `ec${'ff'.repeat(30)}7f`],
    ['p', `ed${'ff'.repeat(30)}7f`],
    ['p + 1', `ee${'ff'.repeat(30)}7f`],
  ])('X25519: %s, of small order (RFC 7748 §6.1)', (_, value) => {
    expect(reasonOf(provider, 'x25519', value)).toBe('smallOrder');
  });

  it.each([
    ['0', '00'.repeat(56)],
    ['1', `01${'00'.repeat(55)}`],
    ['p - 1', `fe${'ff'.repeat(27)}fe${'ff'.repeat(27)}`],
  ])('X448: %s, of small order (RFC 7748 §6.2)', (_, value) => {
    expect(reasonOf(provider, 'x448', value)).toBe('smallOrder');
  });

  it.each<EcpName>(['p256', 'p384', 'p521'])('%s: what is no point, coordinates of p and more', (group) => {
    const { bytes, prime } = ecpCurves[group];
    const method = methodOf(provider, group);
    const valid = method.generate(seededRandom(5)).publicValue;
    const flipped = valid.slice();
    flipped[flipped.length - 1] = (flipped[flipped.length - 1] ?? 0) ^ 1;
    expect(reasonOf(provider, group, hexOf(flipped))).toBe('notOnCurve');
    expect(reasonOf(provider, group, '00'.repeat(2 * bytes))).toBe('notOnCurve');
    expect(reasonOf(provider, group, hexOf(prime) + hexOf(valid.subarray(bytes)))).toBe('range');
    expect(reasonOf(provider, group, hexOf(valid.subarray(0, bytes)) + hexOf(prime))).toBe('range');
    expect(reasonOf(provider, group, 'ff'.repeat(2 * bytes))).toBe('range');
  });
});

describe('public values refused with openssl', () => {
  it.each(['modp14', 'modp15', 'modp16'] as const)('%s: all but 1 < y < p - 1 (RFC 6989 §2.1)', (group) => {
    const digits = createDiffieHellmanGroup(group).getPrime('hex');
    const prime = BigInt(`0x${digits}`);
    const reason = (value: bigint): string =>
      reasonOf(opensslProvider, group, value.toString(16).padStart(digits.length, '0'));
    for (const value of [0n, 1n, prime - 1n, prime, prime + 1n, 2n ** BigInt(4 * digits.length) - 1n]) {
      expect(reason(value)).toBe('range');
    }
    expect(reason(2n)).toBe('accepted');
    expect(reason(prime - 2n)).toBe('accepted');
  });
});

describe.each(productionProviders)('a private key with $name', (provider) => {
  it.each(['x25519', 'x448', 'p256'] as const)('of %s is overwritten when it is wiped, if not before', (group) => {
    const drawn: Uint8Array[] = [];
    const random = {
      fill(target: Uint8Array) {
        drawn.push(target.fill(7));
      },
    };
    methodOf(provider, group).generate(random).wipe();
    expect(drawn).toHaveLength(1);
    expect(drawn[0]?.every((byte) => byte === 0)).toBe(true);
  });
});

describe('a private key of an ECP group', () => {
  it('is drawn again while it is zero or not below the order (FIPS 186-5 §A.2.2)', () => {
    const draws = [new Uint8Array(32), ecpCurves.p256.order, new Uint8Array(32).fill(255), new Uint8Array(32).fill(7)];
    const random = { fill: (target: Uint8Array) => target.set(draws.shift() ?? new Uint8Array(0)) };
    expect(drawPrivateKey(ecpCurves.p256, random)).toEqual(new Uint8Array(32).fill(7));
  });

  it('has no more bits than the order of P-521', () => {
    const key = drawPrivateKey(ecpCurves.p521, fixedRandom(bytesFromHex('fe'.repeat(66))));
    expect(key[0]).toBe(0);
    expect(key[1]).toBe(0xfe);
  });

  it('is not waited for without end', () => {
    expect(() => drawPrivateKey(ecpCurves.p256, { fill: (target) => target.fill(255) })).toThrow('randomness');
  });
});

function reasonOf(provider: CryptoProvider, group: GroupName, publicValue: string): string {
  const derived = methodOf(provider, group).generate(seededRandom(1)).derive(bytesFromHex(publicValue));
  return derived.ok ? 'accepted' : derived.error.reason;
}

function methodOf(provider: CryptoProvider, group: GroupName) {
  const row = algorithms.find((candidate) => candidate.kind === 'keyExchange' && candidate.group === group);
  const method = row && provider.keyExchange(row.transformId);
  if (method === undefined) throw new Error(`${provider.name} has no ${group}`);
  return method;
}
