import * as z from 'zod';

import type { RevocationPolicy, SignaturePreferences } from '../../pki/credential.ts';
import { err, ok, type Result } from '../../result.ts';
import type { FieldPath } from './fault.ts';
import { MAX_BUNDLES, MAX_CREDENTIALS, MAX_EXTENDED_KEY_USAGES, MAX_REVOCATION_LISTS } from './limits.ts';
import { nearest } from './nearest.ts';
import { quoted } from './scalars.ts';

/** A file with a pre-shared key, and where the configuration names it. */
interface PreSharedKeyFields {
  readonly kind: 'preSharedKey';
  readonly file: string;
  readonly path: FieldPath;
}

/** The files of one certificate of our own. */
export interface CredentialFields {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly path: FieldPath;
}

/** What this side proves itself by. */
export type LocalFields =
  | PreSharedKeyFields
  | {
      readonly kind: 'certificate';
      readonly credentials: readonly [CredentialFields, ...CredentialFields[]];
      readonly signatures: SignaturePreferences;
    };

/** Whom we believe, and where the configuration says so. */
export interface TrustFields {
  readonly bundleFiles: readonly string[];
  readonly crlFiles: readonly string[];
  readonly revocation: RevocationPolicy;
  /** Object identifiers. */
  readonly extendedKeyUsages: readonly string[];
  readonly path: FieldPath;
}

/** What the other side proves itself by. */
export type RemoteFields =
  | PreSharedKeyFields
  | { readonly kind: 'certificate'; readonly trust: TrustFields; readonly rsaSha1: boolean };

/** How the two sides of a connection prove themselves; paths begin at `authentication`. */
export interface AuthenticationFields {
  readonly local: LocalFields;
  readonly remote: RemoteFields;
}

const file = z.string().min(1);
const preSharedKey = z.strictObject({ file });
const pair = { certificateFile: file, keyFile: file };
const own = {
  ...pair,
  alternatives: z.array(z.strictObject(pair)).min(1).max(MAX_CREDENTIALS).optional(),
  rsaPadding: z.enum(['PSS', 'PKCS1']).optional(),
  rsaSha1: z.boolean().optional(),
};
const trust = z.strictObject({
  bundleFiles: z.array(file).min(1).max(MAX_BUNDLES),
  crlFiles: z.array(file).min(1).max(MAX_REVOCATION_LISTS).optional(),
  revocation: z.enum(['IfPresent', 'Required']).optional(),
  extendedKeyUsages: z.array(usage()).min(1).max(MAX_EXTENDED_KEY_USAGES).optional(),
});
const bothSides = z.strictObject({ ...own, trust });

/** `authentication` of a peer: the same for both sides, or `local` and `remote` apart. */
export const authenticationSchema = z
  .strictObject({
    preSharedKey: preSharedKey.optional(),
    certificate: bothSides.optional(),
    local: z
      .strictObject({ preSharedKey: preSharedKey.optional(), certificate: z.strictObject(own).optional() })
      .optional(),
    remote: z
      .strictObject({
        preSharedKey: preSharedKey.optional(),
        certificate: z.strictObject({ trust, rsaSha1: z.boolean().optional() }).optional(),
      })
      .optional(),
  })
  .transform((fields, context): AuthenticationFields => {
    const read = authenticationOf(fields);
    if (read.ok) return read.value;
    context.addIssue({ code: 'custom', message: read.error });
    return z.NEVER;
  });

/** `authentication` of `defaults`: a pre-shared key is between two sides, so there is none for all. */
export const defaultAuthenticationSchema = z
  .strictObject({ certificate: bothSides })
  .transform(({ certificate }) => symmetric(certificate));

type BothFields = z.infer<typeof bothSides>;
type OwnFields = z.infer<z.ZodObject<typeof own>>;

interface GivenFields {
  readonly preSharedKey?: { readonly file: string } | undefined;
  readonly certificate?: BothFields | undefined;
  readonly local?:
    | { readonly preSharedKey?: { readonly file: string } | undefined; readonly certificate?: OwnFields | undefined }
    | undefined;
  readonly remote?:
    | {
        readonly preSharedKey?: { readonly file: string } | undefined;
        readonly certificate?: Pick<BothFields, 'trust' | 'rsaSha1'> | undefined;
      }
    | undefined;
}

