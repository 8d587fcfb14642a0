import type { RandomStream } from '../random-stream.ts';
import type { CertificatesPlan } from '../scenario.ts';
import type { Proofs } from '../topology.ts';
import type { VirtualClock } from '../virtual-clock.ts';
import { type CredentialFiles, readFiles } from './credential-files.ts';
import { type IssuedCertificate, Issuer } from './issuer.ts';

/** What a rotation needs of the simulation. */
export interface RotationParts {
  readonly plan: CertificatesPlan;
  readonly nodes: number;
  readonly clock: VirtualClock;
  readonly random: RandomStream;
  /** The time on a node's own wall clock. */
  readonly wallMs: (node: number) => number;
  /** What a node's running agent proves itself by, or whom it believes, has become another one. */
  readonly changed: (node: number) => void;
  readonly note: (node: number, text: string) => void;
}

/**
 * Certificates of all nodes over time: each is renewed in time, as cert-manager does it, unless a disturbance prevents
 * that; authorities follow one another by a bundle of both. Agents find new files after a while, and at their start.
 */
export class Rotation {
  readonly issuer: Issuer;
  readonly #parts: RotationParts;
  readonly #nodes: NodeCertificates[];
  #generation = 0;
  #rolling = false;
  #troubledUntilMs = 0;

