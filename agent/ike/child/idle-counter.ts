import type { DataplaneEvent } from '../../dataplane/types.ts';
import type { Connection } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import type { Limits } from '../limits.ts';
import type { Instant } from '../types.ts';
import { goOnDeparting } from './departure.ts';

/*
 * An inbound SA goes when its counter has stood still for a grace. What is known of the peer says when it should have
 * stopped sending; the counter shows whether it has. It is read a grace before the SA is to go and when it is to go; where
 * it has moved between, the SA stays for another grace, up to a limit and never beyond its lifetime in the kernel.
 */

/** How far an SA's counter has been watched. */
export interface CounterWatch {
  /** Packets that it had received when the kernel was asked last; undefined before the first answer. */
  readonly packets: number | undefined;
  /** Whether the kernel has been asked and not answered yet. */
  readonly asked: boolean;
  /** When it was first seen to move although the SA was to go; undefined where it has not. */
  readonly movingSince: Instant | undefined;
}

type Retiring = Connection['retiring'][number];

export const UNKNOWN_COUNT: CounterWatch = { packets: undefined, asked: false, movingSince: undefined };

/** When something is to be done for an SA that retires; undefined until the peer has heard. */
export function retirementAt({ removeAt, count }: Retiring, limits: Limits): Instant | undefined {
  if (removeAt === undefined || count.packets !== undefined || count.asked) return removeAt;
  return removeAt - limits.supersededGraceMs;
}

/** Asks for the counters of SAs that are about to go, and removes those of which the kernel says nothing. */
export function tendRetiring(core: Core, at: Instant, connection: Connection): void {
  const { limits } = core.context;
  // Nobody wants to hear anything on a connection that has been taken out of the configuration.
  const isWatched = core.connections.get(connection.config.name) === connection;
  for (const each of connection.retiring) {
    if ((retirementAt(each, limits) ?? Number.POSITIVE_INFINITY) > at) continue;
    const isOver = each.removeAt !== undefined && each.removeAt <= at;
    if (isOver && (each.count.asked || !isWatched)) {
      remove(core, connection, each);
      continue;
    }
    const removeAt = isOver ? at + limits.supersededGraceMs : each.removeAt;
    replace(connection, each, { ...each, removeAt, count: { ...each.count, asked: true } });
    if (isWatched) core.command({ kind: 'queryCounters', id: each.id }, connection, 0, 0);
  }
}

/** The kernel has counted an SA that is about to go: it does, unless packets have come since it was asked before. */
export function onRetiringCounted(
  core: Core,
  at: Instant,
  connection: Connection,
  { id, packets }: Extract<DataplaneEvent, { kind: 'counters' }>,
): void {
  const each = connection.retiring.find((sa) => sa.id.spi === id.spi && sa.id.destination === id.destination);
  if (each === undefined || !each.count.asked) return;
  const before = each.count.packets;
  const movingSince = before === undefined ? undefined : (each.count.movingSince ?? at);
  const isLongEnough = movingSince !== undefined && at - movingSince >= core.context.limits.retiringLongestMs;
  if (packets === before || isLongEnough) {
    remove(core, connection, each);
    return;
  }
  replace(connection, each, { ...each, count: { packets, asked: false, movingSince } });
  core.schedule(connection);
}

function remove(core: Core, connection: Connection, gone: Retiring): void {
  core.command({ kind: 'deleteSa', id: gone.id }, connection, 0, 0);
  core.espSpis.delete(gone.id.spi);
  connection.retiring = connection.retiring.filter((each) => each !== gone);
  goOnDeparting(core, connection);
}

function replace(connection: Connection, before: Retiring, after: Retiring): void {
  connection.retiring = connection.retiring.map((each) => (each === before ? after : each));
}
