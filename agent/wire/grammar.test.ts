import { describe, expect, it } from 'vitest';

import {
  parseCreateChildRequest,
  parseCreateChildResponse,
  parseIkeAuthRequest,
  parseIkeAuthResponse,
  parseIkeSaInitRequest,
  parseIkeSaInitResponse,
  parseInformational,
  parseRekeyIkeResponse,
} from './grammar.ts';
import { unsupportedCriticalPayload } from './grammar-row.ts';
import { notify, notifyOf } from './notify-data.ts';
import type { Payload } from './payloads/payload.ts';
import type { SaPayload } from './payloads/sa.ts';
import type { TsPayload } from './payloads/ts.ts';
import { NotifyType, Protocol } from './registry.ts';
import { counting } from './testing/samples.ts';

const NO_BYTES = new Uint8Array(0);
const ikeSa = saOf(Protocol.IKE, NO_BYTES);
const newIkeSa = saOf(Protocol.IKE, counting(1, 8));
const childSa = saOf(Protocol.ESP, counting(1, 4));
const ke: Payload = { kind: 'ke', group: 31, data: counting(0, 32) };
const nonce: Payload = { kind: 'nonce', data: counting(0, 32) };
const vendor: Payload = { kind: 'vendor', data: counting(0, 16) };
const certreq: Payload = { kind: 'certreq', encoding: 4, data: NO_BYTES };
const cert: Payload = { kind: 'cert', encoding: 4, data: counting(0, 100) };
const idi: Payload = { kind: 'idi', idType: 2, reserved: 0, data: counting(97, 5) };
const idr: Payload = { kind: 'idr', idType: 2, reserved: 0, data: counting(97, 5) };
const auth: Payload = { kind: 'auth', method: 2, data: counting(0, 32) };
const cp: Payload = { kind: 'cp', cfgType: 1, attributes: [] };
const tsi = tsOf('tsi');
const tsr = tsOf('tsr');
const eap: Payload = { kind: 'eap', code: 1, identifier: 1, eapType: 1, data: NO_BYTES };
const deletion: Payload = { kind: 'delete', protocol: 1, spiSize: 0, spis: [] };
const transport = notify(NotifyType.USE_TRANSPORT_MODE);
const contact = notify(NotifyType.INITIAL_CONTACT);
const harmless: Payload = { kind: 'unknown', type: 200, critical: false, data: NO_BYTES };
const critical: Payload = { kind: 'unknown', type: 201, critical: true, data: NO_BYTES };
const rekeySa = notifyOf({ kind: 'rekeySa', protocol: Protocol.ESP, spi: counting(9, 4) });

/** Every parser with payloads that it accepts, each of which stands once and may not be left out. */
const required = [
  { message: 'IKE_SA_INIT request', parse: parseIkeSaInitRequest, payloads: [ikeSa, ke, nonce] },
  { message: 'IKE_SA_INIT response', parse: parseIkeSaInitResponse, payloads: [ikeSa, ke, nonce] },
  { message: 'IKE_AUTH request', parse: parseIkeAuthRequest, payloads: [idi] },
  { message: 'IKE_AUTH response', parse: parseIkeAuthResponse, payloads: [idr, auth] },
  { message: 'CREATE_CHILD_SA request', parse: parseCreateChildRequest, payloads: [childSa, nonce, tsi, tsr] },
  { message: 'CREATE_CHILD_SA response', parse: parseCreateChildResponse, payloads: [childSa, nonce, tsi, tsr] },
  { message: 'CREATE_CHILD_SA response that rekeys', parse: parseRekeyIkeResponse, payloads: [newIkeSa, nonce, ke] },
] as const;

describe.each(required)('$message', ({ message, parse, payloads }) => {
  it.each(payloads.map((payload) => payload.kind))('is malformed without %s', (kind) => {
    expect(parse(payloads.filter((payload) => payload.kind !== kind))).toMatchObject({
      ok: false,
      error: { kind: 'malformed', field: kind, reason: expect.stringContaining(`is missing in the ${message}`) },
    });
  });

  it.each(payloads.map((payload) => payload.kind))('is malformed with %s twice', (kind) => {
    const twice = [...payloads, ...payloads.filter((payload) => payload.kind === kind)];
    expect(parse(twice)).toMatchObject({
      ok: false,
      error: {
        kind: 'malformed',
        offset: payloads.length,
        field: kind,
        reason: expect.stringContaining('stands twice'),
      },
    });
  });

  it('is the same in any order, with unknown payloads and known ones that mean nothing in it', () => {
    const parsed = parse(payloads);
    expect(parsed).toMatchObject({ ok: true });
    expect(parse([harmless, eap, deletion, eap, deletion, ...payloads.toReversed(), harmless])).toEqual({
      ok: true,
      value: expect.objectContaining(
        Object.fromEntries(payloads.map((payload) => [payload.kind === 'auth' ? 'auth' : payload.kind, payload])),
      ),
    });
  });

  it('with an unknown critical payload is refused, naming its type (RFC 7296 §2.5)', () => {
    expect(parse([...payloads, harmless, critical])).toEqual({
      ok: false,
      error: { kind: 'unsupportedCriticalPayload', payloadType: 201 },
    });
    expect(parse([critical])).toMatchObject({ error: { kind: 'unsupportedCriticalPayload' } });
  });
});

