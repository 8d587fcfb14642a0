import { createHmac } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { concatenate } from './bytes.ts';
import { IkeKeys, preSharedKeyAuth } from './keymat.ts';
import { opensslProvider } from './openssl/openssl-provider.ts';
import { prfPlus } from './prf-plus.ts';
import { productionProviders } from './provider.ts';
import { SecretBytes } from './secret.ts';
import { hexOf } from './testing/hex.ts';
import { toyProvider } from './toy/toy-provider.ts';
import type { CryptoProvider } from './types.ts';

const filled = (value: number, length: number): Uint8Array => new Uint8Array(length).fill(value);
const inputs = {
  initiatorNonce: filled(1, 32),
  responderNonce: filled(2, 32),
  initiatorSpi: filled(3, 8),
  responderSpi: filled(4, 8),
};
const shared = (): SecretBytes => new SecretBytes(filled(5, 32));

describe.each([...productionProviders, toyProvider])('keys of an IKE SA with $name', (provider) => {
  it('protect what the other side opens, and nothing else', () => {
    const { keys, algorithms } = established(provider);
    const other = established(provider).keys;
    const message = concatenate([filled(9, 32), filled(8, 8), filled(7, 20), filled(0, 16)]);
    algorithms.protection.seal(keys.direction('initiator'), message, 32);
    expect(algorithms.protection.open(other.direction('initiator'), message, 32)).toEqual(filled(7, 20));
    expect(algorithms.protection.open(other.direction('responder'), message, 32)).toBeUndefined();
  });

  it('are other keys for another nonce, SPI or shared secret', () => {
    const direction = (changed: Partial<typeof inputs>, secret = shared()): string => {
      const { algorithms } = established(provider);
      const keys = IkeKeys.initial(algorithms, secret, { ...inputs, ...changed });
      return hexOf(keys.direction('initiator').encryption);
    };
    const all = [
      direction({}),
      direction({ initiatorNonce: filled(9, 32) }),
      direction({ responderNonce: filled(9, 32) }),
      direction({ initiatorSpi: filled(9, 8) }),
      direction({ responderSpi: filled(9, 8) }),
      direction({}, new SecretBytes(filled(9, 32))),
    ];
    expect(new Set(all).size).toBe(all.length);
  });

  it('give the same keys through a rekey to another PRF as SKEYSEED by the old and prf+ by the new one', () => {
    const { keys, algorithms } = established(provider);
    const prf = present(provider.prf(7));
    const secret = shared();
    const [same, changed] = [
      keys.rekeyed(algorithms, secret, inputs),
      keys.rekeyed({ ...algorithms, prf }, secret, inputs),
    ];
    expect(hexOf(same.direction('initiator').encryption)).not.toBe(hexOf(changed.direction('initiator').encryption));
    // SK_d is seen through prf(SK_d, …): a Child SA whose key is one block of the old PRF long.
    const nonces = [inputs.initiatorNonce, inputs.responderNonce];
    const oldDeriving = derivingKeyOf(provider);
    const skeyseed = algorithms.prf.compute(oldDeriving, [filled(5, 32), ...nonces]);
    const keymat = prfPlus(prf, skeyseed, [...nonces, inputs.initiatorSpi, inputs.responderSpi], 3 * 64 + 72);
    expect(hexOf(changed.direction('initiator').encryption)).toBe(hexOf(keymat.subarray(64, 100)));
    expect(hexOf(changed.direction('responder').encryption)).toBe(hexOf(keymat.subarray(100, 136)));
  });

  it('are wiped, with every view that was lent, and then throw', () => {
    const { keys } = established(provider);
    const lent = keys.direction('initiator').encryption;
    expect(lent.some((byte) => byte !== 0)).toBe(true);
    keys.wipe();
    keys.wipe();
    expect(lent.every((byte) => byte === 0)).toBe(true);
    expect(() => keys.direction('initiator')).toThrow('wiped');
    expect(() => keys.childKeys({ ...inputs, encryptionKeyBytes: 36, integrityKeyBytes: 0 })).toThrow('wiped');
    expect(() => keys.signedOctets('initiator', filled(0, 1), filled(0, 1), filled(0, 1))).toThrow('wiped');
  });

  it('are not shown', () => {
    const { keys } = established(provider);
    const shown = inspect(keys, { showHidden: true, depth: 9 }) + JSON.stringify(keys);
    const first = keys.direction('initiator').encryption;
    expect(shown).not.toContain(hexOf(first).slice(0, 8));
    expect(shown).not.toContain(first.subarray(0, 3).join(', '));
  });
});

