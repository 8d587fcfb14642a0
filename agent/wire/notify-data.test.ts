import { describe, expect, it } from 'vitest';
import { encodePayloads } from './message.ts';
import { decodeNotifyData, notify, notifyOf } from './notify-data.ts';
import type { NotifyPayload } from './payloads/notify.ts';
import { NotifyType } from './registry.ts';
import { counting, hex } from './testing/samples.ts';

describe('notify data', () => {
  it('has the bytes that the RFCs give it', () => {
    const wire = (payload: NotifyPayload) => encodePayloads([payload]).bytes.slice(4);
    expect(wire(notifyOf({ kind: 'invalidKePayload', group: 20 }))).toEqual(hex('00000011 0014'));
    expect(wire(notifyOf({ kind: 'unsupportedCriticalPayload', payloadType: 201 }))).toEqual(hex('00000001 c9'));
    expect(wire(notifyOf({ kind: 'signatureHashAlgorithms', algorithms: [2, 5] }))).toEqual(hex('0000402f 00020005'));
    expect(wire(notifyOf({ kind: 'setWindowSize', windowSize: 1 }))).toEqual(hex('00004001 00000001'));
    expect(wire(notifyOf({ kind: 'rekeySa', protocol: 3, spi: hex('c0ffee01') }))).toEqual(hex('03044009 c0ffee01'));
    expect(wire(notifyOf({ kind: 'authLifetime', seconds: 0x80000001 }))).toEqual(hex('00004013 80000001'));
    expect(wire(notify(NotifyType.USE_TRANSPORT_MODE))).toEqual(hex('00004007'));
  });

  it('of the wrong length is malformed', () => {
    const wrong: readonly (readonly [number, readonly number[]])[] = [
      [NotifyType.INVALID_KE_PAYLOAD, [0, 1, 3]],
      [NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, [0, 2]],
      [NotifyType.INVALID_MESSAGE_ID, [0, 3, 5]],
      [NotifyType.COOKIE, [0, 65]],
      [NotifyType.COOKIE2, [7, 65]],
      [NotifyType.NAT_DETECTION_SOURCE_IP, [0, 19, 21]],
      [NotifyType.NAT_DETECTION_DESTINATION_IP, [0, 19, 21]],
      [NotifyType.SIGNATURE_HASH_ALGORITHMS, [1, 3]],
      [NotifyType.SET_WINDOW_SIZE, [0, 3, 5]],
      [NotifyType.AUTH_LIFETIME, [0, 3, 5]],
    ];
    for (const [type, lengths] of wrong) {
      for (const length of lengths) {
        expect(decodeNotifyData(notify(type, counting(1, length))), `type ${type}, ${length} bytes`).toMatchObject({
          ok: false,
          error: { kind: 'malformed', field: 'Notification Data' },
        });
      }
    }
  });

  it('that names a Child SA must do so with AH or ESP and four bytes (CVE-2023-38710)', () => {
    for (const notifyType of [NotifyType.REKEY_SA, NotifyType.CHILD_SA_NOT_FOUND]) {
      const named = (protocol: number, spi: Uint8Array) =>
        decodeNotifyData({ kind: 'notify', protocol, spi, notifyType, data: new Uint8Array(0) });
      for (const protocol of [0, 1, 4, 255]) {
        expect(named(protocol, hex('c0ffee01'))).toMatchObject({ error: { field: 'Notify Protocol ID' } });
      }
      for (const length of [0, 3, 5, 8]) {
        expect(named(3, counting(1, length))).toMatchObject({ error: { field: 'Notify SPI' } });
      }
      expect(named(2, hex('c0ffee01'))).toMatchObject({ ok: true, value: { protocol: 2, spi: hex('c0ffee01') } });
    }
  });

  it('cannot offer a window of no requests', () => {
    expect(decodeNotifyData(notify(NotifyType.SET_WINDOW_SIZE, new Uint8Array(4)))).toMatchObject({ ok: false });
  });
});
