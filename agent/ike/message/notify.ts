import type { NotifyPayload } from '../../wire/payloads/notify.ts';
import { Protocol } from '../../wire/registry.ts';

const EMPTY = new Uint8Array(0);

/** A Notify payload that concerns no particular SA. */
export function notify(notifyType: number, data: Uint8Array = EMPTY): NotifyPayload {
  return { kind: 'notify', protocol: Protocol.NONE, spi: EMPTY, notifyType, data };
}

/** The first notify of a type. */
export function findNotify(notifies: readonly NotifyPayload[], notifyType: number): NotifyPayload | undefined {
  return notifies.find((candidate) => candidate.notifyType === notifyType);
}

/** Whether a notify of a type is there. */
export function hasNotify(notifies: readonly NotifyPayload[], notifyType: number): boolean {
  return findNotify(notifies, notifyType) !== undefined;
}
