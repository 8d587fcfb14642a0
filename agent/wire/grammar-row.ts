import { err, ok, type Result } from '../result.ts';
import { type Malformed, malformed } from './malformed.ts';
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

/** A payload of an unknown type has its critical bit set: the message is refused whole (RFC 7296 §2.5). */
export interface UnsupportedCriticalPayload {
  readonly kind: 'unsupportedCriticalPayload';
  readonly payloadType: number;
}

/** Every place that a row can give to a payload. */
interface Places {
  readonly sa: SaPayload | undefined;
  readonly ke: KePayload | undefined;
  readonly nonce: NoncePayload | undefined;
  readonly idi: IdPayload<'idi'> | undefined;
  readonly idr: IdPayload<'idr'> | undefined;
  readonly auth: AuthPayload | undefined;
  readonly tsi: TsPayload<'tsi'> | undefined;
  readonly tsr: TsPayload<'tsr'> | undefined;
  readonly cp: CpPayload | undefined;
  readonly certs: readonly CertPayload[];
  readonly certRequests: readonly CertReqPayload[];
  readonly deletes: readonly DeletePayload[];
  readonly notifies: readonly NotifyPayload[];
  readonly vendorIds: readonly VendorPayload[];
}

/**
 * How often each payload of a record may stand in a message; the record's types decide: a list is `many` (or none),
 * a field that may be undefined `optional`, any other `one`.
 */
type Occurrences<T> = {
  readonly [K in keyof T]: T[K] extends readonly Payload[] ? 'many' : undefined extends T[K] ? 'optional' : 'one';
};

/** One row of the grammar: the payloads of one message of one exchange. */
export interface Row<T extends Partial<Places>> {
  /** How the message is called in errors, such as "IKE_SA_INIT request". */
  readonly message: string;
  readonly occurrences: Occurrences<T>;
}

/** The only place that makes a row; the compiler holds `occurrences` to the record type. */
export function row<T extends Partial<Places>>(message: string, occurrences: Occurrences<T>): Row<T> {
  return { message, occurrences };
}

/**
 * Puts payloads into the record of a row. Payloads of known types that the row does not name are passed over, in
 * whatever order and number (RFC 7296 §2.5, §3.2); so are unknown ones that are not critical.
 */
export function collect<T extends Partial<Places>>(
  { message, occurrences }: Row<T>,
  payloads: readonly Payload[],
): Result<T, Malformed | UnsupportedCriticalPayload> {
  const critical = unsupportedCriticalPayload(payloads);
  if (critical !== undefined) return err({ kind: 'unsupportedCriticalPayload', payloadType: critical });
  const allowed: Readonly<Partial<Record<keyof Places, Occurrence>>> = occurrences;
  const record = emptyRecord();
  for (let i = 0; i < payloads.length; i++) {
    const payload = payloads[i] as Payload;
    const place = PLACE_OF_KIND[payload.kind];
    const occurrence = place && allowed[place];
    if (place === undefined || occurrence === undefined) continue;
    const found = record[place];
    if (Array.isArray(found)) found.push(payload);
    else if (found === undefined) record[place] = payload;
    else return err(malformed(i, place, `stands twice in the ${message}`));
  }
  for (const place in allowed) {
    if (allowed[place as keyof Places] === 'one' && record[place as keyof Places] === undefined) {
      return err(malformed(payloads.length, place, `is missing in the ${message}`));
    }
  }
  return ok(record as unknown as T);
}

/** The type of the first payload that is unknown and critical, undefined if there is none. */
export function unsupportedCriticalPayload(payloads: readonly Payload[]): number | undefined {
  for (const payload of payloads) {
    if (payload.kind === 'unknown' && payload.critical) return payload.type;
  }
  return undefined;
}

type Occurrence = 'one' | 'optional' | 'many';

/** Every record has all places, so that all have one shape; a row's type shows only those that it names. */
function emptyRecord(): Record<keyof Places, Payload | Payload[] | undefined> {
  return {
    sa: undefined,
    ke: undefined,
    nonce: undefined,
    idi: undefined,
    idr: undefined,
    auth: undefined,
    tsi: undefined,
    tsr: undefined,
    cp: undefined,
    certs: [],
    certRequests: [],
    deletes: [],
    notifies: [],
    vendorIds: [],
  };
}

const PLACE_OF_KIND: Readonly<Record<Payload['kind'], keyof Places | undefined>> = {
  sa: 'sa',
  ke: 'ke',
  nonce: 'nonce',
  idi: 'idi',
  idr: 'idr',
  auth: 'auth',
  tsi: 'tsi',
  tsr: 'tsr',
  cp: 'cp',
  cert: 'certs',
  certreq: 'certRequests',
  delete: 'deletes',
  notify: 'notifies',
  vendor: 'vendorIds',
  eap: undefined,
  unknown: undefined,
};
