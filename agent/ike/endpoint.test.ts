import { describe, expect, it } from 'vitest';

import { ExchangeType, NotifyType } from '../wire/registry.ts';
import { notify } from './message/notify.ts';
import { headline, notifyTypes, parsed, waiting } from './testing/scripted-peer.ts';

describe('what is not IKEv2 or not ours', () => {
  it('tells a higher major version ours, says nothing to IKEv1 and to responses (RFC 7296 §2.5)', () => {
    const peer = waiting();
    for (const [version, flags, answers] of [
      [0x30, 0x08, 1],
      [0xf0, 0x08, 1],
      [0x10, 0x08, 0],
      [0x00, 0x08, 0],
      [0x30, 0x28, 0],
    ] as const) {
      const bytes = peer.initRequest();
      bytes[17] = version;
      bytes[19] = flags;
      peer.pair.at += 1_000;
      peer.send(bytes);
      expect(peer.waiting, `version ${version}`).toBe(answers);
      if (answers === 1) expect(notifyTypes(parsed(peer.take()).payloads)).toEqual([NotifyType.INVALID_MAJOR_VERSION]);
    }
  });

  it('understands a higher minor version (RFC 7296 §2.5)', () => {
    const peer = waiting();
    const bytes = peer.initRequest();
    bytes[17] = 0x2f;
    peer.send(bytes);
    expect(headline(peer.take())).toEqual([ExchangeType.IKE_SA_INIT, 0, 'response']);
  });

  it('tells INVALID_IKE_SPI to requests of unknown IKE SAs, never to responses, and to one address once a second (RFC 7296 §2.21.4)', () => {
    const peer = waiting();
    peer.initRequest();
    peer.remoteSpi = 'abcdefabcdefabcd' as never;
    peer.pair.at = 100_000;
    for (let message = 0; message < 100; message += 1) {
      peer.send(peer.unprotected(ExchangeType.INFORMATIONAL, message, true, [notify(16_500, new Uint8Array(60))]));
    }
    expect(peer.waiting).toBe(0);
    for (let message = 0; message < 100; message += 1) {
      peer.send(peer.unprotected(ExchangeType.INFORMATIONAL, message, false, [notify(16_500, new Uint8Array(60))]));
    }
    expect(peer.waiting).toBe(1);
    const answer = parsed(peer.take());
    expect(notifyTypes(answer.payloads)).toEqual([NotifyType.INVALID_IKE_SPI]);
    expect(answer.header).toMatchObject({
      initiatorSpi: peer.localSpi,
      responderSpi: 'abcdefabcdefabcd',
      messageId: 0,
    });
    peer.pair.at += 1_000;
    peer.send(peer.unprotected(ExchangeType.INFORMATIONAL, 7, false, [notify(16_500, new Uint8Array(60))]));
    expect(peer.waiting).toBe(1);
  });

  it('never answers with more bytes than it was sent, so that it is of no use against third parties', () => {
    const peer = waiting();
    peer.initRequest();
    peer.remoteSpi = 'abcdefabcdefabcd' as never;
    peer.pair.at = 100_000;
    const empty = peer.unprotected(ExchangeType.INFORMATIONAL, 0, false, []);
    peer.send(empty);
    for (const { bytes } of peer.pair.wire) expect(bytes.length).toBeLessThanOrEqual(empty.length);
  });
});
