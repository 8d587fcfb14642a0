import { createHash } from 'node:crypto';

import type { Identity } from '../../ike/types.ts';
import { authorityFault, endEntityFault, validityFault } from '../../pki/certificate-rules.ts';
import type { Credential } from '../../pki/credential.ts';
import { matchIdentity } from '../../pki/identity-match.ts';
import { MAX_CHAIN_BYTES, MAX_PATH_LENGTH } from '../../pki/limits.ts';
import { err, ok, type Result } from '../../result.ts';
import { issuanceFault, type ParsedCertificate, parseCertificate } from '../certificates/parsed-certificate.ts';
import { readPrivateKey } from '../certificates/private-key.ts';
import { readBoundedFile } from './bounded-file.ts';
import { MAX_CERTIFICATE_FILE_BYTES } from './limits.ts';
import { derBlocks } from './pem.ts';
import { READABLE_BY_OTHERS } from './secret-file.ts';
import type { WatchedCertificate } from './watched-certificate.ts';

/** What is wrong, and with which of the two files. */
export interface CredentialFault {
  readonly field: 'certificateFile' | 'keyFile';
  readonly text: string;
}

/** A certificate of our own with its key, and what should be changed about it. */
export interface LoadedCredential {
  readonly credential: Credential;
  readonly watched: WatchedCertificate;
  readonly warnings: readonly CredentialFault[];
  /** Why it is of no use at this time, although it may become so, or was. */
  readonly untimely: string | undefined;
}

/**
 * Reads a certificate with its intermediates and its private key, and checks that they belong together and to us.
 * `anchors` are authorities in DER that may have issued it.
 */
export async function readCredential(
  files: { readonly certificateFile: string; readonly keyFile: string },
  identity: Identity | undefined,
  anchors: readonly Uint8Array[],
  nowMs: number,
): Promise<Result<LoadedCredential, CredentialFault>> {
  const { certificateFile, keyFile } = files;
  const chain = await readChain(certificateFile);
  if (!chain.ok) return err({ field: 'certificateFile', text: chain.error });
  const [own, ...above] = chain.value;
  const unfit = faultOf(own, identity);
  if (unfit !== undefined)
    return err({ field: 'certificateFile', text: `${certificateFile}: the certificate ${unfit}` });
  const keyContent = await readBoundedFile(keyFile, MAX_CERTIFICATE_FILE_BYTES);
  if (!keyContent.ok) return err({ field: 'keyFile', text: keyContent.error });
  const key = readPrivateKey(keyContent.value.content.toString('latin1'));
  keyContent.value.content.fill(0);
  if (!key.ok) return err({ field: 'keyFile', text: `${keyFile} ${key.error}` });
  if (!own.x509.checkPrivateKey(key.value.object)) {
    return err({ field: 'keyFile', text: `${keyFile} is not the key of the certificate in ${certificateFile}` });
  }
  const { sent, stray } = intermediates(own, above);
  const tooLong = sizeFault([own, ...sent]);
  if (tooLong !== undefined) return err({ field: 'certificateFile', text: `${certificateFile} ${tooLong}` });
  const warnings: CredentialFault[] = sent.flatMap(({ certificate }) => {
    const unusable = authorityFault(certificate, nowMs);
    if (unusable === undefined) return [];
    const text = `${certificateFile}: the certificate of ${certificate.subject.text} ${unusable}, so that no peer will believe it`;
    return [{ field: 'certificateFile', text }];
  });
  if (stray > 0) {
    const text = `${certificateFile} has ${stray} certificates that are not above the first one: they are not sent`;
    warnings.push({ field: 'certificateFile', text });
  }
  if ((keyContent.value.mode & READABLE_BY_OTHERS) !== 0) {
    warnings.push({ field: 'keyFile', text: `${keyFile} may be read by every user: chmod 600 ${keyFile}` });
  }
  const { certificate } = own;
  const untimely = validityFault(certificate, nowMs);
  const certificates = [own, ...sent].map(({ der }) => der);
  const credential: Credential = {
    fingerprint: fingerprintOf(certificates),
    certificates,
    authorities: [...sent, ...issuersOf(sent.at(-1) ?? own, [...above, ...anchorsIn(anchors)])].map(authorityKeyHash),
    key: key.value.signing,
    notAfterMs: certificate.notAfterMs,
  };
  return ok({ credential, watched: watchedCertificate(certificateFile, own), warnings, untimely });
}

