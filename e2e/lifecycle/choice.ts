import { err, ok, type Result } from '../../agent/result.ts';
import type { ClusterEvent } from './cluster-events.ts';
import type { LifecycleEvent } from './event.ts';
import { type Family, families, type Mode, modes, type RowPlace } from './row.ts';

/** Which rows are wanted. */
export interface Choice {
  /** Names of events; none for all of them. */
  readonly names: readonly string[];
  /** Undefined: both. */
  readonly mode?: Mode | undefined;
  readonly family?: Family | undefined;
  /** Long events and those of a cluster too; those that are named are wanted anyway. */
  readonly full: boolean;
  /** One row for each of the events that are worth it in every test run, modes and families in turn. */
  readonly quick: boolean;
}

/** The rows that are wanted, in the order of the table: those of the lab, and then those that take a cluster. */
export function chooseRows(
  events: readonly LifecycleEvent[],
  onCluster: readonly Pick<ClusterEvent, 'name'>[],
  choice: Choice,
): Result<readonly RowPlace[], string> {
  const { names, full, quick, mode: onlyMode, family: onlyFamily } = choice;
  const known: readonly { readonly name: string }[] = [...events, ...onCluster];
  const unknown = names.find((name) => !known.some((event) => event.name === name));
  if (unknown !== undefined) return err(`there is no event '${unknown}'; --list names them`);
  const chosen = events.filter(({ name, worth }) => {
    if (names.length > 0) return names.includes(name);
    return quick ? worth === 'quick' : full || worth !== 'long';
  });
  const isWanted = ({ mode, family }: RowPlace): boolean =>
    mode === (onlyMode ?? mode) && family === (onlyFamily ?? family);
  const ofLab = chosen.flatMap(({ name }, index) => {
    const rows = modes.flatMap((mode) => families.map((family) => ({ event: name, mode, family }))).filter(isWanted);
    return quick ? rows.slice(index % rows.length, (index % rows.length) + 1) : rows;
  });
  return ok([...ofLab, ...clusterRows(onCluster, choice).filter(isWanted)]);
}

function clusterRows(
  events: readonly Pick<ClusterEvent, 'name'>[],
  { names, full, quick }: Choice,
): readonly RowPlace[] {
  const isChosen = (name: string): boolean => (names.length > 0 ? names.includes(name) : full && !quick);
  return events
    .filter(({ name }) => isChosen(name))
    .flatMap(({ name }) =>
      modes.flatMap((mode) => families.map((family): RowPlace => ({ event: name, mode, family }))),
    );
}
