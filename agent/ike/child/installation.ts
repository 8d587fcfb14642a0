import { isConfigured } from '../connection/configured.ts';
import { type Connection, childrenOf } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import type { NewPair } from '../outcome.ts';
import { kernelKeepalive } from '../path/keepalive.ts';
import { shortenedLimits, withinSequenceNumbers } from '../rekey/rekey-time.ts';
import type { IkeSa } from '../state.ts';
import type { ChildConfig, Instant, Path } from '../types.ts';
import { type ChildSa, childSa, saSpecs } from './child-sa.ts';
import { orphanPins } from './orphan-pins.ts';
import { hasCurrent, makeCurrent, receiveOnly, waitsInPlaintext } from './pair-in-use.ts';
import { awaitsPackets } from './proof-of-use.ts';
import { setChildren } from './set-children.ts';

/*
 * The order of kernel operations, in one place. Unpinned, adding an outbound SA would be the switch, and a packet sent
 * before the peer has its inbound SA is lost; so out policies are pinned to an SPI and the pin moves last.
 */

/** A Child SA to install. */
interface Installation extends NewPair {
  /** What grants it, where we are the responder. */
  readonly reply: { readonly path: Path; readonly datagrams: readonly Uint8Array[] } | undefined;
  /** Whether it is the Child SA of IKE_AUTH. */
  readonly first: boolean;
}

/**
 * Installs a Child SA: inbound SA, outbound SA, as responder the response, which so promises nothing that the kernel does
 * not hold, then policies. A responder that still has an older pair, or may send in plaintext meanwhile, does not send on
 * the new one until the initiator is known to have its inbound SA: it deletes the older pair, sends a packet on the new
 * one, or a further request on its IKE SA, or answers ours.
 */
export function installChild(
  core: Core,
  at: Instant,
  sa: IkeSa,
  connection: Connection,
  { agreement, keys, rekeys, redundant, reply, first }: Installation,
): void {
  const { path } = sa;
  const { name, reqid } = agreement.config;
  const older = hasCurrent(connection, name) || orphanPins(connection).has(reqid);
  const waits = older || waitsInPlaintext(sa, agreement.config);
  const outdated = isOutdated(connection, agreement.config);
  const usage = redundant || outdated ? 'superseded' : reply !== undefined && waits ? 'deferred' : 'current';
  // An answer shows that the peer has our last response only where it could not answer before it had it.
  const settledBy = agreement.weInitiated || first ? sa.window.nextRequestId : undefined;
  const limits = withinSequenceNumbers(agreement.config.lifetime, agreement.suite.esn);
  const lifetime = shortenedLimits(limits, core.context.random.jitter);
  const udpEncapsulation = sa.nat.local || sa.nat.remote;
  const deleteAt = outdated ? at + core.context.limits.rekeyedGraceMs : undefined;
  const child = childSa(at, agreement, path, { udpEncapsulation, lifetime, usage, settledBy, rekeys, deleteAt });
  const { inbound, outbound } = saSpecs(child, keys, path);
  core.command({ kind: 'addSa', sa: inbound }, connection, sa.number, child.inboundSpi);
  const spec = { ...outbound, ...kernelKeepalive(core, sa) };
  core.command({ kind: 'addSa', sa: spec }, connection, sa.number, child.inboundSpi);
  if (reply !== undefined) core.transmit(reply.path, reply.datagrams);
  setChildren(sa, (children) => [...children, child]);
  if (usage === 'current') makeCurrent(core, at, connection, child);
  else if (usage === 'deferred' && !older) receiveOnly(core, connection, child);
  if (awaitsPackets(connection, child)) {
    connection.switchCheckAt ??= at + core.context.limits.switchCheckMs;
    core.schedule(connection);
  }
  if (rekeys !== undefined && usage !== 'superseded') reportRekeyed(core, connection, child, rekeys.inboundSpi);
  core.report({
    kind: 'childSaEstablished',
    connection: connection.config.name,
    ikeSa: sa.number,
    child: child.config.name,
    inboundSpi: child.inboundSpi,
    outboundSpi: child.outboundSpi,
    reqid: child.config.reqid,
    suite: child.suite.text,
    traffic: child.traffic,
  });
}

/** Whether it is for other traffic than its Child is for by now, and a pair for that is there already. */
function isOutdated(connection: Connection, config: ChildConfig): boolean {
  if (isConfigured(connection.config, { config })) return false;
  return childrenOf(connection).some(
    (child) => child.config.name === config.name && isConfigured(connection.config, child),
  );
}

function reportRekeyed(core: Core, connection: Connection, child: ChildSa, replacedInboundSpi: number): void {
  const by = child.weInitiated ? 'us' : 'peer';
  const { inboundSpi } = child;
  const { name } = connection.config;
  core.report({
    kind: 'childSaRekeyed',
    connection: name,
    child: child.config.name,
    by,
    replacedInboundSpi,
    inboundSpi,
  });
}
