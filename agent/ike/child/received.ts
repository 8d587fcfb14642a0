import type { NotifyPayload } from '../../wire/payloads/notify.ts';
import { decodeReceivedNotify, encodeReceivedNotify, type ReceivedCount } from '../../wire/received-notify.ts';
import { NotifyType } from '../../wire/registry.ts';
import type { Connection } from '../connection/connection.ts';
import { findNotify } from '../message/notify.ts';
import type { Instant } from '../types.ts';

/** What we tell a peer of what has arrived, of as many pairs as a notify takes; nothing where that is not known. */
export function receivedNotifies(at: Instant, connection: Connection): readonly NotifyPayload[] {
  const counts = [...connection.arrivals].map(([spi, arrival]): ReceivedCount => {
    const { received, undecryptable, undecryptableBefore, countedAt } = arrival;
    return { spi, packets: received, undecryptable: undecryptable - undecryptableBefore, ageMs: at - countedAt };
  });
  return counts.length === 0 ? [] : [encodeReceivedNotify(counts)];
}

/** What a peer tells of what has arrived; undefined where it does not. */
export function readReceived(notifies: readonly NotifyPayload[]): readonly ReceivedCount[] | undefined {
  const found = findNotify(notifies, NotifyType.RECEIVED);
  return found && decodeReceivedNotify(found);
}
