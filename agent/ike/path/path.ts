import type { DataplaneEvent, UdpEncapsulation } from '../../dataplane/types.ts';
import { inZone, withoutZone, zoneOf } from '../../wire/ip-address.ts';
import { type ChildSa, encapsulationPorts } from '../child/child-sa.ts';
import type { Connection } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import { movedOffer } from '../exchange/child-negotiation.ts';
import { rekeySoon } from '../rekey/rekeying.ts';
import type { IkeSa, IkeSaState } from '../state.ts';
import type { Instant, Path } from '../types.ts';

/*
 * Where the peer is. A NAT may give it another port or address at any time, for IKE and for ESP in UDP at once: both
 * use port 4500 at both ends. So both move when either shows the change: IKE by an authenticated message with a new
 * message ID, ESP by a packet that the kernel has authenticated and found fresh. A peer without a NAT never moves
 * (RFC 7296 §2.23).
 */

/** Notes that a message has been authenticated and is no repetition: it proves life, and shows where the peer is. */
export function noteProofOfLife(core: Core, at: Instant, sa: IkeSa, path: Path): void {
  sa.lastHeardAt = at;
  const floated = sa.state.kind === 'initAnswered' && sa.path.localPort !== path.localPort;
  const { localPort, remoteAddress, remotePort } = path;
  if (sa.nat.remote) movePeer(core, at, sa, { ...sa.path, ...(floated && { localPort }), remoteAddress, remotePort });
  else if (floated) sa.path = { ...sa.path, localPort, remotePort };
}

/** The kernel has received ESP from elsewhere than the SA says. */
export function onMapping(
  core: Core,
  at: Instant,
  sa: IkeSa,
  { newAddress, newPort }: Extract<DataplaneEvent, { kind: 'mapping' }>,
): void {
  const remoteAddress = inZone(newAddress, zoneOf(sa.path.localAddress));
  const path = { ...sa.path, remoteAddress, remotePort: newPort };
  if (!sa.nat.remote || isSameEnd(sa.path, path) || !mayMove(core, at, sa)) return;
  movePeer(core, at, sa, path);
}

/** What is not followed now the kernel tells again in a second or two. */
function mayMove(core: Core, at: Instant, sa: IkeSa): boolean {
  const { since, count } = sa.mappings;
  sa.mappings = at - since < 1_000 ? { since, count: count + 1 } : { since: at, count: 1 };
  return sa.mappings.count <= core.context.limits.mappingsPerSecond;
}

function isSameEnd(left: Path, right: Path): boolean {
  return left.remoteAddress === right.remoteAddress && left.remotePort === right.remotePort;
}

/** The kernel could not be told of the new ports: a successor will have them from the beginning. */
export function onEncapsulationRefused(core: Core, at: Instant, sa: IkeSa, inboundSpi: number): void {
  const children = sa.state.kind === 'established' ? sa.state.children : [];
  for (const child of children.filter((each) => each.inboundSpi === inboundSpi)) rekeySoon(core, at, sa, child);
}

function movePeer(core: Core, at: Instant, sa: IkeSa, path: Path): void {
  const { path: before, connection } = sa;
  sa.path = path;
  if (isSameEnd(before, path)) return;
  sa.state = withMovedOffer(core, sa.state, path);
  const { state } = sa;
  if (state.kind !== 'established' || connection === undefined) return;
  // What was sent to where the peer is no more has been lost.
  sa.window.repeatSoon(at);
  core.touch(sa);
  core.report({ kind: 'peerMoved', connection: connection.config.name, from: before, to: path });
  const encapsulated = state.children.filter((child) => child.udpEncapsulation);
  for (const child of encapsulated) {
    if (child.remoteAddress === withoutZone(path.remoteAddress)) updatePorts(core, connection, sa, child);
    // An address is part of the SA's name in the kernel. A second SA with the same key would have to count on where the
    // first one stops, to the packet, or an AEAD nonce occurs twice; new keys cost one exchange and no such risk.
    else rekeySoon(core, at, sa, child);
  }
}

/** A Child SA that is asked for will be for where the peer is when it answers. */
function withMovedOffer(core: Core, state: IkeSaState, path: Path): IkeSaState {
  if (state.kind === 'authRequested') {
    return state.offer === undefined ? state : { ...state, offer: movedOffer(core, state.offer, path) };
  }
  if (state.kind !== 'established' || state.asked === undefined || !('offer' in state.asked)) return state;
  return { ...state, asked: { ...state.asked, offer: movedOffer(core, state.asked.offer, path) } };
}

function updatePorts(core: Core, connection: Connection, sa: IkeSa, child: ChildSa): void {
  const { inboundSpi, outboundSpi, localAddress, remoteAddress } = child;
  const { inbound, outbound } = encapsulationPorts(sa.path);
  const update = (destination: ChildSa['localAddress'], spi: number, udpEncapsulation: UdpEncapsulation): void =>
    core.command(
      { kind: 'updateEncapsulation', id: { destination, spi }, udpEncapsulation },
      connection,
      sa.number,
      inboundSpi,
    );
  update(remoteAddress, outboundSpi, outbound);
  update(localAddress, inboundSpi, inbound);
}
