import type { Random } from '../../crypto/types.ts';
import type { SaLifetime } from '../../dataplane/types.ts';
import type { ChildSa } from '../child/child-sa.ts';
import type { Core } from '../core.ts';
import type { Limits } from '../limits.ts';
import { fraction } from '../message/window.ts';
import type { Instant } from '../types.ts';

/**
 * A lifetime that ends by chance in its last fifth: a mesh must not rekey in step, and the two ends of an SA should not
 * begin to at the same time (RFC 7296 §2.8).
 */
export function shortened(lifetime: number, jitter: Random): number {
  return lifetime * (1 - SPREAD * fraction(jitter));
}

/** Limits of an SA, the soft ones shortened each by itself; the kernel counts in whole numbers. */
export function shortenedLimits(lifetime: SaLifetime, jitter: Random): SaLifetime {
  const { softSeconds, softBytes, softPackets } = lifetime;
  const whole = (limit: number): number => Math.max(1, Math.round(shortened(limit, jitter)));
  return {
    ...lifetime,
    ...(softSeconds === undefined ? {} : { softSeconds: whole(softSeconds) }),
    ...(softBytes === undefined ? {} : { softBytes: whole(softBytes) }),
    ...(softPackets === undefined ? {} : { softPackets: whole(softPackets) }),
  };
}

/**
 * Limits of an SA that keep it within its sequence numbers: those of 32 bits end after 4,294,967,295 packets, and the kernel
 * then sends nothing any more, without a word (RFC 4303 §3.3.3). Half of them are left for the successor to come in time.
 */
export function withinSequenceNumbers(lifetime: SaLifetime, esn: boolean): SaLifetime {
  return esn ? lifetime : { ...lifetime, softPackets: Math.min(lifetime.softPackets ?? Infinity, HALF_OF_32_BITS) };
}

/**
 * When to ask again after the peer had no time: not at once, and the two ends of a collision not in step
 * (RFC 7296 §2.25).
 */
export function timeToRetry(core: Core, at: Instant): Instant {
  const { limits, random } = core.context;
  return at + limits.temporaryFailureMs * (1 + fraction(random.jitter));
}

/** When to begin a rekey again that may come to nothing: a few times more, however near the hard limit is. */
export function nextTry(at: Instant, { installedAt, lifetime }: ChildSa, limits: Limits): Instant {
  const { hardSeconds = Infinity } = lifetime;
  const left = installedAt + hardSeconds * 1_000 - at;
  return at + Math.min(limits.rekeyRetryMs, Math.max(left / TRIES_LEFT, limits.temporaryFailureMs));
}

const TRIES_LEFT = 4;
const SPREAD = 0.2;
const HALF_OF_32_BITS = 2 ** 31;
