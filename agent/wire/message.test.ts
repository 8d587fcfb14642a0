import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import { decodeHeader, type HeaderFields, spiFromBytes, ZERO_SPI } from './header.ts';
import { decodeMessage, decodePayloads, encodeMessage, encodePayloads, type Message } from './message.ts';
import { idPayloadBody } from './payloads/identification.ts';
import type { Payload } from './payloads/payload.ts';
import { CHAINS, counting, hex, type SampleName, sample } from './testing/samples.ts';

const NO_BYTES = new Uint8Array(0);
const SELECTOR = '0700001000000000 0a000000 0a0000ff';
const INITIATOR = spiFromBytes(hex('f0e1d2c3b4a59687'));
const RESPONDER = spiFromBytes(hex('0f1e2d3c4b5a6978'));

describe('IKE_SA_INIT', () => {
  it('is read with all forms of transforms', () => {
    const { header, payloads } = messageOf(sample('ike-sa-init-request'));
    expect(header).toEqual({
      initiatorSpi: INITIATOR,
      responderSpi: ZERO_SPI,
      nextPayload: 33,
      majorVersion: 2,
      minorVersion: 0,
      exchangeType: 34,
      flags: { initiator: true, response: false, higherVersion: false },
      messageId: 0,
      length: 311,
    });
    expect(payloads).toEqual([
      {
        kind: 'sa',
        proposals: [
          {
            number: 1,
            protocol: 1,
            spi: NO_BYTES,
            transforms: [
              { type: 1, id: 20, attributes: [{ type: 14, value: 256 }] },
              { type: 2, id: 6, attributes: [] },
              { type: 4, id: 31, attributes: [] },
              { type: 4, id: 20, attributes: [] },
            ],
          },
          {
            number: 2,
            protocol: 1,
            spi: NO_BYTES,
            transforms: [
              { type: 1, id: 12, attributes: [{ type: 14, value: 256 }] },
              { type: 1, id: 12, attributes: [{ type: 14, value: 128 }] },
              { type: 2, id: 5, attributes: [] },
              { type: 3, id: 12, attributes: [] },
              { type: 4, id: 14, attributes: [] },
            ],
          },
        ],
      },
      { kind: 'ke', group: 31, data: counting(0x80, 32) },
      { kind: 'nonce', data: counting(0x10, 32) },
      notify(16388, hex('9d4f1538b75ba48f558376a8f0b13756591fc5a4')),
      notify(16389, hex('1bf50ce0157b52a31f2163ba194c8e689737b795')),
      notify(16430),
      notify(16431, hex('0002000300040005')),
      { kind: 'vendor', data: new TextEncoder().encode('ikemesh test vendor') },
    ]);
  });

  it('is read as a response with a request for certificates', () => {
    const { header, payloads } = messageOf(sample('ike-sa-init-response'));
    expect(header.responderSpi).toBe(RESPONDER);
    expect(header.flags).toEqual({ initiator: false, response: true, higherVersion: false });
    expect(payloads[5]).toEqual({
      kind: 'certreq',
      encoding: 4,
      data: hex('da23bd41e93ddcd8c7fc24b5baa40baf90d5fd0b 1a5f38a4a2e5deac7c2d5414021c4b5ec0d97bf0'),
    });
  });

  it('keeps payloads of unknown types with their critical bit, those of IKEv1 among them (CVE-2015-3991)', () => {
    const { payloads } = messageOf(sample('unknown-payloads'));
    expect(payloads.slice(3)).toEqual([
      { kind: 'unknown', type: 5, critical: false, data: counting(0, 8) },
      { kind: 'unknown', type: 200, critical: false, data: NO_BYTES },
      { kind: 'unknown', type: 201, critical: true, data: counting(1, 3) },
    ]);
  });

  const vectors = new URL('../../../shared/vectors/ipsec-parser/', import.meta.url);
  it.skipIf(!existsSync(vectors))(
    `of a real exchange is read and written back (skipped without ${vectors.pathname.split('/').slice(-4).join('/')})`,
    () => {
      const request = new Uint8Array(readFileSync(new URL('ike-sa-init-req.bin', vectors)));
      const response = new Uint8Array(readFileSync(new URL('ike-sa-init-resp.bin', vectors)));
      expect(messageOf(request).payloads.map((payload) => payload.kind)).toEqual(['sa', 'ke', 'nonce']);
      expect(messageOf(response).payloads.map((payload) => payload.kind)).toEqual([
        'sa',
        'ke',
        'nonce',
        'certreq',
        'notify',
      ]);
      for (const bytes of [request, response]) {
        const { header, payloads } = messageOf(bytes);
        expect(encodeMessage(header, payloads)).toEqual(bytes);
      }
    },
  );
});

