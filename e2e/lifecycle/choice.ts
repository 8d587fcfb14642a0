import { err, ok, type Result } from '../../agent/result.ts';
import type { LifecycleEvent } from './event.ts';
import { type Family, families, type Mode, modes, type RowPlace } from './row.ts';

/** Which rows are wanted. */
export interface Choice {
  /** Names of events; none for all of them. */
  readonly names: readonly string[];
  /** Undefined: both. */
  readonly mode?: Mode | undefined;
  readonly family?: Family | undefined;
  /** Long events too; those that are named are wanted anyway. */
  readonly full: boolean;
  /** One row for each of the events that are worth it in every test run, modes and families in turn. */
  readonly quick: boolean;
}

/** The rows that are wanted, in the order of the table. */
export function chooseRows(
  events: readonly LifecycleEvent[],
  { names, full, quick, mode: onlyMode, family: onlyFamily }: Choice,
): Result<readonly RowPlace[], string> {
  const unknown = names.find((name) => !events.some((event) => event.name === name));
  if (unknown !== undefined) return err(`there is no event '${unknown}'; --list names them`);
  const chosen = events.filter(({ name, worth }) => {
    if (names.length > 0) return names.includes(name);
    return quick ? worth === 'quick' : full || worth !== 'long';
  });
  return ok(
    chosen.flatMap(({ name }, index) => {
      const rows = modes
        .flatMap((mode) => families.map((family) => ({ event: name, mode, family })))
        .filter(({ mode, family }) => mode === (onlyMode ?? mode) && family === (onlyFamily ?? family));
      return quick ? rows.slice(index % rows.length, (index % rows.length) + 1) : rows;
    }),
  );
}