/** SHA-1 of the subject's public key, by which CERTREQ names an authority (RFC 7296 §3.7). */
export function authorityKeyHash({ certificate }: ParsedCertificate): string {
  return createHash('sha1').update(certificate.publicKey).digest('hex');
}

/** Certificates in DER say where they end, so that no two chains are the same bytes. */
function fingerprintOf(certificates: readonly Uint8Array[]): string {
  const digest = createHash('sha256');
  for (const der of certificates) digest.update(der);
  return digest.digest('hex');
}

function watchedCertificate(file: string, { certificate, fingerprint }: ParsedCertificate): WatchedCertificate {
  const { subject, names, notBeforeMs, notAfterMs } = certificate;
  const first = names[0];
  const name = first?.kind === 'dns' ? first.name : subject.text;
  return { kind: 'own', file, name, fingerprint, notBeforeMs, notAfterMs };
}

async function readChain(file: string): Promise<Result<readonly [ParsedCertificate, ...ParsedCertificate[]], string>> {
  const read = await readBoundedFile(file, MAX_CERTIFICATE_FILE_BYTES);
  if (!read.ok) return read;
  const blocks = derBlocks(read.value.content, 'CERTIFICATE');
  if (blocks === undefined || blocks.length === 0) return err(`${file} has no certificate in PEM`);
  const parsed: ParsedCertificate[] = [];
  for (const [index, block] of blocks.entries()) {
    const certificate = parseCertificate(block);
    if (!certificate.ok) return err(`${file}: certificate ${index + 1} ${certificate.error}`);
    parsed.push(certificate.value);
  }
  return ok(parsed as [ParsedCertificate, ...ParsedCertificate[]]);
}

/** Why a chain is of no use to any peer: it would not be followed to its end, or never arrive. */
function sizeFault(chain: readonly ParsedCertificate[]): string | undefined {
  // The authority that the peer trusts comes on top.
  if (chain.length >= MAX_PATH_LENGTH) {
    return `has a chain of ${chain.length} certificates; with the authority above them peers follow ${MAX_PATH_LENGTH}`;
  }
  const bytes = chain.reduce((sum, { der }) => sum + der.length, 0);
  if (bytes <= MAX_CHAIN_BYTES) return undefined;
  return `has a chain of ${bytes} bytes; peers take in about ${MAX_CHAIN_BYTES}: use smaller certificates, or fewer between`;
}

/** The authorities that have issued a certificate, as far as they are known here; peers ask for them by their keys. */
function issuersOf(top: ParsedCertificate, known: readonly ParsedCertificate[]): readonly ParsedCertificate[] {
  return known.filter((each) => issuanceFault(each, top) === undefined);
}

function anchorsIn(anchors: readonly Uint8Array[]): readonly ParsedCertificate[] {
  return anchors.map(parseCertificate).flatMap((read) => (read.ok ? [read.value] : []));
}

/** What no passing of time will mend. */
function faultOf({ certificate }: ParsedCertificate, identity: Identity | undefined): string | undefined {
  const named = identity && matchIdentity(certificate, identity);
  if (named?.ok === false) return `does not fit node.identity: ${named.error}`;
  // Within its validity, whatever the time is: the extended key usage is for the peer to judge.
  return endEntityFault(certificate, certificate.notBeforeMs, { extendedKeyUsages: [] });
}

/** The certificates that lead upwards, in order; a self-signed one at the end is left out, for the peer has it. */
function intermediates(
  own: ParsedCertificate,
  above: readonly ParsedCertificate[],
): { readonly sent: readonly ParsedCertificate[]; readonly stray: number } {
  const sent: ParsedCertificate[] = [];
  let stray = 0;
  let last = own;
  for (const next of above) {
    if (issuanceFault(next, last) !== undefined) {
      stray += 1;
      continue;
    }
    last = next;
    if (issuanceFault(next, next) !== undefined) sent.push(next);
  }
  return { sent, stray };
}