describe('IKE_SA_INIT request', () => {
  it('keeps all notifies and Vendor IDs in order', () => {
    const cookie = notifyOf({ kind: 'cookie', cookie: counting(0, 8) });
    expect(parseIkeSaInitRequest([cookie, ikeSa, ke, nonce, vendor, contact, vendor])).toMatchObject({
      value: { notifies: [cookie, contact], vendorIds: [vendor, vendor] },
    });
  });
});

describe('IKE_SA_INIT response', () => {
  it('accepts, with requests for certificates', () => {
    expect(parseIkeSaInitResponse([ikeSa, ke, nonce, certreq, contact])).toEqual({
      ok: true,
      value: {
        kind: 'accepted',
        sa: ikeSa,
        ke,
        nonce,
        certRequests: [certreq],
        notifies: [contact],
        vendorIds: [],
      },
    });
  });

  it('demands a cookie', () => {
    const cookie = notifyOf({ kind: 'cookie', cookie: counting(0, 64) });
    expect(parseIkeSaInitResponse([vendor, cookie])).toEqual({
      ok: true,
      value: { kind: 'cookie', cookie: counting(0, 64) },
    });
    expect(parseIkeSaInitResponse([notify(NotifyType.COOKIE)])).toMatchObject({ error: { kind: 'malformed' } });
  });

  it('demands another group', () => {
    expect(parseIkeSaInitResponse([notifyOf({ kind: 'invalidKePayload', group: 20 })])).toEqual({
      ok: true,
      value: { kind: 'invalidKe', group: 20 },
    });
    expect(parseIkeSaInitResponse([notify(NotifyType.INVALID_KE_PAYLOAD)])).toMatchObject({ ok: false });
  });

  it('refuses with any error type, known or not (RFC 7296 §3.10.1), but not with a status type', () => {
    for (const type of [NotifyType.NO_PROPOSAL_CHOSEN, NotifyType.INVALID_SYNTAX, 8192]) {
      expect(parseIkeSaInitResponse([contact, notify(type)])).toEqual({
        ok: true,
        value: { kind: 'refused', notify: notify(type) },
      });
    }
    expect(parseIkeSaInitResponse([notify(40_961)])).toMatchObject({ error: { field: 'sa' } });
  });
});

describe('IKE_AUTH request', () => {
  it('has a Child SA or none (RFC 6023), certificates, and no AUTH where EAP is asked for', () => {
    expect(
      parseIkeAuthRequest([idi, cert, cert, contact, certreq, idr, auth, cp, childSa, tsi, tsr, transport, vendor]),
    ).toEqual({
      ok: true,
      value: {
        idi,
        idr,
        auth,
        certs: [cert, cert],
        certRequests: [certreq],
        cp,
        child: { sa: childSa, tsi, tsr },
        notifies: [contact, transport],
        vendorIds: [vendor],
      },
    });
    expect(parseIkeAuthRequest([idi])).toMatchObject({ value: { auth: undefined, idr: undefined, child: undefined } });
  });

  it('with some but not all of SA, TSi and TSr is malformed', () => {
    for (const part of [[childSa], [tsi], [tsr], [childSa, tsi], [childSa, tsr], [tsi, tsr]]) {
      expect(parseIkeAuthRequest([idi, auth, ...part])).toMatchObject({ ok: false, error: { kind: 'malformed' } });
    }
    expect(parseIkeAuthRequest([idi, auth, childSa, tsi])).toMatchObject({ error: { field: 'tsr' } });
  });

  it('with an error type is not refused by it: requests may carry what is not understood (RFC 7296 §3.10.1)', () => {
    expect(parseIkeAuthRequest([idi, auth, notify(8192)])).toMatchObject({ ok: true });
  });
});

describe('IKE_AUTH response', () => {
  it('authenticates and accepts the Child SA', () => {
    expect(parseIkeAuthResponse([idr, cert, auth, childSa, tsi, tsr, transport])).toMatchObject({
      value: { kind: 'authenticated', idr, auth, certs: [cert], child: { kind: 'accepted', sa: childSa, tsi, tsr } },
    });
  });

  it('authenticates and refuses only the Child SA (RFC 7296 §1.2)', () => {
    expect(parseIkeAuthResponse([idr, auth, notify(NotifyType.TS_UNACCEPTABLE)])).toMatchObject({
      value: { kind: 'authenticated', child: { kind: 'refused', notify: notify(NotifyType.TS_UNACCEPTABLE) } },
    });
  });

  it('authenticates without a Child SA', () => {
    expect(parseIkeAuthResponse([idr, auth])).toMatchObject({ value: { child: { kind: 'none' } } });
    expect(parseIkeAuthResponse([idr, auth, childSa, tsi])).toMatchObject({ ok: false });
  });

  it('refuses all, if it does not authenticate', () => {
    const failed = notify(NotifyType.AUTHENTICATION_FAILED);
    expect(parseIkeAuthResponse([failed])).toEqual({ ok: true, value: { kind: 'refused', notify: failed } });
    expect(parseIkeAuthResponse([idr, failed])).toEqual({ ok: true, value: { kind: 'refused', notify: failed } });
  });
});

