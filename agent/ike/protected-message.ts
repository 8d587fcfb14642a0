import type { IkeKeys } from '../crypto/keymat.ts';
import type { Random } from '../crypto/types.ts';
import type { HeaderFields } from '../wire/header.ts';
import type { Payload } from '../wire/payloads/payload.ts';
import { encodeProtected, type IvSource } from '../wire/sk.ts';
import { setUint32 } from '../wire/uint32.ts';
import type { Core } from './core.ts';
import type { IkeSa } from './state.ts';
import type { IkeCryptography } from './suite.ts';

/** Encodes and protects one message of an IKE SA, as the datagrams to send and to repeat. */
export function protectedMessage(
  core: Core,
  sa: IkeSa,
  keys: IkeKeys,
  cryptography: IkeCryptography,
  exchangeType: number,
  messageId: number,
  response: boolean,
  payloads: readonly Payload[],
): readonly Uint8Array[] {
  const initiator = sa.role === 'initiator';
  const header: HeaderFields = {
    initiatorSpi: initiator ? sa.localSpi : sa.remoteSpi,
    responderSpi: initiator ? sa.remoteSpi : sa.localSpi,
    exchangeType,
    flags: { initiator, response },
    messageId,
  };
  const { protection } = cryptography;
  const iv = protection.unpredictableIv ? core.context.random.nonces : new CountingIv(sa, core.context.random.nonces);
  return [encodeProtected({ header, payloads, protection, keys: keys.direction(sa.role), iv })];
}

/** Never the same twice under one key (RFC 5282 §3.1); the counter lives in the IKE SA and ends with its keys. */
class CountingIv implements IvSource {
  readonly #sa: IkeSa;
  readonly #random: Random;

  constructor(sa: IkeSa, random: Random) {
    this.#sa = sa;
    this.#random = random;
  }

  fill(target: Uint8Array): void {
    if (target.length !== COUNTER_BYTES) {
      this.#random.fill(target);
      return;
    }
    setUint32(target, 0, Math.floor(this.#sa.nextIv / 0x1_0000_0000));
    setUint32(target, 4, this.#sa.nextIv >>> 0);
    this.#sa.nextIv += 1;
  }
}

const COUNTER_BYTES = 8;
