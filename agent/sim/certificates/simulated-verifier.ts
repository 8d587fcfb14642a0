import type { VerificationJob, VerificationRefusal } from '../../ike/types.ts';
import type { Clock, Timers, Verifier } from '../../ports.ts';
import { err, type Result } from '../../result.ts';
import { CertificateVerifier } from '../../runtime/verifier.ts';
import type { RandomStream } from '../random-stream.ts';
import { Later } from './later.ts';
import { parseOnce } from './parse-once.ts';

/** What is wrong with a node's verifier, if anything is. */
export type VerifierFault =
  /** It answers so much later, which may be after the deadline. */
  | { readonly kind: 'late'; readonly byMs: number }
  /** It refuses everybody. */
  | { readonly kind: 'refuses' }
  /** It never answers. */
  | { readonly kind: 'mute' };

/** What a simulated verifier depends on. */
export interface SimulatedVerifierParts {
  readonly timers: Timers;
  /** As the node sees it. */
  readonly wallClock: Pick<Clock, 'wallMs'>;
  readonly random: RandomStream;
  /** The longest that it takes where nothing is wrong. */
  readonly slowestMs: number;
  readonly fault: () => VerifierFault | undefined;
}

/** The verifier of an agent, which takes its time and may be broken. */
export class SimulatedVerifier implements Verifier {
  readonly #parts: SimulatedVerifierParts;
  readonly #verifier: CertificateVerifier;

  constructor(parts: SimulatedVerifierParts) {
    this.#parts = parts;
    this.#verifier = new CertificateVerifier(parts.wallClock, parseOnce);
  }

  verify(job: VerificationJob): PromiseLike<Result<void, VerificationRefusal>> {
    const { timers, random, slowestMs, fault } = this.#parts;
    const usualMs = random.between(0, slowestMs);
    const wrong = fault();
    if (wrong?.kind === 'mute') return new Later();
    const delayMs = wrong?.kind === 'late' ? wrong.byMs + usualMs : usualMs;
    return Later.after(timers, delayMs, () =>
      wrong?.kind === 'refuses'
        ? err({ kind: 'verificationRefusal', reason: 'the verifier refuses everybody' })
        : this.#verifier.check(job),
    );
  }
}
