import type { DataplaneEvent } from '../../dataplane/types.ts';
import type { Connection } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import type { Instant } from '../types.ts';
import { goOnDeparting } from './departure.ts';
import { type Retiring, retirementAt } from './idle-counter.ts';

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
