import { err, ok, type Result } from '../result.ts';
import { bytesFromHex, concatenate } from './bytes.ts';
import { constantTimeEqual } from './constant-time.ts';
import {
  type AeadAnswer,
  type CipherAnswer,
  type HmacAnswer,
  type KeyExchangeAnswer,
  knownAnswerOf,
} from './known-answers.ts';
import { offers, protectionWith } from './offers.ts';
import { extractAndExpand } from './prf-plus.ts';
import { type Algorithm, algorithms } from './suites.ts';
import type { CryptoProvider, DirectionKeys, KeyExchange, MessageProtection, Prf, Random } from './types.ts';

/** An algorithm that does not compute what it should. Whoever starts with one would protect nothing, or talk to nobody. */
export interface SelfTestFailure {
  readonly kind: 'selfTestFailed';
  readonly provider: CryptoProvider['name'];
  /** Name of the algorithm's row. */
  readonly algorithm: string;
  /** What went wrong, to follow "self-test of … failed: ". */
  readonly reason: string;
}

/**
 * Runs the known answers of `rows`, those in use or all, on every provider that offers them; since all must give the
 * published answer, they agree. Returns how many answers were checked, or the first failure.
 */
export function selfTest(
  providers: readonly CryptoProvider[],
  rows: readonly Algorithm[] = algorithms,
): Result<number, SelfTestFailure> {
  let checked = 0;
  for (const provider of providers) {
    for (const row of rows) {
      if (row.kind === 'sequenceNumbers' || !offers(provider, row)) continue;
      const reason = fault(provider, row);
      if (reason !== undefined) {
        return err({ kind: 'selfTestFailed', provider: provider.name, algorithm: row.name, reason });
      }
      checked++;
    }
  }
  return ok(checked);
}

function fault(provider: CryptoProvider, row: Algorithm): string | undefined {
  const answer = knownAnswerOf(row);
  try {
    switch (row.kind) {
      case 'aead':
        return answer?.kind === 'aead' ? aeadFault(protectionWith(provider, row), answer) : noAnswer;
      case 'cipher':
        return answer?.kind === 'cipher' ? cipherFault(protectionWith(provider, row), answer) : noAnswer;
      case 'integrity':
        return answer?.kind === 'hmac' ? integrityFault(provider, row, answer) : noAnswer;
      case 'prf':
        return answer?.kind === 'hmac' ? prfFault(provider.prf(row.transformId), answer) : noAnswer;
      case 'keyExchange':
        return keyExchangeFault(provider.keyExchange(row.transformId), answer);
      case 'sequenceNumbers':
        return undefined;
    }
  } catch (error) {
    return `it threw ${error instanceof Error ? error.message : 'something'}`;
  }
}

function aeadFault(protection: MessageProtection | undefined, answer: AeadAnswer): string | undefined {
  if (protection === undefined) return notOffered;
  const associatedData = bytesFromHex(answer.associatedData);
  const plaintext = bytesFromHex(answer.plaintext);
  const keys = { encryption: bytesFromHex(answer.key), integrity: new Uint8Array(0) };
  const message = messageOf(associatedData, bytesFromHex(answer.iv), plaintext, protection);
  const sealed = bytesFromHex(answer.sealed).subarray(0, plaintext.length + protection.icvBytes);
  protection.seal(keys, message, associatedData.length);
  if (!constantTimeEqual(message.subarray(message.length - sealed.length), sealed)) return 'wrong ciphertext or ICV';
  return openingFault(protection, keys, message, associatedData.length, plaintext);
}

function cipherFault(protection: MessageProtection | undefined, answer: CipherAnswer): string | undefined {
  if (protection === undefined) return notOffered;
  const plaintext = bytesFromHex(answer.plaintext);
  const keys = { encryption: bytesFromHex(answer.key), integrity: new Uint8Array(protection.integrityKeyBytes) };
  const message = messageOf(new Uint8Array(0), bytesFromHex(answer.iv), plaintext, protection);
  protection.seal(keys, message, 0);
  const ciphertext = message.subarray(protection.ivBytes, message.length - protection.icvBytes);
  if (!constantTimeEqual(ciphertext, bytesFromHex(answer.ciphertext))) return 'wrong ciphertext';
  return openingFault(protection, keys, message, 0, plaintext);
}

