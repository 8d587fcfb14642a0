import type { Fact } from '../../ike/fact.ts';
import type { Clock, Observer } from '../../ports.ts';
import { type FactEvent, factEvent } from './fact-event.ts';

/** An event, and when it was. */
export interface RecentEvent extends FactEvent {
  /** Milliseconds since the epoch; of what has come several times, of the last one. */
  readonly atMs: number;
  /** How often the same has come while it was remembered. */
  readonly times: number;
}

/**
 * Remembers the latest transitions. Trouble, what is in the course of things, and what is of no peer of ours have places of their
 * own: neither the rekeys of a thousand peers nor strangers push out why a tunnel went down. The same trouble, which comes
 * with every attempt, has one place.
 */
export class RecentEvents implements Observer {
  readonly #clock: Pick<Clock, 'wallMs'>;
  readonly #rings = {
    trouble: new Map<string, RecentEvent>(),
    routine: new Map<string, RecentEvent>(),
    others: new Map<string, RecentEvent>(),
  };

  constructor(clock: Pick<Clock, 'wallMs'>) {
    this.#clock = clock;
  }

  note(fact: Fact): void {
    const event = factEvent(fact);
    if (event === undefined) return;
    const text = event.text.length > MAX_TEXT ? `${event.text.slice(0, MAX_TEXT)}…` : event.text;
    const ring = this.#rings[ringOf(event)];
    const key = `${event.what} ${event.peer} ${text}`;
    const before = ring.get(key);
    // The order of a map is that of insertion: what has come again is the latest.
    ring.delete(key);
    ring.set(key, { ...event, text, atMs: this.#clock.wallMs(), times: (before?.times ?? 0) + 1 });
    const [oldest] = ring.keys();
    if (ring.size > MAX_EVENTS && oldest !== undefined) ring.delete(oldest);
  }

  /** The latest first. */
  latest(): readonly RecentEvent[] {
    const { trouble, routine, others } = this.#rings;
    return [...trouble.values(), ...routine.values(), ...others.values()]
      .reverse()
      .sort((one, other) => other.atMs - one.atMs);
  }
}

function ringOf({ peer, isTrouble }: FactEvent): 'trouble' | 'routine' | 'others' {
  if (peer === '') return 'others';
  return isTrouble ? 'trouble' : 'routine';
}

/** In each ring: what a person reads through, some 30 kB. */
const MAX_EVENTS = 100;
/** Texts name what peers have sent. */
const MAX_TEXT = 400;
