import { assertNever } from '../../result.ts';
import type { Reader } from '../reader.ts';
import { PayloadType } from '../registry.ts';
import type { Writer } from '../writer.ts';
import { type AuthPayload, decodeAuth, encodeAuth } from './auth.ts';
import { type CertPayload, decodeCert, encodeCert } from './cert.ts';
import { type CertReqPayload, decodeCertReq, encodeCertReq } from './certreq.ts';
import { type CpPayload, decodeCp, encodeCp } from './cp.ts';
import { type DeletePayload, decodeDelete, encodeDelete } from './delete.ts';
import { decodeEap, type EapPayload, encodeEap } from './eap.ts';
import { decodeId, encodeId, type IdPayload } from './identification.ts';
import { decodeKe, encodeKe, type KePayload } from './ke.ts';
import { decodeNonce, encodeNonce, type NoncePayload } from './nonce.ts';
import { decodeNotify, encodeNotify, type NotifyPayload } from './notify.ts';
import { decodeSa, encodeSa, type SaPayload } from './sa.ts';
import { decodeTs, encodeTs, type TsPayload } from './ts.ts';
import { decodeUnknown, encodeUnknown, type UnknownPayload } from './unknown.ts';
import { decodeVendor, encodeVendor, type VendorPayload } from './vendor.ts';

/** Any payload but SK and SKF, which are the end of a message and not one of a chain (`Message.protected`). */
export type Payload =
  | SaPayload
  | KePayload
  | IdPayload<'idi'>
  | IdPayload<'idr'>
  | CertPayload
  | CertReqPayload
  | AuthPayload
  | NoncePayload
  | NotifyPayload
  | DeletePayload
  | VendorPayload
  | TsPayload<'tsi'>
  | TsPayload<'tsr'>
  | CpPayload
  | EapPayload
  | UnknownPayload;

/** Reads the body of a payload of type `type`; undefined when the reader has failed. */
export function decodeBody(reader: Reader, type: number, critical: boolean): Payload | undefined {
  switch (type) {
    case PayloadType.SA:
      return decodeSa(reader);
    case PayloadType.KE:
      return decodeKe(reader);
    case PayloadType.IDi:
      return decodeId(reader, 'idi');
    case PayloadType.IDr:
      return decodeId(reader, 'idr');
    case PayloadType.CERT:
      return decodeCert(reader);
    case PayloadType.CERTREQ:
      return decodeCertReq(reader);
    case PayloadType.AUTH:
      return decodeAuth(reader);
    case PayloadType.Nonce:
      return decodeNonce(reader);
    case PayloadType.Notify:
      return decodeNotify(reader);
    case PayloadType.Delete:
      return decodeDelete(reader);
    case PayloadType.VendorID:
      return decodeVendor(reader);
    case PayloadType.TSi:
      return decodeTs(reader, 'tsi');
    case PayloadType.TSr:
      return decodeTs(reader, 'tsr');
    case PayloadType.CP:
      return decodeCp(reader);
    case PayloadType.EAP:
      return decodeEap(reader);
    default:
      return decodeUnknown(reader, type, critical);
  }
}

/** Writes the body of a payload. */
export function encodeBody(writer: Writer, payload: Payload): void {
  switch (payload.kind) {
    case 'sa':
      encodeSa(writer, payload);
      break;
    case 'ke':
      encodeKe(writer, payload);
      break;
    case 'idi':
    case 'idr':
      encodeId(writer, payload);
      break;
    case 'cert':
      encodeCert(writer, payload);
      break;
    case 'certreq':
      encodeCertReq(writer, payload);
      break;
    case 'auth':
      encodeAuth(writer, payload);
      break;
    case 'nonce':
      encodeNonce(writer, payload);
      break;
    case 'notify':
      encodeNotify(writer, payload);
      break;
    case 'delete':
      encodeDelete(writer, payload);
      break;
    case 'vendor':
      encodeVendor(writer, payload);
      break;
    case 'tsi':
    case 'tsr':
      encodeTs(writer, payload);
      break;
    case 'cp':
      encodeCp(writer, payload);
      break;
    case 'eap':
      encodeEap(writer, payload);
      break;
    case 'unknown':
      encodeUnknown(writer, payload);
      break;
    default:
      assertNever(payload);
  }
}

/** The number under which a payload stands in a chain. */
export function payloadTypeOf(payload: Payload): number {
  return payload.kind === 'unknown' ? payload.type : TYPE_OF_KIND[payload.kind];
}

const TYPE_OF_KIND: Readonly<Record<Exclude<Payload['kind'], 'unknown'>, PayloadType>> = {
  sa: PayloadType.SA,
  ke: PayloadType.KE,
  idi: PayloadType.IDi,
  idr: PayloadType.IDr,
  cert: PayloadType.CERT,
  certreq: PayloadType.CERTREQ,
  auth: PayloadType.AUTH,
  nonce: PayloadType.Nonce,
  notify: PayloadType.Notify,
  delete: PayloadType.Delete,
  vendor: PayloadType.VendorID,
  tsi: PayloadType.TSi,
  tsr: PayloadType.TSr,
  cp: PayloadType.CP,
  eap: PayloadType.EAP,
};
