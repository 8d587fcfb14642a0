import type { SegmentClamps, SegmentSizes, Timers } from '../ports.ts';
import type { Log } from './log/logger.ts';

/** What a watch of clamps depends on. */
export interface SegmentClampWatchParts {
  readonly timers: Timers;
  readonly clamps: SegmentClamps;
  readonly log: Log;
  /** Whether any connection is configured to have its segments clamped. */
  readonly isWanted: () => boolean;
  /** What is to be in force, of what is. */
  readonly sizes: (present: ReadonlyMap<number, SegmentSizes>) => ReadonlyMap<number, SegmentSizes>;
}

/** What the status says of clamps. */
export interface SegmentClampState {
  readonly sizes: ReadonlyMap<number, SegmentSizes>;
  /** Why they are not as they should be, in a sentence; undefined where they are. */
  readonly failure: string | undefined;
}

/**
 * Keeps the segments of TCP connections clamped as they are to be: what fits changes with the path, and `nft flush ruleset`
 * takes everybody's rules away. Where nothing is wanted it asks the kernel once, for what an earlier run may have left.
 */
export class SegmentClampWatch {
  readonly #parts: SegmentClampWatchParts;
  #callOff: () => void = () => {};
  #sizes: ReadonlyMap<number, SegmentSizes> = new Map();
  #failure: string | undefined;
  #isClear = false;

  constructor(parts: SegmentClampWatchParts) {
    this.#parts = parts;
  }

  get state(): SegmentClampState {
    return { sizes: this.#sizes, failure: this.#failure };
  }

  start(): void {
    this.#look();
  }

  /** Something has changed that decides about it. */
  changed(): void {
    this.#lookAfter(SOON_MS);
  }

  /** Leaves what is in force. */
  stop(): void {
    this.#callOff();
    this.#parts.clamps.close();
  }

  /** Takes away what is in force. */
  remove(): void {
    if (this.#isClear) return;
    const removed = this.#parts.clamps.replace(new Map());
    if (!removed.ok && this.#sizes.size > 0) this.#parts.log.warn({ text: removed.error.text }, 'left in the kernel');
  }

  #lookAfter(delayMs: number): void {
    this.#callOff();
    this.#callOff = this.#parts.timers.after(delayMs, () => this.#look());
  }

  #look(): void {
    this.#lookAfter(INTERVAL_MS);
    const isWanted = this.#parts.isWanted();
    if (!isWanted && this.#isClear) return;
    const failure = this.#put();
    this.#isClear = !isWanted && (failure === undefined || this.#sizes.size === 0);
    // A kernel that cannot do what nobody wants is no failure.
    this.#note(isWanted || this.#sizes.size > 0 ? failure : undefined);
  }

  /** Puts into force what is to be, where it is not; gives the reason where that fails. */
  #put(): string | undefined {
    const read = this.#parts.clamps.read();
    if (!read.ok) return read.error.text;
    const wanted = this.#parts.sizes(read.value ?? this.#sizes);
    if (read.value === undefined || !isSame(read.value, wanted)) {
      const replaced = this.#parts.clamps.replace(wanted);
      if (!replaced.ok) return replaced.error.text;
      this.#parts.log.info({ children: wanted.size, sizes: distinct(wanted) }, 'TCP segments clamped');
    }
    this.#sizes = wanted;
    return undefined;
  }

  #note(failure: string | undefined): void {
    if (failure !== undefined && failure !== this.#failure) {
      this.#sizes = new Map();
      this.#parts.log.warn({ text: failure }, 'TCP segments are not clamped');
    }
    this.#failure = failure;
  }
}

function isSame(left: ReadonlyMap<number, SegmentSizes>, right: ReadonlyMap<number, SegmentSizes>): boolean {
  if (left.size !== right.size) return false;
  return [...left].every(([reqid, { ipv4, ipv6 }]) => {
    const other = right.get(reqid);
    return other?.ipv4 === ipv4 && other.ipv6 === ipv6;
  });
}

function distinct(sizes: ReadonlyMap<number, SegmentSizes>): readonly number[] {
  return [...new Set([...sizes.values()].flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]))];
}

/** As long as a path is wrong, or rules are gone, connections that begin hang. To look takes one question to the kernel. */
const INTERVAL_MS = 10_000;
/** Of several changes at once, one look. */
const SOON_MS = 200;
