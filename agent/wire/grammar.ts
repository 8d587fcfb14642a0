import { err, ok, type Result } from '../result.ts';
import { collect, type Row, row, type UnsupportedCriticalPayload } from './grammar-row.ts';
import { type Malformed, malformed } from './malformed.ts';
import { decodeCookie, decodeInvalidKePayload, decodeRekeySa } from './notify-data.ts';
import type { AuthPayload } from './payloads/auth.ts';
import type { CertPayload } from './payloads/cert.ts';
import type { CertReqPayload } from './payloads/certreq.ts';
import type { CpPayload } from './payloads/cp.ts';
import type { DeletePayload } from './payloads/delete.ts';
import type { IdPayload } from './payloads/identification.ts';
import type { KePayload } from './payloads/ke.ts';
import type { NoncePayload } from './payloads/nonce.ts';
import type { NotifyPayload } from './payloads/notify.ts';
import type { Payload } from './payloads/payload.ts';
import type { SaPayload } from './payloads/sa.ts';
import type { TsPayload } from './payloads/ts.ts';
import type { VendorPayload } from './payloads/vendor.ts';
import { isErrorNotify, NotifyType, Protocol } from './registry.ts';

/** What a message is refused for before any handler sees it. */
export type GrammarError = Malformed | UnsupportedCriticalPayload;

/** --> HDR(SPIi, 0), [N(COOKIE)], SAi1, KEi, Ni (RFC 7296 §1.2) */
export interface IkeSaInitRequest {
  readonly sa: SaPayload;
  readonly ke: KePayload;
  readonly nonce: NoncePayload;
  readonly notifies: readonly NotifyPayload[];
  readonly vendorIds: readonly VendorPayload[];
}

/** <-- HDR(SPIi, SPIr), SAr1, KEr, Nr, [CERTREQ] */
interface IkeSaInitAccepted {
  readonly sa: SaPayload;
  readonly ke: KePayload;
  readonly nonce: NoncePayload;
  readonly certRequests: readonly CertReqPayload[];
  readonly notifies: readonly NotifyPayload[];
  readonly vendorIds: readonly VendorPayload[];
}

/** The responder wants another group: <-- HDR, N(INVALID_KE_PAYLOAD) */
interface InvalidKe {
  readonly kind: 'invalidKe';
  readonly group: number;
}

/** An error notify, known or not, that refuses what was asked for (RFC 7296 §3.10.1). */
interface Refused {
  readonly kind: 'refused';
  readonly notify: NotifyPayload;
}

/** Unauthenticated in every form, and so is any refusal (RFC 7296 §2.21.1). */
export type IkeSaInitResponse =
  | ({ readonly kind: 'accepted' } & IkeSaInitAccepted)
  /** <-- HDR(SPIi, 0), N(COOKIE) */
  | { readonly kind: 'cookie'; readonly cookie: Uint8Array }
  | InvalidKe
  | Refused;

/** The payloads that create a Child SA: all of them or none (RFC 6023). */
export interface ChildPayloads {
  readonly sa: SaPayload;
  readonly tsi: TsPayload<'tsi'>;
  readonly tsr: TsPayload<'tsr'>;
}

/** --> HDR, SK {IDi, [CERT,] [CERTREQ,] [IDr,] AUTH, SAi2, TSi, TSr} (RFC 7296 §1.2); EAP is asked for without AUTH. */
export interface IkeAuthRequest {
  readonly idi: IdPayload<'idi'>;
  readonly idr: IdPayload<'idr'> | undefined;
  readonly auth: AuthPayload | undefined;
  readonly certs: readonly CertPayload[];
  readonly certRequests: readonly CertReqPayload[];
  readonly cp: CpPayload | undefined;
  readonly child: ChildPayloads | undefined;
  readonly notifies: readonly NotifyPayload[];
  readonly vendorIds: readonly VendorPayload[];
}

/** <-- HDR, SK {IDr, [CERT,] AUTH, SAr2, TSi, TSr} */
interface IkeAuthAuthenticated {
  readonly kind: 'authenticated';
  readonly idr: IdPayload<'idr'>;
  readonly auth: AuthPayload;
  readonly certs: readonly CertPayload[];
  readonly cp: CpPayload | undefined;
  /** `refused`: the IKE SA stands without its first Child SA (RFC 7296 §1.2); `none`: childless. */
  readonly child: ({ readonly kind: 'accepted' } & ChildPayloads) | Refused | { readonly kind: 'none' };
  readonly notifies: readonly NotifyPayload[];
  readonly vendorIds: readonly VendorPayload[];
}

