import type { SaSpec } from '../../dataplane/types.ts';
import type { Core } from '../core.ts';
import { fraction } from '../message/window.ts';
import type { IkeSa } from '../state.ts';
import type { Instant } from '../types.ts';

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

/** Sends one, unless the kernel does: it knows when ESP has kept the mapping alive already. */
export function sendKeepalive(core: Core, at: Instant, sa: IkeSa): void {
  if (!isLeftToKernel(core, sa)) core.act({ kind: 'keepalive', path: sa.path });
  postponeKeepalive(core, at, sa);
}

/** What an outbound SA asks of the kernel. */
export function kernelKeepalive(core: Core, sa: IkeSa): Pick<SaSpec, 'natKeepaliveSeconds'> {
  return sa.nat.local ? { natKeepaliveSeconds: Math.round(core.context.limits.keepaliveMs / 1_000) } : {};
}

function isLeftToKernel(core: Core, { state }: IkeSa): boolean {
  if (core.context.kernelSendsKeepalives !== true || state.kind !== 'established') return false;
  return state.children.some(({ usage }) => usage === 'current');
}

const KEEPALIVE_JITTER = 0.25;
