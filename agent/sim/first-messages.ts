import { sameBytes } from '../crypto/bytes.ts';
import { decodeHeader } from '../wire/header.ts';
import { ExchangeType } from '../wire/registry.ts';

/**
 * Which IKE_SA_INIT request initiators stand by. Whoever is asked for a cookie or another group sends another one under the
 * same SPI (RFC 7296 §2.6.1); where the responder takes the one before, which was on its way still, neither side can tell,
 * and the initiator proves a message that the responder has not answered.
 */
export class FirstMessages {
  /** The last request of each initiator, by its SPI. */
  readonly #last = new Map<string, Uint8Array>();

  noteSent(bytes: Uint8Array): void {
    const spi = initiatorOf(bytes);
    if (spi !== undefined) this.#last.set(spi, bytes);
  }

  /** Whether a request has been replaced by another one since it was sent. */
  isOutdated(bytes: Uint8Array): boolean {
    const spi = initiatorOf(bytes);
    const last = spi === undefined ? undefined : this.#last.get(spi);
    return last !== undefined && !sameBytes(last, bytes);
  }
}

/** The SPI of whoever sends an IKE_SA_INIT request; undefined for anything else. */
function initiatorOf(bytes: Uint8Array): string | undefined {
  const header = decodeHeader(bytes);
  if (!header.ok) return undefined;
  const { exchangeType, flags, initiatorSpi } = header.value;
  return exchangeType === ExchangeType.IKE_SA_INIT && !flags.response ? initiatorSpi : undefined;
}