/** `refused` is a response without AUTH: the IKE SA fails, and the refusal is itself not authenticated by an identity. */
export type IkeAuthResponse = IkeAuthAuthenticated | Refused;

/** --> HDR, SK {SA, Ni, [KEi,] TSi, TSr} (RFC 7296 §1.3.1) */
export interface CreateChild {
  readonly sa: SaPayload;
  readonly nonce: NoncePayload;
  readonly ke: KePayload | undefined;
  readonly tsi: TsPayload<'tsi'>;
  readonly tsr: TsPayload<'tsr'>;
  readonly notifies: readonly NotifyPayload[];
}

/** --> HDR, SK {SA, Ni, KEi} (RFC 7296 §1.3.2); proposals for IKE have an SPI of 8 bytes, never zero. */
interface RekeyIke {
  readonly sa: SaPayload;
  readonly nonce: NoncePayload;
  readonly ke: KePayload;
  readonly notifies: readonly NotifyPayload[];
}

/** The Child SA that a REKEY_SA names: by its protocol, AH or ESP, and the SPI on which the requester receives. */
interface RekeyedChild {
  readonly protocol: number;
  readonly spi: Uint8Array;
}

export type CreateChildSaRequest =
  | ({ readonly kind: 'createChild' } & CreateChild)
  /** --> HDR, SK {N(REKEY_SA), SA, Ni, [KEi,] TSi, TSr} (RFC 7296 §1.3.3) */
  | ({ readonly kind: 'rekeyChild'; readonly rekeyed: RekeyedChild } & CreateChild)
  | ({ readonly kind: 'rekeyIke' } & RekeyIke);

/** Answer to a request that creates or rekeys a Child SA. */
export type CreateChildResponse = ({ readonly kind: 'accepted' } & CreateChild) | InvalidKe | Refused;

/** Answer to a request that rekeys the IKE SA. */
export type RekeyIkeResponse = ({ readonly kind: 'accepted' } & RekeyIke) | InvalidKe | Refused;

/** HDR, SK {[N,] [D,] [CP,] ...} in both directions (RFC 7296 §1.4); empty as liveness check and as its answer. */
export interface Informational {
  readonly deletes: readonly DeletePayload[];
  readonly notifies: readonly NotifyPayload[];
  readonly cp: CpPayload | undefined;
}

/** Reads what an initiator asks. */
export function parseIkeSaInitRequest(payloads: readonly Payload[]): Result<IkeSaInitRequest, GrammarError> {
  return collect(IKE_SA_INIT_REQUEST, payloads);
}

/** Reads the responder's answer, which may be a demand (cookie, another group) instead of an agreement. */
export function parseIkeSaInitResponse(payloads: readonly Payload[]): Result<IkeSaInitResponse, GrammarError> {
  const refusal = refusalIn(payloads);
  if (refusal !== undefined) return refusal;
  if (!payloads.some((payload) => payload.kind === 'sa')) {
    const cookie = findNotify(payloads, NotifyType.COOKIE);
    if (cookie !== undefined) return decodeCookie(cookie);
  }
  const accepted = collect(IKE_SA_INIT_RESPONSE, payloads);
  if (!accepted.ok) return accepted;
  const { sa, ke, nonce, certRequests, notifies, vendorIds } = accepted.value;
  return ok({ kind: 'accepted', sa, ke, nonce, certRequests, notifies, vendorIds });
}

/** Reads the decrypted payloads of the first IKE_AUTH request. */
export function parseIkeAuthRequest(payloads: readonly Payload[]): Result<IkeAuthRequest, GrammarError> {
  const collected = collect(IKE_AUTH_REQUEST, payloads);
  if (!collected.ok) return collected;
  const child = childOf(collected.value, IKE_AUTH_REQUEST.message);
  if (!child.ok) return child;
  const { idi, idr, auth, certs, certRequests, cp, notifies, vendorIds } = collected.value;
  return ok({ idi, idr, auth, certs, certRequests, cp, child: child.value, notifies, vendorIds });
}

