import { decodeHeader } from '../../wire/header.ts';
import { scanInitRequest } from '../../wire/init-scan.ts';
import { decodeMessage, encodeMessage } from '../../wire/message.ts';
import { decodeCookie } from '../../wire/notify-data.ts';
import type { NotifyPayload } from '../../wire/payloads/notify.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { NotifyType } from '../../wire/registry.ts';
import { findNotify, notify } from '../message/notify.ts';
import type { Handshake } from '../state.ts';

/*
 * An initiator that was asked for a COOKIE has sent two requests, the same but for that, and cannot tell which of them an
 * answer is to: a responder that has begun anew, and demands no COOKIE any more, may have got the first of them late.
 * AUTH covers the request (RFC 7296 §2.15), so an agent tells another in IKE_AUTH which COOKIE stands in the one that it
 * means. All else of that request is what the responder has negotiated over, and the signature covers it.
 */

/** What an initiator says of the request that it stands by: its COOKIE, where it has one and the peer is an agent. */
export function statedCookie({ request, peerIsAgent }: Handshake): readonly NotifyPayload[] {
  if (!peerIsAgent) return [];
  const header = decodeHeader(request);
  const cookie = header.ok ? scanInitRequest(header.value.nextPayload, request)?.cookie : undefined;
  return cookie === undefined ? [] : [notify(NotifyType.COOKIE, cookie)];
}

/** A handshake over the request that the initiator stands by, which may have another COOKIE than the one that came. */
export function asStated(handshake: Handshake, notifies: readonly NotifyPayload[]): Handshake {
  const stated = findNotify(notifies, NotifyType.COOKIE);
  if (stated === undefined || !handshake.peerIsAgent || !decodeCookie(stated).ok) return handshake;
  const decoded = decodeMessage(handshake.request);
  if (!decoded.ok) return handshake;
  const { header, payloads } = decoded.value;
  const others = payloads.filter((payload) => !isCookie(payload));
  return { ...handshake, request: encodeMessage(header, [stated, ...others]) };
}

function isCookie(payload: Payload): boolean {
  return payload.kind === 'notify' && payload.notifyType === NotifyType.COOKIE;
}
