import fc from 'fast-check';

import { type HeaderFields, type IkeSpi, spiFromBytes, ZERO_SPI } from '../header.ts';
import type { NotifyData } from '../notify-data.ts';
import type { Payload } from '../payloads/payload.ts';
import type { Proposal, TransformAttribute } from '../payloads/sa.ts';
import type { TrafficSelector } from '../payloads/ts.ts';
import { PayloadType } from '../registry.ts';

const u8 = fc.integer({ min: 0, max: 0xff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u24 = fc.integer({ min: 0, max: 0xffffff });
const u32 = fc.integer({ min: 0, max: 0xffffffff });

function bytes(minLength: number, maxLength = minLength): fc.Arbitrary<Uint8Array> {
  // The subclass-free copy: fast-check may hand out arrays of its own making.
  return fc.uint8Array({ minLength, maxLength }).map((value) => new Uint8Array(value));
}

const ikeSpi: fc.Arbitrary<IkeSpi> = bytes(8)
  .map(spiFromBytes)
  .filter((spi) => spi !== ZERO_SPI);

/** Any header that a sender can ask for. */
export const headerFields: fc.Arbitrary<HeaderFields> = fc.record({
  initiatorSpi: ikeSpi,
  responderSpi: fc.oneof(fc.constant(ZERO_SPI), ikeSpi),
  exchangeType: u8,
  flags: fc.record({ initiator: fc.boolean(), response: fc.boolean() }),
  messageId: u32,
});

const attribute: fc.Arbitrary<TransformAttribute> = fc.oneof(
  fc.record({ type: fc.integer({ min: 0, max: 0x7fff }), value: u16 }),
  fc.record({ type: fc.integer({ min: 0, max: 0x7fff }), bytes: bytes(0, 12) }),
);

const transforms = fc.array(fc.record({ type: u8, id: u16, attributes: fc.array(attribute, { maxLength: 3 }) }), {
  maxLength: 6,
});

const protocolAndSpi = fc.oneof(
  fc.record({ protocol: fc.constant(1), spi: fc.oneof(bytes(0), spiBytes(8, 0)) }),
  fc.record({ protocol: fc.constantFrom(2, 3), spi: spiBytes(4, 0) }),
  fc.record({ protocol: fc.integer({ min: 4, max: 255 }), spi: bytes(0, 20) }),
);

/** SPI bytes that are not reserved, since the one at `index` is not zero. */
function spiBytes(length: number, index: number): fc.Arbitrary<Uint8Array> {
  return bytes(length).map((spi) => {
    spi[index] = (spi[index] ?? 0) | 1;
    return spi;
  });
}

const proposals: fc.Arbitrary<readonly Proposal[]> = fc
  .tuple(
    fc.integer({ min: 0, max: 100 }),
    fc.array(fc.tuple(protocolAndSpi, transforms), { minLength: 1, maxLength: 5 }),
  )
  .map(([first, list]) =>
    list.map(([{ protocol, spi }, chosen], i) => ({ number: first + i, protocol, spi, transforms: chosen })),
  );

const ports = fc.oneof(
  fc.tuple(u16, u16).map(([a, b]) => ({ startPort: Math.min(a, b), endPort: Math.max(a, b) })),
  fc.constant({ startPort: 65_535, endPort: 0 }),
);

const selector: fc.Arbitrary<TrafficSelector> = fc
  .tuple(fc.constantFrom(7 as const, 8 as const), u8, ports, bytes(16), bytes(16))
  .map(([tsType, protocol, { startPort, endPort }, a, b]) => {
    const [first, last] = [a, b].map((value) => value.slice(0, tsType === 7 ? 4 : 16));
    const [start, end] = [first as Uint8Array, last as Uint8Array].sort(compare);
    return { tsType, protocol, startPort, endPort, start: start as Uint8Array, end: end as Uint8Array };
  });

const selectors = fc.record({
  selectors: fc.array(selector, { minLength: 1, maxLength: 5 }),
  others: fc.array(fc.record({ tsType: fc.integer({ min: 9, max: 255 }), protocol: u8, data: bytes(0, 20) }), {
    maxLength: 2,
  }),
});

function compare(left: Uint8Array, right: Uint8Array): number {
  const at = left.findIndex((byte, i) => byte !== right[i]);
  return at === -1 ? 0 : (left[at] as number) - (right[at] as number);
}

const identification = fc.oneof(
  fc.record({ idType: fc.constant(1), reserved: u24, data: bytes(4) }),
  fc.record({ idType: fc.constant(5), reserved: u24, data: bytes(16) }),
  fc.record({ idType: fc.constantFrom(2, 3, 9, 10, 11, 13, 200), reserved: u24, data: bytes(0, 40) }),
);

const deletion = fc.oneof(
  fc.constant({ protocol: 1, spiSize: 0, spis: [] as Uint8Array[] }),
  fc.record({ protocol: fc.constantFrom(2, 3), spiSize: fc.constant(4), spis: fc.array(bytes(4), { maxLength: 5 }) }),
);

const eap = fc.oneof(
  fc.record({ code: fc.constantFrom(1, 2), identifier: u8, eapType: u8, data: bytes(0, 30) }),
  fc.record({ code: fc.constantFrom(3, 4), identifier: u8, eapType: fc.constant(undefined), data: bytes(0) }),
  fc.record({
    code: fc.integer({ min: 5, max: 255 }),
    identifier: u8,
    eapType: fc.constant(undefined),
    data: bytes(0, 30),
  }),
);

const unknownType = fc
  .integer({ min: 1, max: 255 })
  .filter((type) => !(Object.values(PayloadType) as number[]).includes(type));

/** Any payload that can be decoded, and so be sent. */
const payload: fc.Arbitrary<Payload> = fc.oneof(
  proposals.map((list) => ({ kind: 'sa' as const, proposals: list })),
  fc.record({ kind: fc.constant('ke' as const), group: u16, data: bytes(1, 80) }),
  identification.map((fields) => ({ kind: 'idi' as const, ...fields })),
  identification.map((fields) => ({ kind: 'idr' as const, ...fields })),
  fc.record({ kind: fc.constant('cert' as const), encoding: u8, data: bytes(0, 90) }),
  fc.record({ kind: fc.constant('certreq' as const), encoding: u8.filter((e) => e !== 4), data: bytes(0, 50) }),
  fc.record({ kind: fc.constant('certreq' as const), encoding: fc.constant(4), data: fc.oneof(bytes(0), bytes(40)) }),
  fc.record({ kind: fc.constant('auth' as const), method: u8, data: bytes(0, 80) }),
  fc.record({ kind: fc.constant('nonce' as const), data: bytes(16, 256) }),
  fc.record({
    kind: fc.constant('notify' as const),
    protocol: u8,
    spi: bytes(0, 16),
    notifyType: u16,
    data: bytes(0, 40),
  }),
  deletion.map((fields) => ({ kind: 'delete' as const, ...fields })),
  fc.record({ kind: fc.constant('vendor' as const), data: bytes(0, 40) }),
  selectors.map((fields) => ({ kind: 'tsi' as const, ...fields })),
  selectors.map((fields) => ({ kind: 'tsr' as const, ...fields })),
  fc.record({
    kind: fc.constant('cp' as const),
    cfgType: u8,
    attributes: fc.array(fc.record({ type: fc.integer({ min: 0, max: 0x7fff }), value: bytes(0, 20) }), {
      maxLength: 6,
    }),
  }),
  eap.map((fields) => ({ kind: 'eap' as const, ...fields })),
  fc.record({ kind: fc.constant('unknown' as const), type: unknownType, critical: fc.boolean(), data: bytes(0, 30) }),
);

/** Any chain of payloads. */
export const payloads: fc.Arbitrary<readonly Payload[]> = fc.array(payload, { maxLength: 12 });

const childSpi = fc.record({ protocol: fc.constantFrom(2, 3), spi: bytes(4) });

/** Anything that a Notify with typed data can say. */
export const notifyData: fc.Arbitrary<NotifyData> = fc.oneof(
  fc.record({ kind: fc.constant('invalidKePayload' as const), group: u16 }),
  fc.record({ kind: fc.constant('unsupportedCriticalPayload' as const), payloadType: u8 }),
  fc.record({ kind: fc.constant('invalidMessageId' as const), messageId: u32 }),
  fc.record({ kind: fc.constant('cookie' as const), cookie: bytes(1, 64) }),
  fc.record({ kind: fc.constant('cookie2' as const), cookie: bytes(8, 64) }),
  fc.record({ kind: fc.constant('natDetectionSourceIp' as const), hash: bytes(20) }),
  fc.record({ kind: fc.constant('natDetectionDestinationIp' as const), hash: bytes(20) }),
  fc.record({ kind: fc.constant('signatureHashAlgorithms' as const), algorithms: fc.array(u16, { maxLength: 8 }) }),
  fc.record({ kind: fc.constant('setWindowSize' as const), windowSize: u32.filter((size) => size > 0) }),
  childSpi.map((fields) => ({ kind: 'rekeySa' as const, ...fields })),
  childSpi.map((fields) => ({ kind: 'childSaNotFound' as const, ...fields })),
  fc.record({ kind: fc.constant('authLifetime' as const), seconds: u32 }),
  fc.record({ kind: fc.constant('additionalKeyExchange' as const), link: bytes(0, 30) }),
  fc.record({
    kind: fc.constant('other' as const),
    notifyType: fc.constantFrom(7, 14, 24, 38, 16_384, 16_391, 40_961),
    protocol: u8,
    spi: bytes(0, 8),
    data: bytes(0, 30),
  }),
);
