import { bytesFromHex, concatenate } from '../bytes.ts';
import { type EspKeys, IkeKeys } from '../keymat.ts';
import { prfPlus } from '../prf-plus.ts';
import { SecretBytes } from '../secret.ts';
import { algorithms, type HashName } from '../suites.ts';
import type { CryptoProvider, MessageProtection, Prf } from '../types.ts';
import { hexOf } from './hex.ts';
import type { IkeKeysVector } from './rfc-vectors.ts';

/**
 * What a provider computes otherwise than a vector of NIST's says, by prf and prf+ and by `IkeKeys`; empty if nothing.
 * The vectors' key material is too short for the seven keys with the longer hashes, so those are compared with our own
 * prf+, whose beginning is compared with the vector.
 */
export function mismatches(provider: CryptoProvider, vector: IkeKeysVector): readonly string[] {
  const prf = prfOfHash(provider, vector.hash);
  const bytes = (field: Exclude<keyof IkeKeysVector, 'source'>): Uint8Array => bytesFromHex(vector[field]);
  const nonces = [bytes('initiatorNonce'), bytes('responderNonce')];
  const seed = [...nonces, bytes('initiatorSpi'), bytes('responderSpi')];
  const published = bytes('ikeKeymat');
  const child = bytes('childKeymat');
  const skeyseed = prf.compute(concatenate(nonces), [bytes('sharedSecret')]);
  const rekeySkeyseed = prf.compute(published.subarray(0, prf.outputBytes), [bytes('newSharedSecret'), ...nonces]);

  const ike = { prf, protection: protectionOfLengths(36, 12) };
  const keymatBytes = 3 * prf.outputBytes + 2 * (36 + 12);
  const keymat = prfPlus(prf, skeyseed, seed, keymatBytes);
  const rekeyKeymat = prfPlus(prf, bytes('rekeySkeyseed'), seed, keymatBytes);
  const inputs = {
    initiatorNonce: bytes('initiatorNonce'),
    responderNonce: bytes('responderNonce'),
    initiatorSpi: bytes('initiatorSpi'),
    responderSpi: bytes('responderSpi'),
    encryptionKeyBytes: child.length / 2 - 12,
    integrityKeyBytes: 12,
  };
  const keys = IkeKeys.initial(ike, new SecretBytes(bytes('sharedSecret')), inputs);
  const newSecret = new SecretBytes(bytes('newSharedSecret'));
  const rekeyed = keys.rekeyed(ike, newSecret, inputs);
  const checks: Readonly<Record<string, readonly [string, string]>> = {
    skeyseed: [hexOf(skeyseed), vector.skeyseed],
    'prf+': [hexOf(prfPlus(prf, skeyseed, seed, published.length)), vector.ikeKeymat],
    extractAndExpand: [
      hexOf(prf.extractAndExpand(concatenate(nonces), [bytes('sharedSecret')], seed, published.length)),
      vector.ikeKeymat,
    ],
    'keys of the IKE SA': [visibleKeys(keys), visibleKeymat(prf, keymat)],
    'keys of a Child SA': [keymatOf(keys.childKeys(inputs)), vector.childKeymat],
    'keys of a Child SA with a key exchange': [
      keymatOf(keys.childKeys({ ...inputs, sharedSecret: newSecret })),
      vector.childKeymatWithKeyExchange,
    ],
    'skeyseed of the rekeyed IKE SA': [hexOf(rekeySkeyseed), vector.rekeySkeyseed],
    'keys of the rekeyed IKE SA': [visibleKeys(rekeyed), visibleKeymat(prf, rekeyKeymat)],
    'SK_d of the rekeyed IKE SA': [
      keymatOf(rekeyed.childKeys(inputs)),
      hexOf(prfPlus(prf, rekeyKeymat.subarray(0, prf.outputBytes), nonces, child.length)),
    ],
  };
  return Object.entries(checks).flatMap(([what, [ours, published]]) => (ours === published ? [] : [what]));
}

/** SK_ai, SK_ar, SK_ei, SK_er, and what SK_pi and SK_pr make of an identity. */
function visibleKeys(keys: IkeKeys): string {
  const [initiator, responder] = [keys.direction('initiator'), keys.direction('responder')];
  const signed = (['initiator', 'responder'] as const).flatMap((role) => keys.signedOctets(role, NONE, NONE, IDENTITY));
  return hexOf(
    concatenate([initiator.integrity, responder.integrity, initiator.encryption, responder.encryption, ...signed]),
  );
}

/** The same, from SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr. */
function visibleKeymat(prf: Prf, keymat: Uint8Array): string {
  const length = prf.outputBytes;
  const [pi, pr] = [keymat.subarray(-2 * length, -length), keymat.subarray(-length)];
  return hexOf(
    concatenate([keymat.subarray(length, -2 * length), prf.compute(pi, [IDENTITY]), prf.compute(pr, [IDENTITY])]),
  );
}

function keymatOf(keys: { initiatorToResponder: EspKeys; responderToInitiator: EspKeys }): string {
  return [keys.initiatorToResponder, keys.responderToInitiator]
    .map((direction) => direction.encryption.use(hexOf) + direction.integrity.use(hexOf))
    .join('');
}

function prfOfHash(provider: CryptoProvider, hash: HashName): Prf {
  const row = algorithms.find((candidate) => candidate.kind === 'prf' && candidate.hash === hash);
  const prf = row && provider.prf(row.transformId);
  if (prf === undefined) throw new Error(`${provider.name} has no PRF with ${hash}`);
  return prf;
}

/** A protection that is asked for nothing but its lengths. */
function protectionOfLengths(encryptionKeyBytes: number, integrityKeyBytes: number): MessageProtection {
  const unused = (): never => {
    throw new Error('only lengths are needed here');
  };
  return {
    ivBytes: 8,
    icvBytes: 16,
    blockBytes: 1,
    encryptionKeyBytes,
    integrityKeyBytes,
    unpredictableIv: false,
    seal: unused,
    open: unused,
  };
}

const NONE = new Uint8Array(0);
const IDENTITY = Uint8Array.of(2, 0, 0, 0, 0x61);
