import { ok, type Result } from '../../result.ts';
import type { Informational } from '../../wire/grammar.ts';
import type { DeletePayload } from '../../wire/payloads/delete.ts';
import type { NotifyPayload } from '../../wire/payloads/notify.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { NotifyType, Protocol } from '../../wire/registry.ts';
import type { ChildSa } from '../child-sa.ts';
import type { Connection } from '../connection.ts';
import type { Fact } from '../fact.ts';
import { hasNotify, notify } from '../notify.ts';
import type { NegotiationFailure, Outcome, Refusal } from '../outcome.ts';
import type { Deleting, Established, QueuedRequest } from '../state.ts';
import { spiFromProposal, spiToBytes } from './child-negotiation.ts';

/**
 * INFORMATIONAL (RFC 7296 §1.4): deletes, notifies, and, empty, the question whether the peer is alive.
 *
 *     HDR, SK {[N,] [D,] [CP,] ...}  -->
 *                               <--  HDR, SK {[N,] [D,] [CP], ...}
 */

/** Answers a request of the peer. What follows the Delete of the IKE SA in the same message is not looked at. */
export function onInformationalRequest(
  state: Established | Deleting,
  connection: Connection,
  request: Informational,
): Result<Outcome, Refusal> {
  if (request.deletes.some((each) => each.protocol === Protocol.IKE)) {
    const failure = authenticationRefused(connection, request);
    return ok({ next: state, reply: [], close: 'deletedByPeer', ...(failure && { failure }) });
  }
  if (state.kind === 'deleting') return ok({ next: state, reply: [] });
  const ended = deletedChildren(state, request.deletes);
  const facts = unknownNotifies(connection, request.notifies);
  if (ended.length === 0) return ok({ next: state, reply: [], facts });
  // The answer names the other direction of each pair (RFC 7296 §1.4.1): what we receive on.
  const spis = ended.map((child) => spiToBytes(child.inboundSpi));
  return ok({
    next: state,
    reply: [deletePayload(spis)],
    remove: { inboundSpis: ended.map((child) => child.inboundSpi), reason: 'deletedByPeer' },
    facts,
  });
}

/** The payloads of a request of ours. */
export function informationalRequest(request: Exclude<QueuedRequest, { kind: 'createChild' }>): readonly Payload[] {
  switch (request.kind) {
    case 'liveness':
      return [];
    case 'deleteIkeSa':
      return [DELETE_IKE_SA];
    case 'deleteChild':
      return [deletePayload([spiToBytes(request.inboundSpi)])];
    case 'authenticationFailed':
      return [notify(NotifyType.AUTHENTICATION_FAILED), DELETE_IKE_SA];
  }
}

/** The Child SAs that a Delete means: it lists what its sender receives on, which is what we send on (RFC 7296 §3.11). */
function deletedChildren(state: Established, deletes: readonly DeletePayload[]): readonly ChildSa[] {
  const spis = new Set(
    deletes.filter((each) => each.protocol === Protocol.ESP).flatMap((each) => each.spis.map(spiFromProposal)),
  );
  return state.children.filter((child) => spis.has(child.outboundSpi));
}

function deletePayload(spis: readonly Uint8Array[]): DeletePayload {
  return { kind: 'delete', protocol: Protocol.ESP, spiSize: 4, spis };
}

/** A peer that deletes because it did not accept our proof says so in the same message (RFC 7296 §2.21.2). */
function authenticationRefused(connection: Connection, request: Informational): NegotiationFailure | undefined {
  if (!hasNotify(request.notifies, NotifyType.AUTHENTICATION_FAILED)) return undefined;
  const { name, remoteAddress } = connection.config;
  const text = `${name} (${remoteAddress}) does not accept our proof: compare the pre-shared keys of both sides`;
  return { reason: 'authenticationFailed', by: 'peer', text };
}

function unknownNotifies(connection: Connection, notifies: readonly NotifyPayload[]): readonly Fact[] {
  return notifies.map((each) => ({
    kind: 'notifyIgnored',
    connection: connection.config.name,
    notifyType: each.notifyType,
  }));
}

const DELETE_IKE_SA: DeletePayload = { kind: 'delete', protocol: Protocol.IKE, spiSize: 0, spis: [] };
