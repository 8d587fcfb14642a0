import type { Fact } from '../ike/fact.ts';
import type { Clock, Timers } from '../ports.ts';
import type { WatchedCertificate } from './config/watched-certificate.ts';

/** What a watch of expiry depends on. */
export interface ExpiryWatchParts {
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly timers: Timers;
  readonly report: (fact: Fact) => void;
}

/**
 * Says in time that certificates and revocation lists end: when a quarter of their life is left, which is after whoever
 * renews them should have, then at an eighth and so on, and once they have ended.
 */
export class ExpiryWatch {
  readonly #parts: ExpiryWatchParts;
  /** How many times the end of each has been told of, by fingerprint. */
  readonly #told = new Map<string, number>();
  #watched: readonly WatchedCertificate[] = [];
  #callOff: (() => void) | undefined;

  constructor(parts: ExpiryWatchParts) {
    this.#parts = parts;
  }

  /** Watches these from here on; what was not watched before is reported as taken into use. */
  watch(watched: readonly WatchedCertificate[]): void {
    const before = new Set(this.#watched.map(({ fingerprint }) => fingerprint));
    this.#watched = [...new Map(watched.map((each) => [each.fingerprint, each])).values()];
    for (const { kind: what, name, notAfterMs, fingerprint } of this.#watched) {
      if (!before.has(fingerprint)) this.#parts.report({ kind: 'credentialTaken', what, name, notAfterMs });
    }
    const now = new Set(this.#watched.map(({ fingerprint }) => fingerprint));
    for (const fingerprint of this.#told.keys()) if (!now.has(fingerprint)) this.#told.delete(fingerprint);
    this.#look();
  }

  stop(): void {
    this.#callOff?.();
    this.#watched = [];
  }

  #look(): void {
    this.#callOff?.();
    this.#callOff = undefined;
    const nowMs = this.#parts.clock.wallMs();
    let nextMs = LONGEST_WAIT_MS;
    for (const watched of this.#watched) {
      const { kind: what, name, file, notAfterMs, fingerprint } = watched;
      const leftMs = notAfterMs - nowMs;
      const due = warningsDue(watched, leftMs);
      if (due > (this.#told.get(fingerprint) ?? 0)) {
        this.#told.set(fingerprint, due);
        this.#parts.report({ kind: 'credentialEnding', what, name, file, notAfterMs, leftMs });
      }
      if (due < WARNINGS) nextMs = Math.min(nextMs, leftMs - leftAtWarning(watched, due + 1) + 1);
    }
    if (this.#watched.length === 0) return;
    // The clock on the wall may be set meanwhile: it is looked at again before long.
    this.#callOff = this.#parts.timers.after(Math.max(nextMs, LEAST_WAIT_MS), () => this.#look());
  }
}

/** How many of its warnings are due with so much of its life left; the last one is when it has ended. */
function warningsDue(watched: WatchedCertificate, leftMs: number): number {
  for (let warning = WARNINGS; warning > 0; warning -= 1) {
    if (leftMs <= leftAtWarning(watched, warning)) return warning;
  }
  return 0;
}

function leftAtWarning({ notBeforeMs, notAfterMs }: WatchedCertificate, warning: number): number {
  return warning === WARNINGS ? 0 : (notAfterMs - notBeforeMs) / 2 ** (warning + 1);
}

/** At 1/4, 1/8, 1/16 and 1/32 of the life, and at its end. */
const WARNINGS = 5;
const LEAST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 3_600_000;
