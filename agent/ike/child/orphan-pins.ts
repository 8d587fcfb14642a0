import type { Connection } from '../connection/connection.ts';

/** The SPI that the out policies of a Child without a current pair are pinned to, by reqid; of several the last one. */
export function orphanPins({ orphans }: Connection): ReadonlyMap<number, number> {
  if (orphans.length === 0) return NO_PINS;
  return new Map(orphans.filter(({ pinned }) => pinned).map(({ id, reqid }) => [reqid, id.spi]));
}

const NO_PINS: ReadonlyMap<number, number> = new Map();