/** Reads the decrypted payloads of the last IKE_AUTH response. */
export function parseIkeAuthResponse(payloads: readonly Payload[]): Result<IkeAuthResponse, GrammarError> {
  const error = findErrorNotify(payloads);
  if (error !== undefined && !payloads.some((payload) => payload.kind === 'auth')) {
    return ok({ kind: 'refused', notify: error });
  }
  const collected = collect(IKE_AUTH_RESPONSE, payloads);
  if (!collected.ok) return collected;
  const { idr, auth, certs, cp, notifies, vendorIds } = collected.value;
  const child = answeredChildOf(collected.value, error);
  if (!child.ok) return child;
  return ok({ kind: 'authenticated', idr, auth, certs, cp, child: child.value, notifies, vendorIds });
}

/** Reads the decrypted payloads of a CREATE_CHILD_SA request, which tells by itself what it wants. */
export function parseCreateChildRequest(payloads: readonly Payload[]): Result<CreateChildSaRequest, GrammarError> {
  const sa = payloads.find((payload) => payload.kind === 'sa');
  if (sa?.proposals[0]?.protocol === Protocol.IKE) {
    const rekey = collectRekeyIke(REKEY_IKE_REQUEST, payloads);
    if (!rekey.ok) return rekey;
    const { nonce, ke, notifies } = rekey.value;
    return ok({ kind: 'rekeyIke', sa: rekey.value.sa, nonce, ke, notifies });
  }
  const collected = collect(CREATE_CHILD_REQUEST, payloads);
  if (!collected.ok) return collected;
  const { nonce, ke, tsi, tsr, notifies } = collected.value;
  const [rekeySa, another] = notifies.filter((notify) => notify.notifyType === NotifyType.REKEY_SA);
  if (rekeySa === undefined) {
    return ok({ kind: 'createChild', sa: collected.value.sa, nonce, ke, tsi, tsr, notifies });
  }
  if (another !== undefined) {
    return err(malformed(payloads.indexOf(another), 'REKEY_SA', `stands twice in the ${CREATE_CHILD_REQUEST.message}`));
  }
  const rekeyed = decodeRekeySa(rekeySa);
  if (!rekeyed.ok) return rekeyed;
  const { protocol, spi } = rekeyed.value;
  return ok({
    kind: 'rekeyChild',
    rekeyed: { protocol, spi },
    sa: collected.value.sa,
    nonce,
    ke,
    tsi,
    tsr,
    notifies,
  });
}

/** Reads the answer to a request that creates or rekeys a Child SA. */
export function parseCreateChildResponse(payloads: readonly Payload[]): Result<CreateChildResponse, GrammarError> {
  const refusal = refusalIn(payloads);
  if (refusal !== undefined) return refusal;
  const collected = collect(CREATE_CHILD_RESPONSE, payloads);
  if (!collected.ok) return collected;
  const { sa, nonce, ke, tsi, tsr, notifies } = collected.value;
  return ok({ kind: 'accepted', sa, nonce, ke, tsi, tsr, notifies });
}

/** Reads the answer to a request that rekeys the IKE SA. */
export function parseRekeyIkeResponse(payloads: readonly Payload[]): Result<RekeyIkeResponse, GrammarError> {
  const refusal = refusalIn(payloads);
  if (refusal !== undefined) return refusal;
  const collected = collectRekeyIke(REKEY_IKE_RESPONSE, payloads);
  if (!collected.ok) return collected;
  const { sa, nonce, ke, notifies } = collected.value;
  return ok({ kind: 'accepted', sa, nonce, ke, notifies });
}

/** Reads the decrypted payloads of an INFORMATIONAL request or response. */
export function parseInformational(payloads: readonly Payload[]): Result<Informational, GrammarError> {
  return collect(INFORMATIONAL, payloads);
}

/** IKE_AUTH without what it does with the Child SA's payloads. */
interface PossibleChild {
  readonly sa: SaPayload | undefined;
  readonly tsi: TsPayload<'tsi'> | undefined;
  readonly tsr: TsPayload<'tsr'> | undefined;
}

function childOf(found: PossibleChild, message: string): Result<ChildPayloads | undefined, Malformed> {
  const { sa, tsi, tsr } = found;
  if (sa !== undefined && tsi !== undefined && tsr !== undefined) return ok({ sa, tsi, tsr });
  if (sa === undefined && tsi === undefined && tsr === undefined) return ok(undefined);
  const missing = sa === undefined ? 'sa' : tsi === undefined ? 'tsi' : 'tsr';
  return err(malformed(0, missing, `is missing in the ${message}, which has others of SA, TSi and TSr`));
}