describe('CREATE_CHILD_SA request', () => {
  it('creates a Child SA, with a key exchange or without', () => {
    expect(parseCreateChildRequest([childSa, nonce, tsi, tsr, transport])).toEqual({
      ok: true,
      value: { kind: 'createChild', sa: childSa, nonce, ke: undefined, tsi, tsr, notifies: [transport] },
    });
    expect(parseCreateChildRequest([childSa, nonce, ke, tsi, tsr])).toMatchObject({
      value: { kind: 'createChild', ke },
    });
  });

  it('rekeys the Child SA that REKEY_SA names', () => {
    expect(parseCreateChildRequest([rekeySa, childSa, nonce, tsi, tsr])).toEqual({
      ok: true,
      value: {
        kind: 'rekeyChild',
        rekeyed: { protocol: 3, spi: counting(9, 4) },
        sa: childSa,
        nonce,
        ke: undefined,
        tsi,
        tsr,
        notifies: [rekeySa],
      },
    });
  });

  it('with a REKEY_SA that names no Child SA is malformed (CVE-2023-38710)', () => {
    for (const protocol of [0, 1, 4]) {
      const bad = { ...rekeySa, protocol };
      expect(parseCreateChildRequest([bad, childSa, nonce, tsi, tsr])).toMatchObject({ error: { kind: 'malformed' } });
    }
    const short = { ...rekeySa, spi: NO_BYTES };
    expect(parseCreateChildRequest([short, childSa, nonce, tsi, tsr])).toMatchObject({ error: { kind: 'malformed' } });
    expect(parseCreateChildRequest([rekeySa, rekeySa, childSa, nonce, tsi, tsr])).toMatchObject({
      error: { kind: 'malformed', field: 'REKEY_SA' },
    });
  });

  it('rekeys the IKE SA, always with a key exchange', () => {
    expect(parseCreateChildRequest([newIkeSa, nonce, ke])).toEqual({
      ok: true,
      value: { kind: 'rekeyIke', sa: newIkeSa, nonce, ke, notifies: [] },
    });
    expect(parseCreateChildRequest([newIkeSa, nonce])).toMatchObject({ error: { kind: 'malformed', field: 'ke' } });
    expect(parseCreateChildRequest([nonce, ikeSa, ke])).toMatchObject({
      error: { kind: 'malformed', offset: 1, field: 'Proposal SPI Size' },
    });
  });
});

describe('CREATE_CHILD_SA response', () => {
  it.each([parseCreateChildResponse, parseRekeyIkeResponse])('of %o refuses, or demands another group', (parse) => {
    const failure = notify(NotifyType.TEMPORARY_FAILURE);
    expect(parse([failure])).toEqual({ ok: true, value: { kind: 'refused', notify: failure } });
    expect(parse([notifyOf({ kind: 'invalidKePayload', group: 14 })])).toEqual({
      ok: true,
      value: { kind: 'invalidKe', group: 14 },
    });
  });

  it('accepts', () => {
    expect(parseCreateChildResponse([childSa, nonce, ke, tsi, tsr])).toEqual({
      ok: true,
      value: { kind: 'accepted', sa: childSa, nonce, ke, tsi, tsr, notifies: [] },
    });
    expect(parseRekeyIkeResponse([newIkeSa, nonce, ke, contact])).toEqual({
      ok: true,
      value: { kind: 'accepted', sa: newIkeSa, nonce, ke, notifies: [contact] },
    });
    expect(parseRekeyIkeResponse([ikeSa, nonce, ke])).toMatchObject({ error: { field: 'Proposal SPI Size' } });
  });
});

describe('INFORMATIONAL', () => {
  it('may be empty, and keeps deletions and notifies in order', () => {
    expect(parseInformational([])).toMatchObject({ value: { deletes: [], notifies: [], cp: undefined } });
    expect(parseInformational([deletion, contact, deletion, cp, transport])).toMatchObject({
      value: { deletes: [deletion, deletion], notifies: [contact, transport], cp },
    });
    expect(parseInformational([critical])).toMatchObject({ error: { kind: 'unsupportedCriticalPayload' } });
  });
});

describe('unprotected payloads before SK', () => {
  it('are searched for a critical one that is unknown', () => {
    expect(unsupportedCriticalPayload([harmless, vendor])).toBeUndefined();
    expect(unsupportedCriticalPayload([harmless, critical])).toBe(201);
  });
});

function saOf(protocol: number, spi: Uint8Array): SaPayload {
  return { kind: 'sa', proposals: [{ number: 1, protocol, spi, transforms: [] }] };
}

function tsOf<Kind extends 'tsi' | 'tsr'>(kind: Kind): TsPayload<Kind> {
  const any = {
    tsType: 7,
    protocol: 0,
    startPort: 0,
    endPort: 65_535,
    start: counting(10, 4),
    end: counting(10, 4),
  } as const;
  return { kind, selectors: [any], others: [] };
}
