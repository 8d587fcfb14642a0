import { encryptionOf, integrityOf, keyExchangeOf, prfOf } from '../../agent/crypto/suites.ts';
import type {
  CryptoProvider,
  DirectionKeys,
  EphemeralKey,
  KeyExchange,
  MessageProtection,
  Prf,
} from '../../agent/crypto/types.ts';
import { systemRandom } from '../../agent/runtime/random-system.ts';

/** One call of a cryptographic primitive, which can be made again. */
export interface Primitive {
  readonly kind:
    | 'keyGeneration'
    | 'keyDerivation'
    | 'hmac'
    | 'hkdf'
    | 'seal'
    | 'open'
    | 'sha1'
    | 'signature'
    | 'verification';
  /** What it computes, for people: `HMAC_SHA2_384`, `AES_GCM_16 seal`. */
  readonly name: string;
  /** Bytes that go in, the key not counted. */
  readonly inputBytes: number;
  /** How many HMACs it stands for where the protocol knows nothing else: RFC 7296 defines prf and prf+ only. */
  readonly hmacs: number;
  /** Computes it once more, with the same key and input. */
  readonly run: () => void;
  /** Where it stands for several HMACs: computes one of them, with input as long as that of most of them. */
  readonly oneHmac?: () => void;
}

/**
 * A provider that does what `provider` does and tells `note` each primitive before it is computed, with copies of key
 * and input: what is wiped afterwards is not what is run again.
 */
export function recordingProvider(provider: CryptoProvider, note: (primitive: Primitive) => void): CryptoProvider {
  return {
    name: provider.name,
    prf: (id) => {
      const prf = provider.prf(id);
      return prf && recordingPrf(prf, note);
    },
    keyExchange: (id) => {
      const keyExchange = provider.keyExchange(id);
      return keyExchange && recordingKeyExchange(keyExchange, note);
    },
    messageProtection: (encryption, keyBits, integrity) => {
      const protection = provider.messageProtection(encryption, keyBits, integrity);
      return protection && recordingProtection(protection, protectionName(encryption, keyBits, integrity), note);
    },
    sha1: (parts) => {
      const kept = copies(parts);
      note({ kind: 'sha1', name: 'SHA1', inputBytes: total(kept), hmacs: 0, run: () => provider.sha1(kept) });
      return provider.sha1(parts);
    },
  };
}

function recordingPrf(prf: Prf, note: (primitive: Primitive) => void): Prf {
  const name = prfOf(prf.id)?.name ?? `prf ${prf.id}`;
  return {
    id: prf.id,
    outputBytes: prf.outputBytes,
    compute(key, parts) {
      const [keptKey, kept] = [key.slice(), copies(parts)];
      note({ kind: 'hmac', name, inputBytes: total(kept), hmacs: 1, run: () => prf.compute(keptKey, kept) });
      return prf.compute(key, parts);
    },
    extractAndExpand(salt, secret, seed, length) {
      const [keptSalt, keptSecret, keptSeed] = [salt.slice(), copies(secret), copies(seed)];
      // In prf+ the key and the block before, which goes into the next, are each as long as the output.
      const anyKey = new Uint8Array(prf.outputBytes).fill(1);
      note({
        kind: 'hkdf',
        name: `${name} prf, then prf+ of ${length} bytes`,
        inputBytes: total(keptSecret) + total(keptSeed),
        hmacs: 1 + Math.ceil(length / prf.outputBytes),
        run: () => prf.extractAndExpand(keptSalt, keptSecret, keptSeed, length),
        oneHmac: () => prf.compute(anyKey, [anyKey, ...keptSeed, COUNTER]),
      });
      return prf.extractAndExpand(salt, secret, seed, length);
    },
  };
}

function recordingKeyExchange(keyExchange: KeyExchange, note: (primitive: Primitive) => void): KeyExchange {
  const group = keyExchangeOf(keyExchange.id)?.name ?? `group ${keyExchange.id}`;
  const { id, publicValueBytes } = keyExchange;
  return {
    id,
    publicValueBytes,
    generate(random) {
      const run = (): void => keyExchange.generate(systemRandom).wipe();
      note({ kind: 'keyGeneration', name: `${group} key generation`, inputBytes: 0, hmacs: 0, run });
      return recordingKey(keyExchange.generate(random), group, note);
    },
  };
}

/** The key outlives its SA: it is what the derivation is run again with. */
function recordingKey(key: EphemeralKey, group: string, note: (primitive: Primitive) => void): EphemeralKey {
  return {
    publicValue: key.publicValue,
    derive(peerPublicValue) {
      const kept = peerPublicValue.slice();
      const run = (): void => {
        const secret = key.derive(kept);
        if (secret.ok) secret.value.wipe();
      };
      note({ kind: 'keyDerivation', name: `${group} derivation`, inputBytes: kept.length, hmacs: 0, run });
      return key.derive(peerPublicValue);
    },
    wipe: () => undefined,
  };
}

function recordingProtection(
  protection: MessageProtection,
  name: string,
  note: (primitive: Primitive) => void,
): MessageProtection {
  return {
    ...protection,
    seal(keys, message, ivOffset) {
      const [keptKeys, kept] = [copyOf(keys), message.slice()];
      const run = (): void => protection.seal(keptKeys, kept, ivOffset);
      note({ kind: 'seal', name: `${name} seal`, inputBytes: message.length, hmacs: 0, run });
      protection.seal(keys, message, ivOffset);
    },
    open(keys, message, ivOffset) {
      const [keptKeys, kept] = [copyOf(keys), message.slice()];
      const run = (): unknown => protection.open(keptKeys, kept, ivOffset);
      note({ kind: 'open', name: `${name} open`, inputBytes: message.length, hmacs: 0, run });
      return protection.open(keys, message, ivOffset);
    },
  };
}

function protectionName(encryption: number, keyBits: number, integrity: number): string {
  const names = [encryptionOf(encryption, keyBits)?.name, integrityOf(integrity)?.name];
  return names.filter((name) => name !== undefined).join(' with ');
}

function copyOf(keys: DirectionKeys): DirectionKeys {
  return { encryption: keys.encryption.slice(), integrity: keys.integrity.slice() };
}

function copies(parts: readonly Uint8Array[]): readonly Uint8Array[] {
  return parts.map((part) => part.slice());
}

function total(parts: readonly Uint8Array[]): number {
  return parts.reduce((bytes, part) => bytes + part.length, 0);
}

/** Each block of prf+ ends with its number, one byte. */
const COUNTER = new Uint8Array(1);
