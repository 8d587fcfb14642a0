import { hash } from 'node:crypto';

import { type ParsedCertificate, parseCertificate } from '../../runtime/certificates/parsed-certificate.ts';

/** `parseCertificate`, for many nodes that are shown the same certificates again and again: reading one takes longest. */
export function parseOnce(der: Uint8Array): ReturnType<typeof parseCertificate> {
  const key = hash('sha256', der);
  const known = parsed.get(key);
  if (known !== undefined) return { ok: true, value: known };
  const read = parseCertificate(der);
  if (read.ok) remember(key, read.value);
  return read;
}

/** Those of earlier seeds are not shown again. */
function remember(key: string, certificate: ParsedCertificate): void {
  if (parsed.size >= MAX_PARSED) parsed.clear();
  parsed.set(key, certificate);
}

const parsed = new Map<string, ParsedCertificate>();
/** More than are in use at a time in the largest mesh. */
const MAX_PARSED = 256;
