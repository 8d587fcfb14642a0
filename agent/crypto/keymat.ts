import { concatenate } from './bytes.ts';
import { prfPlus } from './prf-plus.ts';
import { SecretBytes } from './secret.ts';
import type { DirectionKeys, MessageProtection, Prf } from './types.ts';

/** The original initiator or responder of an IKE SA, whose keys carry the letter i or r (RFC 7296 §2.14). */
export type IkeRole = 'initiator' | 'responder';

/** The algorithms that an IKE SA computes with after negotiation; one object can serve every SA with that choice. */
export interface IkeAlgorithms {
  readonly prf: Prf;
  readonly protection: MessageProtection;
}

/** What both ends of an exchange contributed besides the shared secret. Nothing of it is kept. */
export interface IkeKeyInputs {
  /** Nonce of the exchange's initiator, without the payload header. */
  readonly initiatorNonce: Uint8Array;
  readonly responderNonce: Uint8Array;
  /** SPIs of the IKE SA whose keys are wanted, 8 bytes each. */
  readonly initiatorSpi: Uint8Array;
  readonly responderSpi: Uint8Array;
}

/** The keys of one direction of a Child SA, as the kernel takes them. */
export interface EspKeys {
  /** Encryption key, for an AEAD followed by its salt. */
  readonly encryption: SecretBytes;
  /** Integrity key; of length 0 for an AEAD. */
  readonly integrity: SecretBytes;
}

/** What the keys of a Child SA are derived from. */
export interface ChildKeyInputs {
  /** Nonces of the exchange that creates the Child SA. */
  readonly initiatorNonce: Uint8Array;
  readonly responderNonce: Uint8Array;
  /** g^ir (new) of a CREATE_CHILD_SA with a key exchange. */
  readonly sharedSecret?: SecretBytes | undefined;
  /** Bytes of an encryption key, the salt included (`keyBytes + saltBytes` of the algorithm's row). */
  readonly encryptionKeyBytes: number;
  /** Bytes of an integrity key; 0 for an AEAD. */
  readonly integrityKeyBytes: number;
}

/** Both directions of a Child SA; the initiator is that of the exchange that creates it (RFC 7296 §2.17). */
export interface ChildKeys {
  readonly initiatorToResponder: EspKeys;
  readonly responderToInitiator: EspKeys;
}

/**
 * The seven keys of an IKE SA in one allocation. Views that it lends are valid until `wipe` and must not be kept.
 * Using it after `wipe` throws.
 */
export class IkeKeys {
  readonly #algorithms: IkeAlgorithms;
  #bytes: Uint8Array | undefined;

  private constructor(algorithms: IkeAlgorithms, bytes: Uint8Array) {
    this.#algorithms = algorithms;
    this.#bytes = bytes;
  }

  /** Keys after IKE_SA_INIT: SKEYSEED = prf(Ni | Nr, g^ir) (RFC 7296 §2.14). The shared secret is left to its owner. */
  static initial(algorithms: IkeAlgorithms, sharedSecret: SecretBytes, inputs: IkeKeyInputs): IkeKeys {
    const nonces = concatenate([inputs.initiatorNonce, inputs.responderNonce]);
    const bytes = sharedSecret.use((secret) =>
      algorithms.prf.extractAndExpand(nonces, [secret], expansionSeed(inputs), keyBytes(algorithms)),
    );
    return new IkeKeys(algorithms, bytes);
  }

