/** Bytes that are not what the RFC says they must be: the fault of whoever sent or corrupted them. */
export interface Malformed {
  readonly kind: 'malformed';
  /**
   * Where: bytes from the start of the datagram, of the decrypted payloads (`decodePayloads`), or of a Notify's data
   * (`decodeNotifyData`). For a payload that is missing or doubled it is the index of the payload.
   */
  readonly offset: number;
  /** Which field, in the RFC's words, such as "Proposal SPI Size". */
  readonly field: string;
  /** What is wrong with it, with the numbers. */
  readonly reason: string;
}

/** The only place that makes a `Malformed`. */
export function malformed(offset: number, field: string, reason: string): Malformed {
  return { kind: 'malformed', offset, field, reason };
}
