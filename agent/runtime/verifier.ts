import { hash } from 'node:crypto';

import type { VerificationJob, VerificationRefusal } from '../ike/types.ts';
import type { Certificate } from '../pki/certificate.ts';
import { candidatePaths } from '../pki/certificate-path.ts';
import { authorityFault, endEntityFault, keyFault, pathFault } from '../pki/certificate-rules.ts';
import type { Trust } from '../pki/credential.ts';
import { matchIdentity } from '../pki/identity-match.ts';
import { MAX_SIGNATURE_CHECKS } from '../pki/limits.ts';
import type { Clock, RevocationMemory, ShownCertificate, Verifier } from '../ports.ts';
import { err, ok, type Result } from '../result.ts';
import { issuanceFault, type ParsedCertificate, parseCertificate } from './certificates/parsed-certificate.ts';
import { isSignedBy } from './certificates/public-key.ts';
import { TrustStore } from './certificates/trust-store.ts';

/**
 * Checks peers' certificates and signatures with OpenSSL, by the rules of `agent/pki`.
 *
 * The order is that of what a stranger can make us do: first what costs nothing (names, validity, usages), then the
 * signatures of the path from the trusted authority downwards, last the peer's own. So no key is computed with before
 * somebody trusted has vouched for it, and a chain that is made up costs one signature check at most.
 */
export class CertificateVerifier implements Verifier, RevocationMemory {
  readonly #clock: Pick<Clock, 'wallMs'>;
  readonly #parse: typeof parseCertificate;
  readonly #stores = new WeakMap<Trust, TrustStore>();
  /** What the peer of each connection was believed for last. */
  readonly #believed = new Map<string, Believed>();
  /** Intermediate certificates of believed paths: a mesh has few, and everybody sends them. */
  readonly #intermediates = new Map<string, ParsedCertificate>();
  /** Pairs of certificate and issuer whose signature was found true, the one that was used last at the end. */
  readonly #issued = new Set<string>();

  /** `parse` reads certificates, in the place of who reads each anew. */
  constructor(clock: Pick<Clock, 'wallMs'>, parse: typeof parseCertificate = parseCertificate) {
    this.#clock = clock;
    this.#parse = parse;
  }

  verify(job: VerificationJob): Promise<Result<void, VerificationRefusal>> {
    return Promise.resolve(this.check(job));
  }

  /** What `verify` promises, at once: all that it takes are some signatures, which take less than a millisecond. */
  check(job: VerificationJob): Result<void, VerificationRefusal> {
    const fault = this.#fault(job);
    return fault === undefined ? ok(undefined) : err({ kind: 'verificationRefusal', reason: fault });
  }

  revocationFault(connection: string, trust: Trust): string | undefined {
    const store = this.#store(trust);
    for (const { subject, issuer } of this.#believed.get(connection)?.links ?? []) {
      const revoked = store.revocationFault(subject, issuer);
      if (revoked === undefined) continue;
      this.#believed.delete(connection);
      return `the certificate of ${subject.subject.text} ${revoked}`;
    }
    return undefined;
  }

  shownCertificate(connection: string): ShownCertificate | undefined {
    const shown = this.#believed.get(connection)?.endEntity;
    if (shown === undefined) return undefined;
    const { subject, issuer, serial, notAfterMs } = shown;
    return { subject: subject.text, issuer: issuer.text, serial, notAfterMs };
  }

  rename(from: string, to: string): void {
    const believed = this.#believed.get(from);
    if (believed === undefined) return;
    this.#believed.delete(from);
    this.#believed.set(to, believed);
  }

  retain(connections: ReadonlySet<string>): void {
    for (const connection of this.#believed.keys()) {
      if (!connections.has(connection)) this.#believed.delete(connection);
    }
  }

