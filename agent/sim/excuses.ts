import type { TableState } from '../dataplane/memory/state-table.ts';
import type { Host } from './host.ts';
import type { Ledger } from './ledger.ts';

/**
 * When an SA that a sender selects may be missing at the receiver, or a packet be refused there. Nothing else excuses a
 * packet that is lost there; each entry says why no implementation could do better, or what is not promised.
 */
export const RECEPTION_EXCUSES = {
  receiverRebooted:
    'A machine that reboots forgets its SAs. The sender learns of it when the machine is up and authenticates afresh.',
  takenOut:
    'A connection that is taken out of the configuration takes its policies along, so that its SAs are of no use; the ' +
    'peer is told, and sends in vain until it has heard.',
  hardLimit:
    'A hard limit ends an SA whether the peer knows or not. Successors are negotiated at the soft limit, which in ' +
    'production is an hour earlier; here some are made to end at once.',
  kernelRefused:
    'A kernel that refuses to move a policy leaves it pinned where it was, and one that refuses to delete keeps what is ' +
    'there: until the order is given again, and obeyed, both ends may differ.',
  onlyOne:
    'A responder that has no other SA sends on the one that it has just granted, but the initiator can receive only ' +
    'when the answer has come. Without it there is nothing to send on at all; and waiting for a packet of the initiator ' +
    'would leave pairs without an SA whose initiator has nothing to send.',
  outsideOfWindow:
    'The network has held the packet back while more others overtook it than the replay window has room for.',
} as const;

export type ReceptionExcuse = keyof typeof RECEPTION_EXCUSES;

/** What excuses that `receiver` lacks the SA; undefined where nothing does. */
export function receptionExcuse(
  ledger: Ledger,
  nowMs: number,
  sender: Host,
  receiver: Host,
  sa: TableState,
  onlyOne: boolean,
): ReceptionExcuse | undefined {
  const gone = ledger.gone(sa.id);
  if (gone?.cause === 'reboot' || (ledger.rebootedAt(receiver.node) ?? -1) >= sa.addedAtMs) return 'receiverRebooted';
  if ((ledger.takenOutAt(receiver.node, sender.node) ?? -1) >= sa.addedAtMs) return 'takenOut';
  if (gone?.cause === 'hardLimit') return 'hardLimit';
  if (suffersRefusal(ledger, nowMs, sender) || suffersRefusal(ledger, nowMs, receiver)) return 'kernelRefused';
  if (gone === undefined && sender.granted.has(sa.id.spi) && onlyOne) return 'onlyOne';
  return undefined;
}

/** Whether a refusal may not have been made good yet; without an agent nobody gives the order again. */
function suffersRefusal(ledger: Ledger, nowMs: number, host: Host): boolean {
  const refusedAtMs = ledger.refusedAt(host.node);
  if (refusedAtMs === undefined) return false;
  const { stoppedAtMs = -1, running, startedAtMs } = host;
  const stoppedSoon = stoppedAtMs >= refusedAtMs && stoppedAtMs <= refusedAtMs + REFUSAL_MS;
  const since = !stoppedSoon ? refusedAtMs : running ? startedAtMs : nowMs;
  return nowMs - since <= REFUSAL_MS;
}

/** Whether there is no other SA that the sender could send on in the place of this one, and the receiver has. */
export function isOnlyOne(sender: Host, receiver: Host, sa: TableState): boolean {
  return sender.kernel.kernel.states.all().every((other) => {
    if (other === sa || other.larval || other.direction === 'in') return true;
    if (other.id.destination !== sa.id.destination || other.reqid !== sa.reqid || other.mode !== sa.mode) return true;
    return receiver.kernel.kernel.states.find(other.id) === undefined;
  });
}

/** How long after a refusal its consequences may last: several attempts and the grace of an SA. */
const REFUSAL_MS = 15_000;
