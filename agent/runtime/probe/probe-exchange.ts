import type { ProbeMessage } from './probe-message.ts';

/** What became of the probes to one peer and of its own. */
export interface ProbeCounts {
  /** Whether anything came from it. */
  readonly isHeard: boolean;
  readonly greetingsSent: number;
  readonly probesSent: number;
  readonly answersReceived: number;
  readonly probesReceived: number;
  readonly answersSent: number;
  /** What the kernel would not send, by error. */
  readonly refused: Readonly<Record<string, number>>;
}

/**
 * The exchange with one peer, which does the same at the same time: both greet until they hear one another, which also opens
 * packet filters that let answers in; then each sends its probes and answers the other's, each once.
 */
export class ProbeExchange {
  readonly #probes: number;
  readonly #startedAt: number;
  readonly #patienceMs: number;
  /** Undefined where it could be sent, else the error. */
  readonly #send: (message: ProbeMessage) => string | undefined;
  readonly #answered = new Set<number>();
  readonly #received = new Set<number>();
  readonly #refused = new Map<string, number>();
  #greetings = 0;
  #greetedAt = Number.NEGATIVE_INFINITY;
  #sent = 0;
  #attempts = 0;
  #answersSent = 0;
  #heardAt: number | undefined;
  #lastAt: number;

  constructor(
    options: { readonly probes: number; readonly patienceMs: number; readonly startedAt: number },
    send: (message: ProbeMessage) => string | undefined,
  ) {
    this.#probes = options.probes;
    this.#patienceMs = options.patienceMs;
    this.#startedAt = options.startedAt;
    this.#lastAt = options.startedAt;
    this.#send = send;
  }

  /** Called every some milliseconds; sends at most one datagram. */
  tick(now: number): void {
    const isHeard = this.#heardAt !== undefined;
    // A greeting may meet a closed port, and a probe must not.
    const isSettled = isHeard && now - (this.#heardAt ?? now) >= SETTLE_MS;
    if (!isSettled && (isHeard || now - this.#startedAt < this.#patienceMs)) this.#greet(now);
    else if (this.#attempts < this.#probes) {
      if (this.#trySend({ kind: 'probe', number: this.#attempts })) this.#sent += 1;
      this.#attempts += 1;
      this.#lastAt = now;
    }
  }

  receive(now: number, message: ProbeMessage): void {
    this.#heardAt ??= now;
    this.#lastAt = now;
    switch (message.kind) {
      case 'greeting':
        this.#greet(now);
        return;
      case 'probe':
        if (message.number >= this.#probes || this.#received.has(message.number)) return;
        this.#received.add(message.number);
        if (this.#trySend({ kind: 'answer', number: message.number })) this.#answersSent += 1;
        return;
      case 'answer':
        if (message.number < this.#attempts) this.#answered.add(message.number);
        return;
    }
  }

  /** Whether nothing more is to be expected. */
  isOver(now: number): boolean {
    if (this.#attempts < this.#probes) return false;
    const isComplete = this.#answered.size === this.#probes && this.#received.size === this.#probes;
    return isComplete || now - this.#lastAt > QUIET_MS;
  }

  get counts(): ProbeCounts {
    return {
      isHeard: this.#heardAt !== undefined,
      greetingsSent: this.#greetings,
      probesSent: this.#sent,
      answersReceived: this.#answered.size,
      probesReceived: this.#received.size,
      answersSent: this.#answersSent,
      refused: Object.fromEntries(this.#refused),
    };
  }

  #greet(now: number): void {
    if (now - this.#greetedAt < GREETING_INTERVAL_MS) return;
    this.#greetedAt = now;
    if (this.#trySend({ kind: 'greeting' })) this.#greetings += 1;
  }

  #trySend(message: ProbeMessage): boolean {
    const error = this.#send(message);
    if (error === undefined) return true;
    this.#refused.set(error, (this.#refused.get(error) ?? 0) + 1);
    return false;
  }
}

const GREETING_INTERVAL_MS = 200;
/** So long after it was heard first, a peer has heard a greeting of ours. */
const SETTLE_MS = 300;
/** Answers come at once, and what a peer still has to send as well. */
const QUIET_MS = 3_000;
