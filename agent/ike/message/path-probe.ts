import type { Payload } from '../../wire/payloads/payload.ts';
import { ExchangeType, NotifyType } from '../../wire/registry.ts';
import type { Core } from '../core.ts';
import { nextSize, type PathMtuSearch } from '../path/path-mtu-search.ts';
import type { Established, IkeSa } from '../state.ts';
import type { Instant } from '../types.ts';
import { packetBytes } from './datagram-size.ts';
import { notify } from './notify.ts';
import { sendProbe } from './protected-message.ts';

/**
 * Sends a packet of the next size of this search, or the next shorter one that the algorithms of the IKE SA can fill. False
 * where there is nothing to send.
 */
export function sendPathProbe(core: Core, at: Instant, sa: IkeSa, state: Established, search: PathMtuSearch): boolean {
  const size = nextSize(search);
  if (size === undefined || !canProbe(sa)) return false;
  const { timeoutMs } = sa.connection?.config.liveness ?? { timeoutMs: 0 };
  const payloads = (padding: number): readonly Payload[] => [notify(NotifyType.PATH_PROBE, new Uint8Array(padding))];
  const room = size - packetBytes(sa, 0);
  sendProbe(core, at, sa, state, { exchangeType: ExchangeType.INFORMATIONAL, payloads, room, search, timeoutMs });
  return true;
}

/** Whoever takes no fragments would never get what is too long, and no other peer is asked for this. */
export function canProbe({ state, fragmentation }: IkeSa): boolean {
  return state.kind === 'established' && state.peerIsAgent && state.endsAt === undefined && fragmentation !== 'none';
}
