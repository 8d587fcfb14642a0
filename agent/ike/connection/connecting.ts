import { ZERO_SPI } from '../../wire/header.ts';
import { ExchangeType } from '../../wire/registry.ts';
import type { ChildSa } from '../child/child-sa.ts';
import type { Core } from '../core.ts';
import { firstInitRequest } from '../exchange/ike-sa-init.ts';
import { NO_REASSEMBLIES } from '../message/fragment.ts';
import { enqueue } from '../message/requests.ts';
import { fraction, Window } from '../message/window.ts';
import type { Established, IkeSa } from '../state.ts';
import type { ChildConfig, Instant, Path } from '../types.ts';
import { configuredNow, isConfigured } from './configured.ts';
import { type Connection, childrenOf, initiationOf, isConnecting, standingIkeSa } from './connection.ts';
import type { Turn } from './pacing.ts';

/**
 * Begins an IKE SA with the peer as soon as it is its turn, unless one is being set up or everything that is wanted is
 * there.
 */
export function attempt(core: Core, at: Instant, connection: Connection, turn: Turn): void {
  connection.nextAttemptAt = undefined;
  if (!lacksIkeSa(core, at, connection)) core.pacing.leave(connection);
  else if (core.pacing.admits(connection, turn)) initiate(core, at, connection);
}

/** Whether only a new IKE SA brings what is wanted; for what one that stands can bring it is asked. */
function lacksIkeSa(core: Core, at: Instant, connection: Connection): boolean {
  const { name, remoteAddress } = connection.config;
  if (core.connections.get(name) !== connection || invite(core, at, connection) || remoteAddress === 'any')
    return false;
  if (isConnecting(connection) || isSatisfied(connection)) return false;
  const standing = standingIkeSa(connection);
  if (standing === undefined || connection.replacing !== 0) return true;
  askForMissing(core, at, connection, standing);
  return false;
}

/** No IKE SA is to be begun by ourselves for now. */
export function callOff(core: Core, connection: Connection): void {
  connection.nextAttemptAt = undefined;
  core.pacing.leave(connection);
}

/** Calls those that waited for their turn and have it now. */
export function callWaiting(core: Core, at: Instant): void {
  for (let next = core.pacing.next(); next !== undefined; next = core.pacing.next()) {
    next.nextAttemptAt = at;
    core.schedule(next);
  }
}

function initiate(core: Core, at: Instant, connection: Connection): void {
  const { remoteAddress, localAddress, remotePort, name } = connection.config;
  if (remoteAddress === 'any') return;
  const path: Path = { localAddress, localPort: IKE_PORT, remoteAddress, remotePort };
  const localSpi = core.drawIkeSpi();
  const state = firstInitRequest(core, connection, localSpi, path);
  if (state === undefined) {
    const text = `${name}: no IKE proposal has a key exchange that this host can compute`;
    connection.lastFailure = { at, text };
    core.report({ kind: 'negotiationFailed', connection: name, path, reason: 'noProposalChosen', by: 'us', text });
    return;
  }
  const sa: IkeSa = {
    number: core.nextNumber(),
    role: 'initiator',
    startedAt: at,
    localSpi,
    remoteSpi: ZERO_SPI,
    connection,
    path,
    nat: { local: false, remote: false },
    mappings: { since: at, count: 0 },
    keepaliveAt: at,
    state,
    window: new Window(),
    queue: [],
    fragmentation: 'none',
    reassemblies: NO_REASSEMBLIES,
    halfOpenKey: undefined,
    lastHeardAt: at,
    replaces: connection.replacing,
    nextIv: 0,
    timerAt: undefined,
  };
  const { limits, random } = core.context;
  core.ikeSas.set(localSpi, sa);
  connection.ikeSas.push(sa);
  const request = { exchangeType: ExchangeType.IKE_SA_INIT, payloads: [], datagrams: [state.request] };
  sa.window.open(at, request, limits.handshakeTimeoutMs, limits, random.jitter);
  core.transmit(path, [state.request]);
  core.touch(sa);
}

/**
 * Before an IKE SA is replaced by one that we begin, the peer is asked to begin it (RFC 4478), and given a while: as a
 * responder it would send on the new pair as soon as it has answered, which is before we can receive. An agent waits by
 * itself, but whom nobody can call asks it all the same. Who does not know the question ignores it.
 */
function invite(core: Core, at: Instant, connection: Connection): boolean {
  const { replacing, invited, config } = connection;
  const replaced = connection.ikeSas.find(({ number, state }) => number === replacing && state.kind === 'established');
  const { invitationMs } = core.context.limits;
  if (
    replaced?.state.kind !== 'established' ||
    (replaced.state.peerIsAgent && config.remoteAddress !== 'any') ||
    invitationMs === 0
  )
    return false;
  if (invited === replacing) return false;
  connection.invited = replacing;
  enqueue(core, at, replaced, { kind: 'inviteReauthentication' });
  if (config.remoteAddress === 'any') connection.replacing = 0;
  else connection.nextAttemptAt = at + invitationMs;
  core.schedule(connection);
  return true;
}

