import { hostView } from '../netlink/host-order.ts';
import type { SaLifetime } from '../types.ts';
import { NO_LIMIT } from './registry.ts';

/**
 * struct xfrm_lifetime_cfg:
 *
 *     soft_byte 0, hard_byte 8, soft_packet 16, hard_packet 24, soft_add 32, hard_add 40, soft_use 48, hard_use 56
 *
 * Absent limits of bytes and packets are XFRM_INF, those of time are 0. Time counts from when the SA was added.
 */
export const LIFETIME_BYTES = 64;

/** Writes limits. */
export function putLifetime(target: Uint8Array, offset: number, lifetime: SaLifetime): void {
  const view = hostView(target);
  view.setUint64(offset, orNoLimit(lifetime.softBytes));
  view.setUint64(offset + 8, orNoLimit(lifetime.hardBytes));
  view.setUint64(offset + 16, orNoLimit(lifetime.softPackets));
  view.setUint64(offset + 24, orNoLimit(lifetime.hardPackets));
  view.setUint64(offset + 32, BigInt(lifetime.softSeconds ?? 0));
  view.setUint64(offset + 40, BigInt(lifetime.hardSeconds ?? 0));
}

function orNoLimit(limit: number | undefined): bigint {
  return limit === undefined ? NO_LIMIT : BigInt(limit);
}