function authenticationOf(fields: GivenFields): Result<AuthenticationFields, string> {
  const given = Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  const { preSharedKey: key, certificate, local, remote } = fields;
  if (given.length === 1 && key !== undefined) {
    const side = { kind: 'preSharedKey', file: key.file, path: ['preSharedKey', 'file'] } as const;
    return ok({ local: side, remote: side });
  }
  if (given.length === 1 && certificate !== undefined) return ok(symmetric(certificate));
  if (given.length !== 2 || local === undefined || remote === undefined) {
    const found = given.length === 0 ? 'nothing' : given.join(' and ');
    return err(`needs preSharedKey, or certificate, or local and remote for different ones; it has ${found}`);
  }
  for (const [name, side] of Object.entries({ local, remote })) {
    const kinds = Object.values(side).filter((value) => value !== undefined);
    if (kinds.length !== 1) return err(`needs exactly one of preSharedKey and certificate in ${name}`);
  }
  return ok({ local: localOf(local, ['local']), remote: remoteOf(remote, ['remote']) });
}

function symmetric(certificate: BothFields): AuthenticationFields {
  return { local: localOf({ certificate }, []), remote: remoteOf({ certificate }, []) };
}

function localOf(side: NonNullable<GivenFields['local']>, path: FieldPath): LocalFields {
  const { preSharedKey: key, certificate } = side;
  if (certificate === undefined) return keyFields(key, path);
  const { certificateFile, keyFile, alternatives = [], rsaPadding = 'PSS', rsaSha1 = false } = certificate;
  const place = [...path, 'certificate'];
  const others = alternatives.map((each, index) => ({ ...each, path: [...place, 'alternatives', index] }));
  return {
    kind: 'certificate',
    credentials: [{ certificateFile, keyFile, path: place }, ...others],
    signatures: { rsaPadding, rsaSha1 },
  };
}

function remoteOf(side: NonNullable<GivenFields['remote']>, path: FieldPath): RemoteFields {
  const { preSharedKey: key, certificate } = side;
  if (certificate === undefined) return keyFields(key, path);
  const { bundleFiles, crlFiles = [], revocation = 'IfPresent', extendedKeyUsages = IPSEC_USAGES } = certificate.trust;
  const place = [...path, 'certificate', 'trust'];
  const fields: TrustFields = { bundleFiles, crlFiles, revocation, extendedKeyUsages, path: place };
  return { kind: 'certificate', trust: fields, rsaSha1: certificate.rsaSha1 ?? false };
}

function keyFields(key: { readonly file: string } | undefined, path: FieldPath): PreSharedKeyFields {
  return { kind: 'preSharedKey', file: key?.file ?? '', path: [...path, 'preSharedKey', 'file'] };
}

/** An extended key usage by the name that RFCs give it, or by its object identifier. */
function usage() {
  return z.string().transform((value, context) => {
    const known = USAGES[value];
    if (known !== undefined) return known;
    if (OID.test(value)) return value;
    const near = nearest(value, Object.keys(USAGES));
    const hint = near === undefined ? '' : `; did you mean ${near}?`;
    const message = `${quoted(value)} is no extended key usage: write ${Object.keys(USAGES).join(', ')} or an OID${hint}`;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
}

const OID = /^[0-2](\.\d+)+$/;
/** RFC 5280 §4.2.1.12, RFC 4945 §5.1.3.12, and the older ones for IPsec that authorities still issue. */
const USAGES: Readonly<Record<string, string>> = {
  ipsecIKE: '1.3.6.1.5.5.7.3.17',
  ipsecEndSystem: '1.3.6.1.5.5.7.3.5',
  ipsecTunnel: '1.3.6.1.5.5.7.3.6',
  ipsecUser: '1.3.6.1.5.5.7.3.7',
  ikeIntermediate: '1.3.6.1.5.5.8.2.2',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
};
/** Those that speak of IPsec: a web server's certificate is none of them. */
const IPSEC_USAGES: readonly string[] = [
  'ipsecIKE',
  'ipsecEndSystem',
  'ipsecTunnel',
  'ipsecUser',
  'ikeIntermediate',
].map((name) => USAGES[name] ?? '');