/** HMAC by its known answer, then that a message's ICV is that HMAC cut to length. */
function integrityFault(
  provider: CryptoProvider,
  row: Extract<Algorithm, { kind: 'integrity' }>,
  answer: HmacAnswer,
): string | undefined {
  const protection = protectionWith(provider, row);
  const prfRow = algorithms.find((other) => other.kind === 'prf' && other.hash === row.hash);
  const prf = prfRow && provider.prf(prfRow.transformId);
  if (protection === undefined || prf === undefined) return notOffered;
  const prfReason = prfFault(prf, answer);
  if (prfReason !== undefined) return prfReason;
  const plaintext = new Uint8Array(2 * protection.blockBytes).fill(0x5a);
  const keys = {
    encryption: new Uint8Array(protection.encryptionKeyBytes).fill(1),
    integrity: new Uint8Array(protection.integrityKeyBytes).fill(2),
  };
  const message = messageOf(new Uint8Array(28).fill(3), new Uint8Array(protection.ivBytes), plaintext, protection);
  protection.seal(keys, message, 28);
  const icvOffset = message.length - protection.icvBytes;
  const icv = prf.compute(keys.integrity, [message.subarray(0, icvOffset)]).subarray(0, row.icvBytes);
  if (!constantTimeEqual(icv, message.subarray(icvOffset))) return 'wrong ICV';
  return openingFault(protection, keys, message, 28, plaintext);
}

function prfFault(prf: Prf | undefined, answer: HmacAnswer): string | undefined {
  if (prf === undefined) return notOffered;
  const [key, data] = [bytesFromHex(answer.key), bytesFromHex(answer.data)];
  if (!constantTimeEqual(prf.compute(key, [data]), bytesFromHex(answer.mac))) return 'wrong output';
  const length = 3 * prf.outputBytes + 1;
  const expanded = prf.extractAndExpand(key, [data], [key, data], length);
  const expected = extractAndExpand(prf, key, [data], [key, data], length);
  return constantTimeEqual(expanded, expected) ? undefined : 'wrong prf+';
}

function keyExchangeFault(
  method: KeyExchange | undefined,
  answer: ReturnType<typeof knownAnswerOf>,
): string | undefined {
  if (method === undefined) return notOffered;
  if (answer === undefined) return modpFault(method);
  if (answer.kind !== 'keyExchange') return noAnswer;
  return knownKeyFault(method, answer);
}

function knownKeyFault(method: KeyExchange, answer: KeyExchangeAnswer): string | undefined {
  const privateKey = bytesFromHex(answer.privateKey);
  const key = method.generate({ fill: (target) => target.set(privateKey.subarray(0, target.length)) });
  if (!constantTimeEqual(key.publicValue, bytesFromHex(answer.publicValue))) return 'wrong public value';
  return derives(key, bytesFromHex(answer.peerPublicValue), bytesFromHex(answer.sharedSecret))
    ? undefined
    : 'wrong shared secret';
}

/** The generator of the MODP groups is 2, so that the shared secret with the "peer" 2 is our own public value. */
function modpFault(method: KeyExchange): string | undefined {
  const key = method.generate(noRandom);
  const generator = new Uint8Array(method.publicValueBytes);
  generator[generator.length - 1] = 2;
  return derives(key, generator, key.publicValue) ? undefined : 'wrong shared secret';
}

function derives(key: ReturnType<KeyExchange['generate']>, peer: Uint8Array, expected: Uint8Array): boolean {
  const derived = key.derive(peer);
  key.wipe();
  return derived.ok && derived.value.use((secret) => constantTimeEqual(secret, expected));
}

function openingFault(
  protection: MessageProtection,
  keys: DirectionKeys,
  message: Uint8Array,
  ivOffset: number,
  plaintext: Uint8Array,
): string | undefined {
  const opened = protection.open(keys, message, ivOffset);
  if (opened === undefined || !constantTimeEqual(opened, plaintext)) return 'wrong plaintext';
  const last = message.length - 1;
  message[last] = (message[last] ?? 0) ^ 1;
  return protection.open(keys, message, ivOffset) === undefined ? undefined : 'it accepts a wrong ICV';
}

function messageOf(
  associatedData: Uint8Array,
  iv: Uint8Array,
  plaintext: Uint8Array,
  protection: MessageProtection,
): Uint8Array {
  return concatenate([associatedData, iv, plaintext, new Uint8Array(protection.icvBytes)]);
}

const notOffered = 'the provider does not offer it';
const noAnswer = 'there is no known answer for it';
const noRandom: Random = {
  fill() {
    throw new Error('random bytes were asked for where none are used');
  },
};