describe('keys of a Child SA', () => {
  it('are the initiator’s first, encryption before integrity (RFC 7296 §2.17)', () => {
    const { keys, algorithms } = established(opensslProvider);
    const made = keys.childKeys({ ...inputs, encryptionKeyBytes: 16, integrityKeyBytes: 32 });
    const keymat = hexOf(
      prfPlus(algorithms.prf, derivingKeyOf(opensslProvider), [inputs.initiatorNonce, inputs.responderNonce], 96),
    );
    expect(made.initiatorToResponder.encryption.use(hexOf)).toBe(keymat.slice(0, 32));
    expect(made.initiatorToResponder.integrity.use(hexOf)).toBe(keymat.slice(32, 96));
    expect(made.responderToInitiator.encryption.use(hexOf)).toBe(keymat.slice(96, 128));
    expect(made.responderToInitiator.integrity.use(hexOf)).toBe(keymat.slice(128, 192));
  });

  it('have no integrity key with an AEAD, and can be wiped one by one', () => {
    const { keys } = established(opensslProvider);
    const made = keys.childKeys({ ...inputs, encryptionKeyBytes: 36, integrityKeyBytes: 0 });
    expect(made.initiatorToResponder.integrity.length).toBe(0);
    made.initiatorToResponder.encryption.wipe();
    expect(made.responderToInitiator.encryption.use((bytes) => bytes.some((byte) => byte !== 0))).toBe(true);
  });
});

describe('AUTH with a pre-shared key', () => {
  const octets = [filled(1, 40), filled(2, 32), filled(3, 32)];

  it('is prf(prf(secret, "Key Pad for IKEv2"), octets) (RFC 7296 §2.15)', () => {
    const expected = createHmac('sha256', createHmac('sha256', 'swordfish').update('Key Pad for IKEv2').digest())
      .update(concatenate(octets))
      .digest('hex');
    const secret = new SecretBytes(new TextEncoder().encode('swordfish'));
    for (const provider of productionProviders) {
      expect(hexOf(preSharedKeyAuth(present(provider.prf(5)), secret, octets))).toBe(expected);
    }
  });

  it('covers the first message, the other side’s nonce and the identity under SK_p', () => {
    const { keys, algorithms } = established(opensslProvider);
    const [message, nonce, identity] = [filled(1, 100), inputs.responderNonce, filled(6, 12)];
    const parts = keys.signedOctets('initiator', message, nonce, identity);
    const length = algorithms.prf.outputBytes;
    const keymat = ikeKeymat(opensslProvider);
    const start = length + 2 * 36;
    expect(parts).toEqual([message, nonce, algorithms.prf.compute(keymat.subarray(start, start + length), [identity])]);
    const theirs = keys.signedOctets('responder', message, nonce, identity);
    expect(theirs[2]).toEqual(algorithms.prf.compute(keymat.subarray(start + length), [identity]));
  });
});

describe('prf+', () => {
  it('gives 255 blocks and refuses a byte more, which its counter cannot number', () => {
    const prf = present(opensslProvider.prf(2));
    const output = prfPlus(prf, filled(1, 20), [filled(2, 4)], 255 * 20);
    const last = [output.subarray(253 * 20, 254 * 20), filled(2, 4), Uint8Array.of(255)];
    expect(hexOf(output.subarray(254 * 20))).toBe(hexOf(prf.compute(filled(1, 20), last)));
    expect(() => prfPlus(prf, filled(1, 20), [], 255 * 20 + 1)).toThrow('255 blocks');
  });
});

/** An IKE SA with HMAC-SHA2-256 and AES-256-GCM. */
function established(provider: CryptoProvider) {
  const algorithms = {
    prf: present(provider.prf(5)),
    protection: present(provider.messageProtection(20, 256, 0)),
  };
  return { algorithms, keys: IkeKeys.initial(algorithms, shared(), inputs) };
}

/** SK_d and what follows, of the IKE SA of `established`. */
function ikeKeymat(provider: CryptoProvider): Uint8Array {
  const prf = present(provider.prf(5));
  const nonces = [inputs.initiatorNonce, inputs.responderNonce];
  const skeyseed = prf.compute(concatenate(nonces), [filled(5, 32)]);
  return prfPlus(prf, skeyseed, [...nonces, inputs.initiatorSpi, inputs.responderSpi], 3 * 32 + 2 * 36);
}

function derivingKeyOf(provider: CryptoProvider): Uint8Array {
  return ikeKeymat(provider).subarray(0, 32);
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('not offered');
  return value;
}
