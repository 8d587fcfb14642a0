import type { NotifyPayload } from '../../wire/payloads/notify.ts';
import {
  decodeReceivedNotify,
  encodeReceivedNotify,
  MOST_RECEIVED_COUNTS,
  type ReceivedCount,
} from '../../wire/received-notify.ts';
import { NotifyType } from '../../wire/registry.ts';
import type { Connection } from '../connection/connection.ts';
import { findNotify } from '../message/notify.ts';
import type { Instant } from '../types.ts';

/**
 * What we tell a peer of what has arrived; nothing where that is not known. A notify has room for so many pairs; where there
 * are more each turn tells of the next ones, for peers read one notify of a message.
 */
export function receivedNotifies(
  at: Instant,
  { arrivals, turns }: Connection,
  kind: keyof Connection['turns'],
): readonly NotifyPayload[] {
  if (arrivals.size === 0) return [];
  const first = (turns[kind] % Math.ceil(arrivals.size / MOST_RECEIVED_COUNTS)) * MOST_RECEIVED_COUNTS;
  const told = [...arrivals].slice(first, first + MOST_RECEIVED_COUNTS);
  const counts = told.map(([spi, arrival]): ReceivedCount => {
    const { received, undecryptable, undecryptableBefore, countedAt } = arrival;
    return { spi, packets: received, undecryptable: undecryptable - undecryptableBefore, ageMs: at - countedAt };
  });
  return [encodeReceivedNotify(counts)];
}

/** What a peer tells of what has arrived; undefined where it does not. */
export function readReceived(notifies: readonly NotifyPayload[]): readonly ReceivedCount[] | undefined {
  const found = findNotify(notifies, NotifyType.RECEIVED);
  return found && decodeReceivedNotify(found);
}
