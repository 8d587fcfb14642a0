import { assertNever } from '../../result.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { ExchangeType } from '../../wire/registry.ts';
import {
  type EndingRequest,
  isAboutToEnd,
  isDelete,
  isEnding,
  isOfUseUntilSent,
  isToBeDeleted,
} from '../child/ending.ts';
import { isNeeded, sendOnOthers } from '../child/pair-in-use.ts';
import { receivedNotifies } from '../child/received.ts';
import { removeAllChildren, removeChildren } from '../child/removal.ts';
import { hastenRetirement } from '../child/retirement.ts';
import type { Connection } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import { withdrawOffer } from '../exchange/child-negotiation.ts';
import { createChildRequest, type Wanted } from '../exchange/create-child-sa.ts';
import { type InformationalRequest, informationalRequest } from '../exchange/informational.ts';
import { rekeyIkeRequest } from '../exchange/rekey-ike-sa.ts';
import type { CloseReason } from '../fact.ts';
import { settleLater } from '../follow-up.ts';
import { isReplaced } from '../rekey/under-way.ts';
import type { Established, IkeSa, IkeSaState, QueuedRequest } from '../state.ts';
import type { ChildConfig, Instant } from '../types.ts';
import { sendPathProbe } from './path-probe.ts';
import { type Secured, sendRequest } from './protected-message.ts';

/**
 * Puts a request of ours in line and sends it if the window is free. A full line drops it: the peer is not answering.
 */
export function enqueue(core: Core, at: Instant, sa: IkeSa, request: QueuedRequest): void {
  if (sa.state.kind !== 'established') return;
  if (sa.queue.length >= core.context.limits.queuedRequests) return;
  const endsForGood = isEnding(request) && !isOfUseUntilSent(request);
  if (isAboutToEnd(sa) && !endsForGood) return;
  if (isEnding(request)) sa.queue.length = 0;
  sa.queue.push(request);
  const { connection } = sa;
  if (connection !== undefined) stopSending(core, at, sa, connection, request);
  sendQueued(core, at, sa);
}

/** What has been replaced goes when the peer is told; for anything else that ends the kernel need not wait until then. */
function stopSending(core: Core, at: Instant, sa: IkeSa, connection: Connection, request: QueuedRequest): void {
  if (!isDelete(request)) return;
  if (isOfUseUntilSent(request)) sendOnOthers(core, at, connection);
  else if (isEnding(request)) removeAllChildren(core, at, sa, connection, endReason(request));
  else removeChildren(core, at, sa, connection, [request.inboundSpi], request.reason);
}

/** Sends the next request in line if none is open. */
export function sendQueued(core: Core, at: Instant, sa: IkeSa): void {
  const { state, connection } = sa;
  if (state.kind !== 'established' || connection === undefined || sa.window.pending !== undefined) return;
  const request = sa.queue.shift();
  if (request === undefined) {
    // All has been answered; a Delete that was in line still at the last answer has turned out not to be wanted.
    hastenRetirement(core, at, connection, sa.number);
    return;
  }
  if (isOfUseUntilSent(request) && isNeeded(connection, sa, request)) {
    settleLater(core, sa, at);
    sendQueued(core, at, sa);
    return;
  }
  const { name, liveness } = connection.config;
  switch (request.kind) {
    case 'deleteIkeSa':
    case 'authenticationFailed':
      endWith(core, at, sa, state, request);
      return;
    case 'deleteChild':
      inform(core, at, sa, state, request, liveness.timeoutMs);
      if (request.outboundSpi !== undefined) {
        sa.state = { ...state, asked: { kind: 'deleteChild', outboundSpi: request.outboundSpi } };
      }
      removeChildren(core, at, sa, connection, [request.inboundSpi], request.reason);
      return;
    case 'liveness':
      core.report({ kind: 'livenessChecked', connection: name, path: sa.path });
      inform(
        core,
        at,
        sa,
        state,
        request,
        liveness.timeoutMs,
        state.peerIsAgent ? receivedNotifies(at, connection, 'questions') : [],
      );
      connection.turns.questions += 1;
      return;
    case 'probePath':
      if (!sendPathProbe(core, at, sa, state, request.search)) sendQueued(core, at, sa);
      return;
    case 'inviteReauthentication':
      inform(core, at, sa, state, request, liveness.timeoutMs);
      return;
    case 'createChild':
      askForChild(core, at, sa, state, connection, request);
      return;
    case 'rekeyIkeSa':
      askForIkeSa(core, at, sa, state, connection, request.group);
      return;
    case 'rekeyChild':
      askForSuccessor(core, at, sa, state, connection, request);
      return;
    default:
      assertNever(request);
  }
}