  /**
   * Keys of the IKE SA that replaces this one: SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr) with this SA's PRF,
   * everything after it with the new one (RFC 7296 §2.18).
   */
  rekeyed(algorithms: IkeAlgorithms, sharedSecret: SecretBytes, inputs: IkeKeyInputs): IkeKeys {
    const bytes = sharedSecret.use((secret) => {
      const contributions = [secret, inputs.initiatorNonce, inputs.responderNonce];
      const [seed, length] = [expansionSeed(inputs), keyBytes(algorithms)];
      const oldPrf = this.#algorithms.prf;
      if (oldPrf.id === algorithms.prf.id)
        return oldPrf.extractAndExpand(this.#deriving(), contributions, seed, length);
      const skeyseed = oldPrf.compute(this.#deriving(), contributions);
      const expanded = prfPlus(algorithms.prf, skeyseed, seed, length);
      skeyseed.fill(0);
      return expanded;
    });
    return new IkeKeys(algorithms, bytes);
  }

  /** SK_e and SK_a of the messages that `sender` sends. */
  direction(sender: IkeRole): DirectionKeys {
    const { encryptionKeyBytes, integrityKeyBytes } = this.#algorithms.protection;
    const integrityAt = this.#algorithms.prf.outputBytes + (sender === 'initiator' ? 0 : integrityKeyBytes);
    const encryptionAt =
      this.#algorithms.prf.outputBytes + 2 * integrityKeyBytes + (sender === 'initiator' ? 0 : encryptionKeyBytes);
    return {
      encryption: this.#view(encryptionAt, encryptionKeyBytes),
      integrity: this.#view(integrityAt, integrityKeyBytes),
    };
  }

  /** Keys of a Child SA: prf+(SK_d, [g^ir (new) |] Ni | Nr), in the order of RFC 7296 §2.17. */
  childKeys(inputs: ChildKeyInputs): ChildKeys {
    const { initiatorNonce, responderNonce, sharedSecret, encryptionKeyBytes } = inputs;
    const directionBytes = encryptionKeyBytes + inputs.integrityKeyBytes;
    const expand = (seed: readonly Uint8Array[]): Uint8Array =>
      prfPlus(this.#algorithms.prf, this.#deriving(), seed, 2 * directionBytes);
    const keymat =
      sharedSecret === undefined
        ? expand([initiatorNonce, responderNonce])
        : sharedSecret.use((secret) => expand([secret, initiatorNonce, responderNonce]));
    return {
      initiatorToResponder: espKeys(keymat.subarray(0, directionBytes), encryptionKeyBytes),
      responderToInitiator: espKeys(keymat.subarray(directionBytes), encryptionKeyBytes),
    };
  }

  /**
   * What `sender` signs or MACs in IKE_AUTH, as parts to be joined: its first message | the other side's nonce |
   * prf(SK_p, body of its ID payload) (RFC 7296 §2.15). `message` is the IKE_SA_INIT message as sent, without non-ESP
   * marker; `identityBody` is the ID payload after its generic header, reserved bytes as received.
   */
  signedOctets(
    sender: IkeRole,
    message: Uint8Array,
    otherNonce: Uint8Array,
    identityBody: Uint8Array,
  ): readonly Uint8Array[] {
    const { prf, protection } = this.#algorithms;
    const authenticatingAt =
      prf.outputBytes +
      2 * (protection.integrityKeyBytes + protection.encryptionKeyBytes) +
      (sender === 'initiator' ? 0 : prf.outputBytes);
    return [message, otherNonce, prf.compute(this.#view(authenticatingAt, prf.outputBytes), [identityBody])];
  }

  /** Overwrites all keys. May be called twice. */
  wipe(): void {
    this.#bytes?.fill(0);
    this.#bytes = undefined;
  }

  /** SK_d. */
  #deriving(): Uint8Array {
    return this.#view(0, this.#algorithms.prf.outputBytes);
  }

  #view(offset: number, length: number): Uint8Array {
    if (this.#bytes === undefined) throw new Error('IKE keys used after they were wiped');
    if (length === 0) return NOTHING;
    return this.#bytes.subarray(offset, offset + length);
  }
}

/**
 * The AUTH data of a pre-shared key: prf(prf(secret, "Key Pad for IKEv2"), octets) (RFC 7296 §2.15). `octets` are
 * those of `signedOctets`, for one's own AUTH or for the one expected from the peer; compare in constant time.
 */
export function preSharedKeyAuth(prf: Prf, preSharedKey: SecretBytes, octets: readonly Uint8Array[]): Uint8Array {
  const padded = preSharedKey.derived(prf.id, (secret) => prf.compute(secret, [KEY_PAD]));
  return padded.use((key) => prf.compute(key, octets));
}

/** Each secret owns its part of `keymat`, which nobody else keeps: wiping both leaves nothing of it. */
function espKeys(keymat: Uint8Array, encryptionKeyBytes: number): EspKeys {
  if (keymat.length === encryptionKeyBytes) {
    return { encryption: new SecretBytes(keymat), integrity: new SecretBytes(NOTHING) };
  }
  return {
    encryption: new SecretBytes(keymat.subarray(0, encryptionKeyBytes)),
    integrity: new SecretBytes(keymat.subarray(encryptionKeyBytes)),
  };
}

/** Length of SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr. */
function keyBytes({ prf, protection }: IkeAlgorithms): number {
  return 3 * prf.outputBytes + 2 * (protection.integrityKeyBytes + protection.encryptionKeyBytes);
}

/** Ni | Nr | SPIi | SPIr. */
function expansionSeed(inputs: IkeKeyInputs): readonly Uint8Array[] {
  return [inputs.initiatorNonce, inputs.responderNonce, inputs.initiatorSpi, inputs.responderSpi];
}

const KEY_PAD = new TextEncoder().encode('Key Pad for IKEv2');
const NOTHING = new Uint8Array(0);