  #fault({
    connection,
    certificates,
    identity,
    trust,
    scheme,
    signature,
    signedOctets,
  }: VerificationJob): string | undefined {
    const [first, ...others] = certificates;
    if (first === undefined) return 'it sent no certificate';
    const parsed = this.#parse(first);
    if (!parsed.ok) return `its certificate ${parsed.error}`;
    const endEntity = parsed.value;
    const named = matchIdentity(endEntity.certificate, identity);
    if (!named.ok) return named.error;
    const unfit =
      endEntityFault(endEntity.certificate, this.#clock.wallMs(), trust) ?? keyFault(endEntity.keyDescription);
    if (unfit !== undefined) return `its certificate ${unfit}`;
    // What cannot be read may not be needed either; a path that needs it is not found.
    const intermediates = others.flatMap((der) => this.#intermediate(der) ?? []);
    const path = this.#path(endEntity, intermediates, trust);
    if (!path.ok) return path.error;
    if (!scheme.keys.some((kind) => kind === endEntity.keyDescription.kind)) {
      return `it signs by ${scheme.name}, but its certificate has a key for ${endEntity.keyDescription.kind}`;
    }
    if (!isSignedBy(endEntity.publicKey, scheme, signedOctets, signature)) {
      return 'its signature is wrong: it does not have the key of the certificate that it sent';
    }
    this.#remember(connection, endEntity, path.value);
    return undefined;
  }

  /** The path from the certificate to a trusted authority; or why none leads there. */
  #path(
    endEntity: ParsedCertificate,
    intermediates: readonly ParsedCertificate[],
    trust: Trust,
  ): Result<readonly ParsedCertificate[], string> {
    const store = this.#store(trust);
    const paths = candidatePaths(endEntity, intermediates, store.anchors);
    const checks = new SignatureChecks(this.#issued);
    let fault: string | undefined;
    for (const path of paths) {
      const found = this.#faultOf(path, store, checks);
      if (found === undefined) return ok(path);
      // The path with the fewest intermediates comes first, and its fault is the one to mend.
      fault ??= found;
    }
    return err(fault ?? untrustedText(endEntity, intermediates, store.anchors));
  }

  #faultOf(path: readonly ParsedCertificate[], store: TrustStore, checks: SignatureChecks): string | undefined {
    const nowMs = this.#clock.wallMs();
    for (const { certificate, keyDescription } of path.slice(1)) {
      const unfit = authorityFault(certificate, nowMs) ?? keyFault(keyDescription);
      if (unfit !== undefined) return `the certificate of ${certificate.subject.text} above it ${unfit}`;
    }
    const forbidden = pathFault(path.map(({ certificate }) => certificate));
    if (forbidden !== undefined) return `its certificate is not allowed: ${forbidden}`;
    for (let index = path.length - 1; index > 0; index -= 1) {
      const [issuer, subject] = [path[index], path[index - 1]];
      if (issuer === undefined || subject === undefined) continue;
      const whose = index === 1 ? 'its certificate' : `the certificate of ${subject.certificate.subject.text} above it`;
      const wrong = checks.fault(issuer, subject) ?? store.fault(subject.certificate, issuer, nowMs);
      if (wrong !== undefined) return `${whose} ${wrong}`;
    }
    return undefined;
  }

  #intermediate(der: Uint8Array): ParsedCertificate | undefined {
    const known = this.#intermediates.get(hash('sha256', der));
    if (known !== undefined) return known;
    const parsed = this.#parse(der);
    return parsed.ok ? parsed.value : undefined;
  }

  #remember(connection: string, { certificate }: ParsedCertificate, path: readonly ParsedCertificate[]): void {
    for (const intermediate of path.slice(1, -1)) {
      if (this.#intermediates.size < MAX_INTERMEDIATES) this.#intermediates.set(intermediate.fingerprint, intermediate);
    }
    const links = path.slice(1).map((issuer, index) => ({ subject: (path[index] ?? issuer).certificate, issuer }));
    this.#believed.set(connection, { endEntity: certificate, links });
  }

  #store(trust: Trust): TrustStore {
    const known = this.#stores.get(trust);
    if (known !== undefined) return known;
    const store = new TrustStore(trust);
    this.#stores.set(trust, store);
    return store;
  }
}

/** What a peer was believed for. */
interface Believed {
  readonly endEntity: Certificate;
  /** Its certificate and those above, with their issuers. */
  readonly links: readonly Link[];
}

/** A certificate and who has issued it. */
interface Link {
  readonly subject: Certificate;
  readonly issuer: ParsedCertificate;
}

/** The signature checks of one proof, which are counted; what was found true before need not be computed again. */
class SignatureChecks {
  readonly #issued: Set<string>;
  readonly #faults = new Map<string, string>();
  #left = MAX_SIGNATURE_CHECKS;

  constructor(issued: Set<string>) {
    this.#issued = issued;
  }

  fault(issuer: ParsedCertificate, subject: ParsedCertificate): string | undefined {
    const pair = `${subject.fingerprint} ${issuer.fingerprint}`;
    if (this.#issued.delete(pair)) {
      this.#issued.add(pair);
      return undefined;
    }
    const known = this.#faults.get(pair);
    if (known !== undefined) return known;
    if (this.#left === 0) return `takes more than ${MAX_SIGNATURE_CHECKS} signatures to check`;
    this.#left -= 1;
    const fault = issuanceFault(issuer, subject);
    if (fault === undefined) this.#remember(pair);
    else this.#faults.set(pair, fault);
    return fault;
  }

  /** Only what is true is remembered, and a bounded number of it: made-up certificates leave nothing behind. */
  #remember(pair: string): void {
    this.#issued.add(pair);
    if (this.#issued.size <= MAX_REMEMBERED) return;
    const [oldest] = this.#issued;
    if (oldest !== undefined) this.#issued.delete(oldest);
  }
}

function untrustedText(
  endEntity: ParsedCertificate,
  intermediates: readonly ParsedCertificate[],
  anchors: readonly ParsedCertificate[],
): string {
  const trusted = anchors.slice(0, SHOWN_ANCHORS).map(({ certificate }) => certificate.subject.text);
  const more = anchors.length > SHOWN_ANCHORS ? ` and ${anchors.length - SHOWN_ANCHORS} more` : '';
  const sent =
    intermediates.length === 0
      ? 'it sent no intermediate certificate'
      : `with ${intermediates.length} intermediate certificates`;
  return (
    `its certificate leads to no trusted authority: ${endEntity.certificate.issuer.text} has issued it, ${sent}; ` +
    `trusted are ${trusted.length === 0 ? 'none' : trusted.join('; ')}${more}`
  );
}

/** As many peers as the largest clusters in the field have nodes, with two certificates each while they are renewed. */
const MAX_REMEMBERED = 8_192;
/** Far more than a PKI has; once there are as many, further ones are read each time. */
const MAX_INTERMEDIATES = 256;
const SHOWN_ANCHORS = 4;