function answeredChildOf(
  found: PossibleChild,
  error: NotifyPayload | undefined,
): Result<IkeAuthAuthenticated['child'], Malformed> {
  if (error !== undefined) return ok({ kind: 'refused', notify: error });
  const child = childOf(found, IKE_AUTH_RESPONSE.message);
  if (!child.ok) return child;
  if (child.value === undefined) return ok({ kind: 'none' });
  const { sa, tsi, tsr } = child.value;
  return ok({ kind: 'accepted', sa, tsi, tsr });
}

/** A new IKE SA needs an SPI of its own in each proposal (RFC 7296 §3.3.1), where IKE_SA_INIT has it in the header. */
function collectRekeyIke(row: Row<RekeyIke>, payloads: readonly Payload[]): Result<RekeyIke, GrammarError> {
  const collected = collect(row, payloads);
  if (!collected.ok) return collected;
  for (const { protocol, spi } of collected.value.sa.proposals) {
    if (protocol === Protocol.IKE && spi.length !== IKE_SPI_BYTES) {
      return err(malformed(payloads.indexOf(collected.value.sa), 'Proposal SPI Size', `is 0 in the ${row.message}`));
    }
  }
  return collected;
}

/** How a response refuses with an error notify; undefined if it does not. */
function refusalIn(payloads: readonly Payload[]): Result<InvalidKe | Refused, Malformed> | undefined {
  const error = findErrorNotify(payloads);
  if (error === undefined) return undefined;
  if (error.notifyType !== NotifyType.INVALID_KE_PAYLOAD) return ok({ kind: 'refused', notify: error });
  const data = decodeInvalidKePayload(error);
  return data.ok ? ok({ kind: 'invalidKe', group: data.value.group }) : data;
}

function findErrorNotify(payloads: readonly Payload[]): NotifyPayload | undefined {
  for (const payload of payloads) {
    if (payload.kind === 'notify' && isErrorNotify(payload.notifyType)) return payload;
  }
  return undefined;
}

function findNotify(payloads: readonly Payload[], notifyType: number): NotifyPayload | undefined {
  for (const payload of payloads) {
    if (payload.kind === 'notify' && payload.notifyType === notifyType) return payload;
  }
  return undefined;
}

const IKE_SA_INIT_REQUEST = row<IkeSaInitRequest>('IKE_SA_INIT request', {
  sa: 'one',
  ke: 'one',
  nonce: 'one',
  notifies: 'many',
  vendorIds: 'many',
});

const IKE_SA_INIT_RESPONSE = row<IkeSaInitAccepted>('IKE_SA_INIT response', {
  sa: 'one',
  ke: 'one',
  nonce: 'one',
  certRequests: 'many',
  notifies: 'many',
  vendorIds: 'many',
});

const IKE_AUTH_REQUEST = row<Omit<IkeAuthRequest, 'child'> & PossibleChild>('IKE_AUTH request', {
  idi: 'one',
  idr: 'optional',
  auth: 'optional',
  certs: 'many',
  certRequests: 'many',
  cp: 'optional',
  sa: 'optional',
  tsi: 'optional',
  tsr: 'optional',
  notifies: 'many',
  vendorIds: 'many',
});

const IKE_AUTH_RESPONSE = row<Omit<IkeAuthAuthenticated, 'kind' | 'child'> & PossibleChild>('IKE_AUTH response', {
  idr: 'one',
  auth: 'one',
  certs: 'many',
  cp: 'optional',
  sa: 'optional',
  tsi: 'optional',
  tsr: 'optional',
  notifies: 'many',
  vendorIds: 'many',
});

const CREATE_CHILD_REQUEST = createChildRow('CREATE_CHILD_SA request');
const CREATE_CHILD_RESPONSE = createChildRow('CREATE_CHILD_SA response');
const REKEY_IKE_REQUEST = rekeyIkeRow('CREATE_CHILD_SA request that rekeys the IKE SA');
const REKEY_IKE_RESPONSE = rekeyIkeRow('CREATE_CHILD_SA response that rekeys the IKE SA');

function createChildRow(message: string): Row<CreateChild> {
  return row<CreateChild>(message, {
    sa: 'one',
    nonce: 'one',
    ke: 'optional',
    tsi: 'one',
    tsr: 'one',
    notifies: 'many',
  });
}

function rekeyIkeRow(message: string): Row<RekeyIke> {
  return row<RekeyIke>(message, { sa: 'one', nonce: 'one', ke: 'one', notifies: 'many' });
}

const INFORMATIONAL = row<Informational>('INFORMATIONAL message', {
  deletes: 'many',
  notifies: 'many',
  cp: 'optional',
});

const IKE_SPI_BYTES = 8;
