import type { Core } from './core.ts';
import type { IkeSa } from './state.ts';
import type { Instant } from './types.ts';
import { fraction } from './window.ts';

/*
 * NAT keepalives (RFC 3948 §2.3, §4): a byte now and then keeps the mapping in the NAT that stands in front of us, so
 * that the peer can reach us while nothing else is sent. The peer does nothing with them and proves nothing by them.
 */

/** When the next one is due; undefined where no NAT stands in front of us, or nobody has authenticated yet. */
export function keepaliveAt(sa: IkeSa): Instant | undefined {
  return sa.nat.local && sa.state.kind === 'established' ? sa.keepaliveAt : undefined;
}

/** Puts the next one off because something has been sent. Never in step with those of other peers. */
export function postponeKeepalive(core: Core, at: Instant, sa: IkeSa): void {
  if (!sa.nat.local) return;
  const { limits, random } = core.context;
  sa.keepaliveAt = at + limits.keepaliveMs * (1 - KEEPALIVE_JITTER * fraction(random.jitter));
}

/** Sends one. */
export function sendKeepalive(core: Core, at: Instant, sa: IkeSa): void {
  core.act({ kind: 'keepalive', path: sa.path });
  postponeKeepalive(core, at, sa);
}

const KEEPALIVE_JITTER = 0.25;
