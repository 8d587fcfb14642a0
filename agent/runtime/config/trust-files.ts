import { createHash, hash } from 'node:crypto';

import { authorityFault, keyFault, validityFault } from '../../pki/certificate-rules.ts';
import type { Trust } from '../../pki/credential.ts';
import { sameName } from '../../pki/distinguished-name.ts';
import { type RevocationList, readRevocationList } from '../../pki/revocation-list.ts';
import { timeText } from '../../pki/utc-time.ts';
import { err, ok, type Result } from '../../result.ts';
import { type ParsedCertificate, parseCertificate } from '../certificates/parsed-certificate.ts';
import { hasSigned } from '../certificates/trust-store.ts';
import type { TrustFields } from './authentication-schema.ts';
import { readBoundedFile } from './bounded-file.ts';
import { authorityKeyHash } from './credential-file.ts';
import type { ConfigFault } from './fault.ts';
import { MAX_ANCHORS, MAX_BUNDLE_FILE_BYTES, MAX_CRL_FILE_BYTES, MAX_REVOCATION_LISTS } from './limits.ts';
import { derBlocks } from './pem.ts';
import type { WatchedCertificate } from './watched-certificate.ts';

/** Whom we believe, read from files, and what should be changed about them; paths begin at `trust`. */
export interface LoadedTrust {
  readonly trust: Trust;
  readonly watched: readonly WatchedCertificate[];
  readonly warnings: readonly ConfigFault[];
}

/** Reads trust bundles and revocation lists; on failure, everything that is wrong with them. */
export async function readTrust(
  fields: TrustFields,
  nowMs: number,
): Promise<Result<LoadedTrust, readonly ConfigFault[]>> {
  const reading = new TrustReading(nowMs);
  for (const [index, file] of fields.bundleFiles.entries()) await reading.bundle(file, ['bundleFiles', index]);
  for (const [index, file] of fields.crlFiles.entries()) await reading.revocationList(file, ['crlFiles', index]);
  return reading.finish(fields);
}

class TrustReading {
  readonly #nowMs: number;
  readonly #faults: ConfigFault[] = [];
  readonly #warnings: ConfigFault[] = [];
  readonly #watched: WatchedCertificate[] = [];
  readonly #anchors = new Map<string, ParsedCertificate>();
  readonly #lists: Uint8Array[] = [];

  constructor(nowMs: number) {
    this.#nowMs = nowMs;
  }

  async bundle(file: string, path: ConfigFault['path']): Promise<void> {
    const blocks = await readBlocks(file, 'CERTIFICATE', MAX_BUNDLE_FILE_BYTES);
    if (!blocks.ok) {
      this.#faults.push({ path, text: blocks.error });
      return;
    }
    for (const [index, block] of blocks.value.entries()) {
      const parsed = parseCertificate(block);
      const which = `${file}: certificate ${index + 1}`;
      if (!parsed.ok) this.#faults.push({ path, text: `${which} ${parsed.error}` });
      else this.#anchor(parsed.value, which, file, path);
    }
    if (this.#anchors.size > MAX_ANCHORS) {
      this.#faults.push({ path, text: `there are more than ${MAX_ANCHORS} authorities: trust those that you need` });
    }
  }

  async revocationList(file: string, path: ConfigFault['path']): Promise<void> {
    const blocks = await readBlocks(file, 'X509 CRL', MAX_CRL_FILE_BYTES);
    if (!blocks.ok) {
      this.#faults.push({ path, text: blocks.error });
      return;
    }
    if (this.#lists.length + blocks.value.length > MAX_REVOCATION_LISTS) {
      const text = `there are more than ${MAX_REVOCATION_LISTS} revocation lists, those of ${file} included`;
      this.#faults.push({ path, text });
      return;
    }
    for (const block of blocks.value) {
      const list = readRevocationList(block);
      if (!list.ok) this.#faults.push({ path, text: `${file} ${list.error}` });
      else this.#list(block, list.value, file, path);
    }
  }

  finish(fields: TrustFields): Result<LoadedTrust, readonly ConfigFault[]> {
    if (this.#faults.length > 0) return err(this.#faults);
    const anchors = [...this.#anchors.values()];
    const { revocation, extendedKeyUsages } = fields;
    const digest = createHash('sha256').update(JSON.stringify([revocation, extendedKeyUsages]));
    for (const each of [...anchors.map(({ der }) => der), ...this.#lists])
      digest.update(hash('sha256', each, 'buffer'));
    const trust: Trust = {
      fingerprint: digest.digest('hex'),
      anchors: anchors.map(({ der }) => der),
      authorities: anchors.map(authorityKeyHash),
      revocationLists: this.#lists,
      revocation,
      extendedKeyUsages,
    };
    return ok({ trust, watched: this.#watched, warnings: this.#warnings });
  }

  #anchor(parsed: ParsedCertificate, which: string, file: string, path: ConfigFault['path']): void {
    const { certificate, fingerprint, keyDescription } = parsed;
    const { subject, notBeforeMs, notAfterMs } = certificate;
    const unfit = authorityFault(certificate, notBeforeMs) ?? keyFault(keyDescription);
    if (unfit !== undefined) {
      this.#faults.push({ path, text: `${which} (${subject.text}) ${unfit}` });
      return;
    }
    const untimely = validityFault(certificate, this.#nowMs);
    if (untimely !== undefined) this.#warnings.push({ path, text: `${which} (${subject.text}) ${untimely}` });
    this.#anchors.set(fingerprint, parsed);
    this.#watched.push({ kind: 'authority', file, name: subject.text, fingerprint, notBeforeMs, notAfterMs });
  }

  #list(der: Uint8Array, list: RevocationList, file: string, path: ConfigFault['path']): void {
    const { issuer, thisUpdateMs, nextUpdateMs } = list;
    const issuers = [...this.#anchors.values()].filter(({ certificate }) => sameName(certificate.subject, issuer));
    // That of an intermediate authority can be checked only when a peer shows the authority's certificate.
    if (issuers.length > 0 && !issuers.some((each) => hasSigned(each, list))) {
      this.#faults.push({ path, text: `${file} is not signed by ${issuer.text}, whom it names as its issuer` });
      return;
    }
    this.#lists.push(der);
    if (nextUpdateMs === undefined) return;
    if (nextUpdateMs < this.#nowMs) {
      const text = `${file} (${issuer.text}) was to be renewed by ${timeText(nextUpdateMs)}: put the current list there`;
      this.#warnings.push({ path, text });
    }
    const fingerprint = hash('sha256', der);
    const times = { notBeforeMs: thisUpdateMs, notAfterMs: nextUpdateMs };
    this.#watched.push({ kind: 'revocationList', file, name: issuer.text, fingerprint, ...times });
  }
}

async function readBlocks(file: string, label: string, most: number): Promise<Result<readonly Uint8Array[], string>> {
  const read = await readBoundedFile(file, most);
  if (!read.ok) return read;
  const blocks = derBlocks(read.value.content, label);
  if (blocks === undefined) return err(`${file} is cut short, or no PEM`);
  return blocks.length === 0 ? err(`${file} has no ${label} in PEM`) : ok(blocks);
}
