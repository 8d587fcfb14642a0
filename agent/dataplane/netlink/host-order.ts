/*
 * Netlink speaks in the byte order of the host, everything else here in that of the network. These are the only
 * readers and writers of host order.
 */

const LITTLE = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Reads and writes integers in the host's order. Offsets outside the bytes throw: check lengths first. */
export class HostView {
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  getUint16(offset: number): number {
    return this.#view.getUint16(offset, LITTLE);
  }

  getUint32(offset: number): number {
    return this.#view.getUint32(offset, LITTLE);
  }

  getInt32(offset: number): number {
    return this.#view.getInt32(offset, LITTLE);
  }

  /** A u64 as a number; above 2^53 it is not exact. */
  getUint64(offset: number): number {
    return Number(this.#view.getBigUint64(offset, LITTLE));
  }

  setUint16(offset: number, value: number): void {
    this.#view.setUint16(offset, value, LITTLE);
  }

  setUint32(offset: number, value: number): void {
    this.#view.setUint32(offset, value, LITTLE);
  }

  setUint64(offset: number, value: bigint): void {
    this.#view.setBigUint64(offset, value, LITTLE);
  }
}

export function hostView(bytes: Uint8Array): HostView {
  return new HostView(bytes);
}

/** The first four bytes as a u32; undefined if there are fewer. */
export function hostUint32(bytes: Uint8Array): number | undefined {
  return bytes.length < 4 ? undefined : hostView(bytes).getUint32(0);
}

/** A u32 in host order. */
export function hostUint32Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  hostView(bytes).setUint32(0, value);
  return bytes;
}