  constructor(parts: RotationParts) {
    this.#parts = parts;
    this.issuer = new Issuer();
    this.#nodes = Array.from({ length: parts.nodes }, (_, node) => {
      const certificate = this.#issue(node, parts.plan.lifetimeMs - parts.random.below(parts.plan.lifetimeMs / 2));
      return { files: { certificate, bundle: [0] }, inUse: undefined, renewedAtMs: 0, troubled: false };
    });
    for (const [node, { files }] of this.#nodes.entries()) this.#renewInTime(node, files.certificate);
  }

  /** What the agent of a node proves itself by and whom it believes. */
  proofsOf(node: number): Proofs {
    const { inUse, files } = this.#of(node);
    const { certificate, bundle } = inUse ?? files;
    return {
      localAuthentication: {
        kind: 'certificate',
        credentials: [certificate.credential],
        signatures: { rsaPadding: 'PSS', rsaSha1: false },
      },
      remoteAuthentication: { kind: 'certificate', trust: this.issuer.trust(bundle), rsaSha1: false },
    };
  }

  /** The certificate that a node ought to show, and since when, by the clock's elapsed time. */
  currentOf(node: number): { readonly certificate: IssuedCertificate; readonly sinceMs: number } {
    const { files, renewedAtMs } = this.#of(node);
    return { certificate: files.certificate, sinceMs: renewedAtMs };
  }

  /** Whether a node has been kept from having a certificate that others could believe. */
  isTroubled(node: number): boolean {
    return this.#of(node).troubled;
  }

  /** Until when, by the clock's elapsed time, some node or other was kept from it. */
  get troubledUntilMs(): number {
    return this.#nodes.some(({ troubled }) => troubled) ? this.#parts.clock.elapsedMs : this.#troubledUntilMs;
  }

  /** An agent that starts has nothing in use yet. */
  agentStarted(node: number): void {
    const state = this.#of(node);
    state.inUse = undefined;
    this.#read(node);
  }

  /** A node gets a new certificate, of the newest authority. */
  renew(node: number): void {
    const state = this.#of(node);
    if (state.troubled) return;
    this.#put(node, { ...state.files, certificate: this.#issue(node, this.#parts.plan.lifetimeMs) });
    this.#parts.note(node, 'its certificate is renewed');
  }

  /** A new authority takes the place of the old one: everybody believes both, then everybody is renewed, then the old goes. */
  roll(phaseMs: number): void {
    if (this.#rolling) return;
    this.#rolling = true;
    const [old, next] = [this.#generation, this.#generation + 1];
    this.#parts.note(0, `authority ${next} is to follow ${old}`);
    this.#everybody(phaseMs, 0, (node) => this.#put(node, { ...this.#of(node).files, bundle: [old, next] }));
    this.#parts.clock.after(phaseMs, () => {
      this.#generation = next;
    });
    this.#everybody(phaseMs, phaseMs, (node) => {
      // Whoever is renewed in that very millisecond may have its turn first.
      this.#generation = next;
      if (this.isTroubled(node)) this.recover(node);
      else this.renew(node);
    });
    this.#everybody(phaseMs, 2 * phaseMs, (node) => this.#put(node, { ...this.#of(node).files, bundle: [next] }));
    this.#parts.clock.after(3 * phaseMs, () => {
      this.#rolling = false;
    });
  }

  /** The certificate of a node ends soon, and nobody renews it. */
  expire(node: number, inMs: number): void {
    const state = this.#of(node);
    this.#put(node, { ...state.files, certificate: this.#issue(node, inMs) });
    state.troubled = true;
    this.#parts.note(node, `its certificate ends in ${inMs / 1_000} s and is not renewed`);
  }

  /** A node shows the certificate of another one, whose key it has got hold of. */
  steal(node: number, from: number): void {
    const state = this.#of(node);
    this.#put(node, { ...state.files, certificate: this.#of(from).files.certificate });
    state.troubled = true;
    this.#parts.note(node, `it shows a certificate of node ${from}`);
  }

  /** A node that was kept from it gets a certificate that others can believe. */
  recover(node: number): void {
    const state = this.#of(node);
    if (!state.troubled) return;
    state.troubled = false;
    this.#troubledUntilMs = this.#parts.clock.elapsedMs;
    this.renew(node);
  }

  #of(node: number): NodeCertificates {
    const state = this.#nodes[node];
    if (state === undefined) throw new Error(`there is no node ${node}`);
    return state;
  }

  /** Calls back for each node at a time of its own in the first half of a phase. */
  #everybody(phaseMs: number, afterMs: number, callback: (node: number) => void): void {
    for (const node of this.#nodes.keys()) {
      this.#parts.clock.after(afterMs + this.#parts.random.below(phaseMs / 2), () => callback(node));
    }
  }

  /** Certificates count whole seconds. */
  #issue(node: number, lifetimeMs: number): IssuedCertificate {
    const { clock, plan } = this.#parts;
    const nowMs = clock.wallMs();
    return this.issuer.issue({
      node,
      generation: this.#generation,
      notBeforeMs: wholeSeconds(nowMs - plan.backdatedMs),
      notAfterMs: wholeSeconds(nowMs + lifetimeMs),
    });
  }

  #put(node: number, files: CredentialFiles): void {
    const state = this.#of(node);
    const renewed = files.certificate !== state.files.certificate;
    state.files = files;
    if (renewed) {
      state.renewedAtMs = this.#parts.clock.elapsedMs;
      this.#renewInTime(node, files.certificate);
    }
    this.#parts.clock.after(this.#parts.random.between(0, NOTICED_MS), () => this.#read(node));
  }

  #renewInTime(node: number, certificate: IssuedCertificate): void {
    const { clock, plan } = this.#parts;
    const leftMs = certificate.notAfterMs - clock.wallMs();
    clock.after(leftMs - plan.lifetimeMs / RENEWED_BEFORE, () => {
      if (this.#of(node).files.certificate === certificate) this.renew(node);
    });
  }

  /** What an agent could not use yet it looks at again. */
  #read(node: number): void {
    const { clock, wallMs, changed, note } = this.#parts;
    const state = this.#of(node);
    const { files, inUse } = state;
    const read = readFiles(files, inUse, wallMs(node));
    if (read.certificate !== files.certificate) {
      note(node, 'it holds back a certificate that does not count at this time');
      clock.after(REREAD_MS, () => {
        if (state.files === files) this.#read(node);
      });
    }
    if (inUse?.certificate === read.certificate && inUse.bundle.join() === read.bundle.join()) return;
    state.inUse = read;
    if (inUse !== undefined) changed(node);
  }
}

interface NodeCertificates {
  files: CredentialFiles;
  /** What the agent has read, which it keeps where the files have become useless; undefined before its first start. */
  inUse: CredentialFiles | undefined;
  renewedAtMs: number;
  /** Kept from having a certificate that others believe. */
  troubled: boolean;
}

function wholeSeconds(atMs: number): number {
  return Math.floor(atMs / 1_000) * 1_000;
}

/** A certificate is renewed when this part of its life is left, as cert-manager does. */
const RENEWED_BEFORE = 3;
/** An agent looks at its files so often, in production every few seconds too. */
const NOTICED_MS = 4_000;
const REREAD_MS = 5_000;
