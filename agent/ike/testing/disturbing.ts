import type { Datagram, Pair } from './pair.ts';

/**
 * Delivers copies of a datagram as the way may spoil them: each byte changed once, cut at each place, and with a byte
 * more.
 */
export function deliverSpoiled(pair: Pair, datagram: Datagram): void {
  const { bytes } = datagram;
  for (let offset = 0; offset < bytes.length; offset += 1) {
    const changed = bytes.slice();
    changed[offset] = (changed[offset] ?? 0) ^ (1 + ((offset * 37) % 255));
    pair.deliverCopy(datagram, changed);
  }
  deliverMisfit(pair, datagram);
}

/** Delivers copies that are cut, or longer by a byte: what is no message at all, protected or not. */
export function deliverMisfit(pair: Pair, datagram: Datagram): void {
  const { bytes } = datagram;
  for (let length = 0; length < bytes.length; length += 1) pair.deliverCopy(datagram, bytes.slice(0, length));
  pair.deliverCopy(datagram, Uint8Array.of(...bytes, 0));
}
