import type { IssuedCertificate } from './issuer.ts';

/** What lies in a node's files. */
export interface CredentialFiles {
  readonly certificate: IssuedCertificate;
  /** The generations of the authority that are in its bundle. */
  readonly bundle: readonly number[];
}

/**
 * What an agent uses of its files, as `runtime/config/credential-sources.ts` decides it: a new certificate that is of no
 * use at this time does not take the place of one that is in use.
 */
export function readFiles(files: CredentialFiles, inUse: CredentialFiles | undefined, wallMs: number): CredentialFiles {
  const { certificate, bundle } = files;
  if (inUse === undefined || inUse.certificate === certificate || isValid(certificate, wallMs)) return files;
  return { certificate: inUse.certificate, bundle };
}

/** Whether a certificate counts at a time on somebody's wall clock. */
export function isValid({ notBeforeMs, notAfterMs }: IssuedCertificate, wallMs: number): boolean {
  return wallMs >= notBeforeMs && wallMs <= notAfterMs;
}