/** Asks on an IKE SA that stands for the configured Child SAs that it does not have, whatever another one has. */
export function askForMissing(core: Core, at: Instant, connection: Connection, sa: IkeSa): void {
  if (sa.state.kind !== 'established') return;
  for (const child of missingChildren(connection, sa)) {
    const waits = sa.queue.some((queued) => queued.kind === 'createChild' && queued.child === child);
    if (waits || isAsked(connection, sa.state, child)) continue;
    enqueue(core, at, sa, { kind: 'createChild', child, group: undefined });
  }
}

function isAsked({ config }: Connection, { asked }: Established, child: string): boolean {
  if (asked?.kind !== 'createChild' || asked.offer.config.name !== child) return false;
  return isConfigured(config, { config: configuredNow(config, asked.offer.config) });
}

/** Names of the configured Child SAs that an IKE SA does not have. */
export function missingChildren({ config: { children } }: Connection, { state }: IkeSa): readonly string[] {
  const present = state.kind === 'established' ? state.children : [];
  return children.filter((config) => !present.some((child) => child.config === config)).map(({ name }) => name);
}

/** Whether `winner` has not all configured Child SAs yet that `loser` has: until then `loser` cannot be done without. */
export function lacksChildren(connection: Connection, winner: IkeSa, loser: IkeSa): boolean {
  return connection.config.children.some(({ name }) => hasChild(loser, name) && !hasChild(winner, name));
}

/**
 * Whether the peer is not known yet to be in the possession of one of the Child SAs of `winner` that `loser` has too. A
 * peer that has been granted several may take any for the one that stays; so nothing ends before that is clear.
 */
export function awaitsProof(connection: Connection, winner: IkeSa, loser: IkeSa): boolean {
  return connection.config.children.some(({ name }) => hasChild(loser, name) && !isSettled(winner, name));
}

/** How long to wait before what has failed is tried again: soon first, then ever later, never in step with others. */
export function backoffMs(core: Core, connection: Connection): number {
  const { reconnectFirstMs, reconnectCeilingMs } = core.context.limits;
  const backoff = Math.min(reconnectFirstMs * 2 ** connection.failures, reconnectCeilingMs);
  return backoff * (1 + RECONNECT_JITTER * fraction(core.context.random.jitter));
}

/**
 * Plans the next attempt where the connection wants to be up by itself and is not. One that is planned already stays.
 */
export function scheduleAttempt(core: Core, at: Instant, connection: Connection): void {
  const { remoteAddress, name } = connection.config;
  const initiation = initiationOf(connection.config);
  if (remoteAddress === 'any') return;
  // Nobody but us knows that what stands is to be replaced.
  const waits = connection.replacing === 0 && initiation !== 'start' && initiation !== 'takeover';
  // Traffic that goes by orphans asks for nothing, and they will expire.
  if (waits && (initiation === 'respond' || connection.orphans.length === 0)) return;
  if (core.connections.get(name) !== connection) return;
  if (connection.nextAttemptAt !== undefined || core.pacing.isWaiting(connection)) return;
  if (isConnecting(connection) || isSatisfied(connection)) return;
  const backoff = backoffMs(core, connection);
  const wait = initiation === 'takeover' ? core.context.limits.takeoverMs : 0;
  connection.nextAttemptAt = at + Math.max(wait, backoff);
  core.schedule(connection);
}

/**
 * Replaces an IKE SA and its Child SAs by new ones, with new proofs of identity, the old ones in use until then (make
 * before break; RFC 7296 §2.8.3).
 */
export function reauthenticate(core: Core, at: Instant, connection: Connection, sa: IkeSa): void {
  connection.replacing = sa.number;
  connection.nextAttemptAt = at;
  core.schedule(connection);
}

/**
 * Has an IKE SA replaced that stands by proofs or algorithms which are not those of now: the one that was to be, or has been,
 * may have gone while an older one stood beside it.
 */
export function replaceOutdated(core: Core, at: Instant, connection: Connection): void {
  const { replacing, outdated, config } = connection;
  const standing = standingIkeSa(connection);
  if (replacing !== 0 || standing === undefined || !outdated.includes(standing.number)) return;
  if (core.connections.get(config.name) !== connection) return;
  reauthenticate(core, at + backoffMs(core, connection), connection, standing);
}

/** Whether there is an IKE SA that may stay, with every Child SA that is configured. */
export function isSatisfied(connection: Connection): boolean {
  if (connection.replacing !== 0 || !connection.ikeSas.some((sa) => sa.state.kind === 'established')) return false;
  const children = childrenOf(connection);
  for (const config of connection.config.children) if (!isInUse(children, config)) return false;
  return true;
}

function isInUse(children: readonly ChildSa[], wanted: ChildConfig): boolean {
  for (const { config, usage } of children) if (config === wanted && usage !== 'superseded') return true;
  return false;
}

function isSettled(sa: IkeSa, name: string): boolean {
  if (sa.state.kind !== 'established') return false;
  return sa.state.children.some((child) => child.config.name === name && child.settledAt !== undefined);
}

function hasChild(sa: IkeSa, name: string): boolean {
  return sa.state.kind === 'established' && sa.state.children.some((child) => child.config.name === name);
}

const IKE_PORT = 500;
const RECONNECT_JITTER = 0.25;
