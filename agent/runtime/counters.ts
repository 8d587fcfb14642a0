import type { Fact } from '../ike/fact.ts';
import type { Path } from '../ike/types.ts';
import type { Observer, Timers } from '../ports.ts';
import type { Log } from './log/logger.ts';
import type { SendFailure, TransportDrop, TransportObserver } from './transport-udp.ts';

/** How often something happened since the start, by name. */
export type Counts = Readonly<Record<string, number>>;

/**
 * Counts what was dropped, by reason, and what could not be sent, by error; of what is new it writes one log line now
 * and then, however much there is.
 */
export class DropCounters implements Observer, TransportObserver {
  readonly #log: Log;
  readonly #timers: Timers;
  readonly #dropped = new Map<string, number>();
  readonly #unsent = new Map<string, number>();
  #reported: { readonly dropped: Counts; readonly unsent: Counts } = { dropped: {}, unsent: {} };
  #lastUnsent = '';
  #summaryDue = false;

  constructor(log: Log, timers: Timers) {
    this.#log = log;
    this.#timers = timers;
  }

  note(fact: Fact): void {
    if (fact.kind === 'datagramDropped') this.#count(this.#dropped, fact.reason);
  }

  dropped(reason: TransportDrop): void {
    increment(this.#dropped, reason);
    // Keepalives are as they should be.
    if (reason !== 'keepalive') this.#summarizeLater();
  }

  sendFailed(path: Path, failure: SendFailure): void {
    this.#lastUnsent = `from ${path.localAddress} to ${path.remoteAddress}: ${failure.message}`;
    this.#count(this.#unsent, failure.errno);
  }

  /** Datagrams received and dropped, by reason. */
  get droppedCounts(): Counts {
    return Object.fromEntries(this.#dropped);
  }

  /** Datagrams that could not be sent, by error. */
  get unsentCounts(): Counts {
    return Object.fromEntries(this.#unsent);
  }

  #count(counts: Map<string, number>, name: string): void {
    increment(counts, name);
    this.#summarizeLater();
  }

  #summarizeLater(): void {
    if (this.#summaryDue) return;
    this.#summaryDue = true;
    this.#timers.after(SUMMARY_INTERVAL_MS, () => this.#summarize());
  }

  #summarize(): void {
    this.#summaryDue = false;
    const dropped = since(this.#reported.dropped, this.#dropped);
    const unsent = since(this.#reported.unsent, this.#unsent);
    this.#reported = { dropped: this.droppedCounts, unsent: this.unsentCounts };
    if (Object.keys(dropped).length > 0) this.#log.info(dropped, 'datagrams dropped');
    if (Object.keys(unsent).length > 0) this.#log.warn({ ...unsent, text: this.#lastUnsent }, 'datagrams not sent');
  }
}

function increment(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** What was added, by name; the names are reasons and errors, of which there are few. */
function since(before: Counts, now: ReadonlyMap<string, number>): Counts {
  const added = [...now].map(([name, count]) => [name, count - (before[name] ?? 0)] as const);
  return Object.fromEntries(added.filter(([name, count]) => count > 0 && name !== 'keepalive'));
}

const SUMMARY_INTERVAL_MS = 10_000;