describe('protected payloads', () => {
  it('are read: identities, certificates, AUTH, selectors of both families, configuration', () => {
    const payloads = chainOf('ike-auth-request');
    expect(payloads.map((payload) => payload.kind)).toEqual([
      'idi',
      'cert',
      'notify',
      'certreq',
      'idr',
      'auth',
      'cp',
      'sa',
      'tsi',
      'tsr',
      'notify',
      'notify',
    ]);
    expect(payloads[0]).toEqual({
      kind: 'idi',
      idType: 2,
      reserved: 0,
      data: new TextEncoder().encode('node-a.mesh.example'),
    });
    expect(payloads[6]).toEqual({
      kind: 'cp',
      cfgType: 1,
      attributes: [
        { type: 1, value: NO_BYTES },
        { type: 8, value: NO_BYTES },
        { type: 3, value: NO_BYTES },
      ],
    });
    expect(payloads[9]).toEqual({
      kind: 'tsr',
      selectors: [
        { tsType: 7, protocol: 0, startPort: 0, endPort: 65535, start: hex('00000000'), end: hex('ffffffff') },
        {
          tsType: 8,
          protocol: 58,
          startPort: 0x8000,
          endPort: 0x8100,
          start: new Uint8Array(16),
          end: new Uint8Array(16).fill(255),
        },
        { tsType: 7, protocol: 50, startPort: 65535, endPort: 0, start: hex('0a010000'), end: hex('0a01ffff') },
      ],
      others: [],
    });
  });

  it('keep the reserved bits of an identity, which AUTH signs (RFC 7296 §2.15)', () => {
    const [idr] = chainOf('ike-auth-response');
    if (idr?.kind !== 'idr') throw new Error('no IDr');
    expect(idr).toEqual({ kind: 'idr', idType: 1, reserved: 0x0a0b0c, data: hex('c0000202') });
    expect(idPayloadBody(idr)).toEqual(hex('010a0b0c c0000202'));
  });

  it('are read: a Child SA rekey with a long attribute and a security label', () => {
    const payloads = chainOf('rekey-child-request');
    expect(payloads[0]).toEqual({
      kind: 'notify',
      protocol: 3,
      spi: hex('c0ffee01'),
      notifyType: 16393,
      data: NO_BYTES,
    });
    const [, sa, , , tsi] = payloads;
    expect(sa).toMatchObject({
      proposals: [
        { number: 1, protocol: 3, spi: hex('c0ffee02') },
        {
          number: 2,
          transforms: [
            {
              type: 1,
              id: 240,
              attributes: [
                { type: 14, value: 128 },
                { type: 99, bytes: hex('0102030405') },
              ],
            },
            { type: 4, id: 31 },
            { type: 5, id: 0 },
          ],
        },
      ],
    });
    expect(tsi).toMatchObject({
      selectors: [{ tsType: 7 }],
      others: [{ tsType: 10, protocol: 0, data: new TextEncoder().encode('system_u:object_r:ipsec_spd_t:s0\0') }],
    });
  });

  it('are read: deletions and EAP', () => {
    expect(chainOf('informational-delete').slice(0, 2)).toEqual([
      { kind: 'delete', protocol: 3, spiSize: 4, spis: [hex('c0ffee01'), hex('c0ffee02')] },
      { kind: 'delete', protocol: 1, spiSize: 0, spis: [] },
    ]);
    expect(chainOf('eap').slice(0, 4)).toEqual([
      { kind: 'eap', code: 1, identifier: 7, eapType: 1, data: NO_BYTES },
      { kind: 'eap', code: 2, identifier: 7, eapType: 1, data: new TextEncoder().encode('user@example.com') },
      { kind: 'eap', code: 3, identifier: 8, eapType: undefined, data: NO_BYTES },
      { kind: 'eap', code: 4, identifier: 9, eapType: undefined, data: NO_BYTES },
    ]);
  });

  it('stand behind SK or SKF, of which only the frame is believed', () => {
    expect(messageOf(sample('sealed-aes-cbc'))).toMatchObject({
      payloads: [],
      protected: { kind: 'sk', innerFirst: 35, ivOffset: 32 },
    });
    expect(messageOf(sample('fragment-3')).protected).toEqual({
      kind: 'skf',
      innerFirst: 0,
      ivOffset: 36,
      fragmentNumber: 3,
      totalFragments: 3,
    });
  });
});

