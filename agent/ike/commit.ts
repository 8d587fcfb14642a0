import { noteReceived } from './child/arrival-watch.ts';
import { installChild } from './child/installation.ts';
import { waitsInPlaintext } from './child/pair-in-use.ts';
import { settleGranted } from './child/proof-of-use.ts';
import { removeChildren } from './child/removal.ts';
import { closeIkeSa, noteFailure } from './closing.ts';
import { backoffMs, missingChildren, reauthenticate, scheduleAttempt } from './connection/connecting.ts';
import type { Connection } from './connection/connection.ts';
import { notePast, settleNew } from './connection/settle.ts';
import type { Core } from './core.ts';
import { followUpLater, settleLater } from './follow-up.ts';
import { securedBy, sendRequest, storeResponse } from './message/protected-message.ts';
import { enqueue, sendQueued } from './message/requests.ts';
import type { HandledRequest, Outcome } from './outcome.ts';
import { postponeKeepalive } from './path/keepalive.ts';
import { succeed } from './rekey/succession.ts';
import type { IkeSa } from './state.ts';
import type { ChildConfig, Instant } from './types.ts';

/** Makes an outcome true: state, response, kernel, follow-up requests, in the order that no packet is lost by. */
export function commit(
  core: Core,
  at: Instant,
  sa: IkeSa,
  outcome: Outcome,
  request: HandledRequest | undefined,
): void {
  const before = sa.state.kind;
  sa.state = outcome.next;
  if (outcome.fragmentation === true) sa.fragmentation = 'configured';
  if (outcome.nat !== undefined) noteNat(core, sa, outcome.nat);
  if (outcome.connection !== undefined) adoptConnection(sa, outcome.connection);
  if (outcome.verify !== undefined) {
    core.jobs.set(outcome.verify.id, sa);
    core.act({ kind: 'verify', job: outcome.verify });
    return;
  }
  const secured = securedBy(sa.state);
  const response = request && secured && outcome.reply && storeResponse(core, sa, secured, request, outcome.reply);
  const { connection } = sa;
  const established = outcome.next.kind === 'established' && before !== 'established';
  if (established && connection !== undefined) reportEstablished(core, at, sa, connection);
  const forgotten = connection && outcome.past ? notePast(connection, sa, outcome.past) : 'nothing';
  const { install } = outcome;
  const installs = install !== undefined && connection !== undefined;
  if (installs) {
    if (request !== undefined && response !== undefined && outcome.replyWithoutChild !== undefined) {
      core.fallback = { sa, request, response, payloads: outcome.replyWithoutChild };
    }
    const reply = request && response && { path: request.path, datagrams: response };
    installChild(core, at, sa, connection, { ...install, reply, first: established });
    settleLater(core, sa, at);
  }
  for (const fact of outcome.facts ?? []) core.report(fact);
  if (outcome.received !== undefined && connection !== undefined) {
    if (request !== undefined) connection.turns.answers += 1;
    noteReceived(core, at, connection, outcome.received.counts, outcome.received.answer);
  }
  if (outcome.succession !== undefined && connection !== undefined) {
    succeed(core, at, sa, connection, outcome.succession);
  }
  if (outcome.failure !== undefined) noteFailure(core, at, sa, connection, outcome.failure);
  if (outcome.remove !== undefined && connection !== undefined) {
    if (request !== undefined) settleStaying(core, at, sa, connection, outcome.remove.inboundSpis);
    removeChildren(core, at, sa, connection, outcome.remove.inboundSpis, outcome.remove.reason);
  }
  if (outcome.close !== undefined) closeIkeSa(core, at, sa, outcome.close);
  // A peer receives on what it deletes until it has our answer: nothing may be sent on it any more by then.
  if (!installs && response !== undefined && request !== undefined) core.transmit(request.path, response);
  if (outcome.close !== undefined) return;
  if (outcome.request !== undefined) sendInitial(core, at, sa, outcome.request);
  for (const queued of outcome.enqueue ?? []) enqueue(core, at, sa, queued);
  if (connection === undefined) return;
  if (established && outcome.next.kind === 'established') {
    settleNew(core, at, connection, sa, forgotten);
    if (outcome.failure === undefined) connection.lastFailure = undefined;
    else settleLater(core, sa, at + backoffMs(core, connection));
  }
  if (sa.state.kind !== 'established') return;
  const weInstalled = install?.agreement.weInitiated === true;
  // Where a pair has been rekeyed its Delete shows that we have the new one.
  const shows = install?.rekeys === undefined;
  if (!weInstalled) sendQueued(core, at, sa);
  // Where its replacement has failed already, the next attempt is due when that says.
  const replaces = outcome.reauthenticate === true && connection.replacing !== sa.number;
  if (replaces) reauthenticate(core, at + core.context.limits.reconnectFirstMs, connection, sa);
  else if (outcome.failure !== undefined) scheduleAttempt(core, at, connection);
  else if (!established) scheduleAttempt(core, at, connection);
  if (weInstalled) {
    const missing = established ? missingChildren(connection, sa) : [];
    const isShown = shows && isToBeShown(connection, sa, install.agreement.config, established);
    followUpLater(core, at, sa, missing, isShown);
  } else if (installs && established && connection.orphans.length > 0) {
    // Its answer shows that the initiator has the pair: until then we send on what an earlier run has left.
    followUpLater(core, at, sa, [], true);
  }
}

