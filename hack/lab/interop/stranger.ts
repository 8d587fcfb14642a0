import { notify } from '../../../agent/ike/message/notify.ts';
import { offer } from '../../../agent/ike/negotiation/proposal.ts';
import { parseProposal } from '../../../agent/ike/negotiation/proposal-syntax.ts';
import { spiFromBytes, ZERO_SPI } from '../../../agent/wire/header.ts';
import { decodeMessage, encodeMessage } from '../../../agent/wire/message.ts';
import { ExchangeType, KeyExchangeId, NotifyType } from '../../../agent/wire/registry.ts';

/**
 * An IKE_SA_INIT request with X25519 of somebody who will never go on: a half-open IKE SA for who accepts `proposal`.
 * The same number makes the same bytes; with a cookie it is the answer to a request for one.
 */
export function strangersRequest(proposal: string, number: number, cookie?: Uint8Array): Uint8Array {
  const parsed = parseProposal('ike', proposal);
  if (!parsed.ok) throw new Error(`${proposal} ${parsed.error}`);
  const initiatorSpi = spiFromBytes(new Uint8Array([0xaa, 0, 0, 0, 0, 0, number >> 8, number & 0xff]));
  const header = {
    initiatorSpi,
    responderSpi: ZERO_SPI,
    exchangeType: ExchangeType.IKE_SA_INIT,
    flags: { initiator: true, response: false },
    messageId: 0,
  };
  return encodeMessage(header, [
    ...(cookie === undefined ? [] : [notify(NotifyType.COOKIE, cookie)]),
    { kind: 'sa', proposals: offer('ike', [parsed.value], new Uint8Array(0), true) },
    { kind: 'ke', group: KeyExchangeId.CURVE25519, data: new Uint8Array(32).fill(0x55) },
    // Long, so that no answer is longer: else our agent would ask for a cookie at any time.
    { kind: 'nonce', data: new Uint8Array(200).fill(0x66) },
  ]);
}

/** The cookie that an answer to `strangersRequest` asks for; undefined where it is another answer. */
export function cookieOf(answer: Uint8Array | undefined): Uint8Array | undefined {
  const message = answer === undefined ? undefined : decodeMessage(answer);
  if (message === undefined || !message.ok) return undefined;
  const cookie = message.value.payloads.find(
    (payload) => payload.kind === 'notify' && payload.notifyType === NotifyType.COOKIE,
  );
  return cookie?.kind === 'notify' ? cookie.data : undefined;
}
