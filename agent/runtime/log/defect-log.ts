import type { Clock } from '../../ports.ts';
import type { Log } from './logger.ts';

/**
 * Tells of defects that datagrams meet: one line for each place in the program in a while, and with the next one how many
 * there were in between. Whoever has found one can send as many such datagrams as the line takes.
 */
export class DefectLog {
  readonly #log: Log;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #told = new Map<string, { readonly at: number; suppressed: number }>();

  constructor(log: Log, clock: Pick<Clock, 'monotonicMs'>) {
    this.#log = log;
    this.#clock = clock;
  }

  /** Tells of one. */
  note(error: unknown): void {
    const now = this.#clock.monotonicMs();
    const place = placeOf(error);
    const last = this.#told.get(place);
    if (last !== undefined && now - last.at < LEAST_INTERVAL_MS) {
      last.suppressed += 1;
      return;
    }
    if (last === undefined && this.#told.size >= MAX_PLACES) this.#told.clear();
    this.#told.set(place, { at: now, suppressed: 0 });
    const suppressed = last?.suppressed ?? 0;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#log.error({ error: text, ...(suppressed > 0 && { similar: suppressed }) }, 'defect: a datagram was dropped');
  }
}

/** Messages may have in them what the peer has sent. */
function placeOf(error: unknown): string {
  return (error instanceof Error ? /^ +at .*$/m.exec(error.stack ?? '')?.[0] : undefined) ?? '';
}

const LEAST_INTERVAL_MS = 60_000;
/** Far more than one program has defects that strangers find in a minute. */
const MAX_PLACES = 100;