/** Tells the peer that the IKE SA ends, takes its Child SAs out of the kernel and waits for nothing but the answer. */
export function endWith(core: Core, at: Instant, sa: IkeSa, secured: Secured, request: EndingRequest): void {
  const { state, connection } = sa;
  const reason = endReason(request);
  const { deleteTimeoutMs } = core.context.limits;
  if (connection !== undefined) removeAllChildren(core, at, sa, connection, reason);
  inform(core, at, sa, secured, request, deleteTimeoutMs);
  forgetAsked(core, state);
  const { keys, cryptography } = secured;
  const established = state.kind === 'established' || state.kind === 'rekeyed';
  const peerIsAgent = state.kind === 'established' && state.peerIsAgent;
  sa.state = { kind: 'deleting', reason, established, peerIsAgent, disownedAt: undefined, keys, cryptography };
}

/** Lets go of a Child SA that was asked for and will not come. */
export function forgetAsked(core: Core, state: IkeSaState): void {
  switch (state.kind) {
    case 'authRequested':
      if (state.offer !== undefined) withdrawOffer(core, state.offer);
      return;
    case 'verifying':
      if (state.inner.kind === 'response' && state.inner.offer !== undefined) {
        withdrawOffer(core, state.inner.offer);
      }
      return;
    case 'established':
      if (state.asked === undefined || state.asked.kind === 'deleteChild') return;
      if (state.asked.kind !== 'rekeyIkeSa') withdrawOffer(core, state.asked.offer);
      state.asked.key?.ephemeral.wipe();
      return;
    default:
      return;
  }
}

/** What the configuration no longer wants, or another exchange has brought meanwhile, is passed over. */
function askForChild(
  core: Core,
  at: Instant,
  sa: IkeSa,
  state: Established,
  connection: Connection,
  request: Extract<QueuedRequest, { kind: 'createChild' }>,
): void {
  const { children, liveness } = connection.config;
  const config = children.find((child) => child.name === request.child);
  const there = state.children.some((child) => child.config === config);
  if (config === undefined || there) {
    sendQueued(core, at, sa);
    return;
  }
  sendCreateChild(core, at, sa, state, config, { rekeyed: undefined, group: request.group }, liveness.timeoutMs);
}

/** What is out of use, or has a successor that the peer has asked for, is passed over. */
function askForSuccessor(
  core: Core,
  at: Instant,
  sa: IkeSa,
  state: Established,
  connection: Connection,
  { inboundSpi, group }: Extract<QueuedRequest, { kind: 'rekeyChild' }>,
): void {
  const rekeyed = state.children.find((child) => child.inboundSpi === inboundSpi);
  if (rekeyed === undefined || isReplaced(state.children, rekeyed) || isToBeDeleted(sa, inboundSpi)) {
    sendQueued(core, at, sa);
    return;
  }
  sendCreateChild(core, at, sa, state, rekeyed.config, { rekeyed, group }, connection.config.liveness.timeoutMs);
}

/** Not where the peer has forgotten the IKE SA, or has just rekeyed another one by it. */
function askForIkeSa(
  core: Core,
  at: Instant,
  sa: IkeSa,
  state: Established,
  connection: Connection,
  group: number | undefined,
): void {
  const wanted = state.endsAt === undefined && state.rivalOf === undefined;
  const request = wanted ? rekeyIkeRequest(core, connection, state, group) : undefined;
  if (request === undefined) {
    sendQueued(core, at, sa);
    return;
  }
  const { asked, payloads } = request;
  const { timeoutMs } = connection.config.liveness;
  sa.state = { ...state, asked };
  sendRequest(core, at, sa, state, { exchangeType: ExchangeType.CREATE_CHILD_SA, payloads, timeoutMs });
}

function sendCreateChild(
  core: Core,
  at: Instant,
  sa: IkeSa,
  state: Established,
  config: ChildConfig,
  wanted: Omit<Wanted, 'peerIsAgent'>,
  timeoutMs: number,
): void {
  const { peerIsAgent } = state;
  const { asked, payloads } = createChildRequest(core, config, sa, { ...wanted, peerIsAgent });
  sa.state = { ...state, asked };
  sendRequest(core, at, sa, state, { exchangeType: ExchangeType.CREATE_CHILD_SA, payloads, timeoutMs });
}

function inform(
  core: Core,
  at: Instant,
  sa: IkeSa,
  secured: Secured,
  request: InformationalRequest,
  timeoutMs: number,
  more: readonly Payload[] = [],
): void {
  const payloads = [...informationalRequest(request), ...more];
  sendRequest(core, at, sa, secured, { exchangeType: ExchangeType.INFORMATIONAL, payloads, timeoutMs });
}

function endReason(request: EndingRequest): CloseReason {
  return request.kind === 'deleteIkeSa' ? request.reason : 'negotiationFailed';
}