/** What a peer deletes a pair by shows that it has the others that it was granted, which are sent on before that pair goes. */
function settleStaying(
  core: Core,
  at: Instant,
  { state }: IkeSa,
  connection: Connection,
  removed: readonly number[],
): void {
  if (state.kind !== 'established') return;
  const staying = state.children.filter(({ inboundSpi }) => !removed.includes(inboundSpi));
  settleGranted(core, at, connection, staying);
}

/**
 * A responder switches to a new pair when it knows that we have it; only then can the older one end. After a restart the
 * older pair that it goes on sending on may even be one that our kernel has no more. Where plaintext is allowed it goes on
 * with that.
 */
function isToBeShown(connection: Connection, sa: IkeSa, child: ChildConfig, first: boolean): boolean {
  if (waitsInPlaintext(sa, child)) return true;
  return hasAnother(connection, sa) || connection.orphans.length > 0 || (!first && sa.number === connection.firstIkeSa);
}

function hasAnother(connection: Connection, sa: IkeSa): boolean {
  return connection.ikeSas.some((other) => other !== sa && other.state.kind === 'established');
}

/** An initiator that finds a NAT goes on from port 4500 (RFC 7296 §2.23). */
function noteNat(core: Core, sa: IkeSa, nat: IkeSa['nat']): void {
  sa.nat = nat;
  if (!nat.local && !nat.remote) return;
  if (sa.role === 'initiator') sa.path = { ...sa.path, localPort: NAT_T_PORT, remotePort: NAT_T_PORT };
  core.report({
    kind: 'natDetected',
    connection: sa.connection?.config.name ?? '',
    local: nat.local,
    remote: nat.remote,
  });
}

function adoptConnection(sa: IkeSa, connection: NonNullable<IkeSa['connection']>): void {
  if (sa.connection === connection) return;
  sa.connection = connection;
  connection.ikeSas.push(sa);
}

function reportEstablished(core: Core, at: Instant, sa: IkeSa, connection: Connection): void {
  core.halfOpen.leave(sa);
  postponeKeepalive(core, at, sa);
  const initiator = sa.role === 'initiator';
  core.report({
    kind: 'ikeSaEstablished',
    connection: connection.config.name,
    ikeSa: sa.number,
    role: sa.role,
    path: sa.path,
    initiatorSpi: initiator ? sa.localSpi : sa.remoteSpi,
    responderSpi: initiator ? sa.remoteSpi : sa.localSpi,
    suite: securedBy(sa.state)?.cryptography.suite.text ?? '',
    handshakeMs: at - sa.startedAt,
    renews: hasAnother(connection, sa),
  });
}

/** Sends the next request of the initial exchanges, whose first one has just been answered. */
function sendInitial(core: Core, at: Instant, sa: IkeSa, request: NonNullable<Outcome['request']>): void {
  const secured = securedBy(sa.state);
  if (secured === undefined) throw new Error(`a ${sa.state.kind} IKE SA sends no protected request`);
  sendRequest(core, at, sa, secured, { ...request, timeoutMs: core.context.limits.handshakeTimeoutMs });
}

const NAT_T_PORT = 4500;