describe('reserved bits', () => {
  it('are ignored, in every payload that has some (RFC 7296 §2.5)', () => {
    const cases = [
      {
        type: 33,
        flags: '7f',
        body: '00ff0010 01010001 00ff0008 01ff0014',
        cleared: '00000010 01010001 00000008 01000014',
      },
      { type: 34, flags: 'ff', body: '001fffff 01', cleared: '001f0000 01' },
      { type: 39, flags: '7f', body: '02ffffff 01', cleared: '02000000 01' },
      { type: 44, flags: '7f', body: `01ffffff ${SELECTOR}`, cleared: `01000000 ${SELECTOR}` },
      { type: 47, flags: '7f', body: '01ffffff 80010000', cleared: '01000000 00010000' },
    ];
    for (const { type, flags, body, cleared } of cases) {
      const length = (4 + hex(body).length).toString(16).padStart(4, '0');
      const decoded = decodePayloads(type, hex(`00${flags}${length} ${body}`));
      if (!decoded.ok) throw new Error(`${decoded.error.field}: ${decoded.error.reason}`);
      expect(encodePayloads(decoded.value).bytes, `type ${type}`).toEqual(hex(`0000${length} ${cleared}`));
    }
  });
});

describe('a decoded message', () => {
  it('does not change when the receive buffer is used again, whatever kind of Uint8Array it is', () => {
    const expected = messageOf(sample('ike-sa-init-request'));
    for (const received of [Buffer.from(sample('ike-sa-init-request')), sample('ike-sa-init-request')]) {
      const decoded = messageOf(received);
      received.fill(0xff);
      expect(decoded).toEqual(expected);
      expect(Object.getPrototypeOf((decoded.payloads[2] as { data: Uint8Array }).data)).toBe(Uint8Array.prototype);
    }
  });

  it('may stand anywhere in a larger buffer', () => {
    const bytes = sample('ike-sa-init-request');
    const buffer = new Uint8Array(bytes.length + 20).fill(0xaa);
    buffer.set(bytes, 7);
    expect(messageOf(buffer.subarray(7, 7 + bytes.length))).toEqual(messageOf(bytes));
  });
});

describe('encoding', () => {
  const header: HeaderFields = {
    initiatorSpi: INITIATOR,
    responderSpi: ZERO_SPI,
    exchangeType: 34,
    flags: { initiator: true, response: false },
    messageId: 0,
  };

  it('of two messages gives two arrays of their own (CVE-2016-6415: nothing of one reaches the other)', () => {
    const long = encodeMessage(header, [{ kind: 'vendor', data: new Uint8Array(5000).fill(0xee) }]);
    const short = encodeMessage(header, [{ kind: 'vendor', data: new Uint8Array(3) }]);
    const copy = short.slice();
    expect(encodePayloads([{ kind: 'vendor', data: new Uint8Array(5000).fill(0xdd) }]).bytes[4]).toBe(0xdd);
    expect(short).toEqual(copy);
    expect(short.length).toBe(35);
    expect(short.includes(0xee)).toBe(false);
    expect(short.buffer.byteLength).toBe(35);
    expect(long.subarray(32).every((byte) => byte === 0xee)).toBe(true);
  });

  it('of no payloads is a header alone', () => {
    const bytes = encodeMessage(header, []);
    expect(decodeHeader(bytes)).toMatchObject({ ok: true, value: { nextPayload: 0, length: 28 } });
    expect(encodePayloads([])).toEqual({ first: 0, bytes: NO_BYTES });
  });

  it('throws rather than to cut a number that does not fit its field', () => {
    const unfit: Payload[] = [
      { kind: 'vendor', data: new Uint8Array(65_532) },
      { kind: 'ke', group: 65_536, data: NO_BYTES },
      { kind: 'auth', method: 256, data: NO_BYTES },
      { kind: 'cp', cfgType: 1, attributes: [{ type: 1, value: new Uint8Array(65_536) }] },
    ];
    for (const payload of unfit) expect(() => encodeMessage(header, [payload]), payload.kind).toThrow(/does not fit/);
  });

  it('throws rather than to make a message that fits no datagram', () => {
    const vendor = (bytes: number): Payload => ({ kind: 'vendor', data: new Uint8Array(bytes) });
    expect(encodeMessage(header, [vendor(65_475)]).length).toBe(65_507);
    expect(() => encodeMessage(header, [vendor(65_476)])).toThrow(/fits no UDP datagram/);
  });
});

function messageOf(bytes: Uint8Array): Message {
  const decoded = decodeMessage(bytes);
  if (!decoded.ok) throw new Error(`${decoded.error.field} at ${decoded.error.offset}: ${decoded.error.reason}`);
  return decoded.value;
}

function chainOf(name: SampleName & keyof typeof CHAINS): readonly Payload[] {
  const decoded = decodePayloads(CHAINS[name], sample(name));
  if (!decoded.ok) throw new Error(`${decoded.error.field} at ${decoded.error.offset}: ${decoded.error.reason}`);
  return decoded.value;
}

function notify(notifyType: number, data: Uint8Array = NO_BYTES): Payload {
  return { kind: 'notify', protocol: 0, spi: NO_BYTES, notifyType, data };
}
