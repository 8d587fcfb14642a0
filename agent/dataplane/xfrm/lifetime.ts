import { hostView } from '../netlink/host-order.ts';
import type { SaLifetime } from '../types.ts';
import { NO_LIMIT } from './registry.ts';

/**
 * Writes limits as struct xfrm_lifetime_cfg:
 *
 *     soft_byte 0, hard_byte 8, soft_packet 16, hard_packet 24, soft_add 32, hard_add 40, soft_use 48, hard_use 56
 *
 * Absent limits of bytes and packets are XFRM_INF, those of time are 0. Time counts from when the SA was added; parts
 * of a second are rounded up, since 0 would mean no limit.
 */
export function putLifetime(target: Uint8Array, offset: number, lifetime: SaLifetime): void {
  const view = hostView(target);
  view.setUint64(offset, amount(lifetime.softBytes));
  view.setUint64(offset + 8, amount(lifetime.hardBytes));
  view.setUint64(offset + 16, amount(lifetime.softPackets));
  view.setUint64(offset + 24, amount(lifetime.hardPackets));
  view.setUint64(offset + 32, seconds(lifetime.softSeconds));
  view.setUint64(offset + 40, seconds(lifetime.hardSeconds));
}

function amount(limit: number | undefined): bigint {
  return limit === undefined || !Number.isFinite(limit) ? NO_LIMIT : BigInt(Math.floor(limit));
}

function seconds(limit: number | undefined): bigint {
  return limit === undefined || !Number.isFinite(limit) ? 0n : BigInt(Math.max(1, Math.ceil(limit)));
}
