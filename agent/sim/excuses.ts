import type { TableState } from '../dataplane/memory/state-table.ts';
import type { Flow } from './topology.ts';
import type { World } from './world.ts';

/**
 * When an SA that a sender selects may be missing at the receiver, or a packet be refused there. Nothing else excuses a
 * packet that is lost there; each entry says why no implementation could do better, or what is not promised.
 */
export const RECEPTION_EXCUSES = {
  receiverRebooted:
    'A machine that reboots forgets its SAs. The sender learns of it when the machine is up and authenticates afresh.',
  takenOut:
    'A connection that is taken out of the configuration takes its policies along, so that its SAs are of no use; the ' +
    'peer is told, and sends in vain until it has heard, even on what it takes into use only then because the answer ' +
    'that grants it was under way.',
  hardLimit:
    'A hard limit ends an SA whether the peer knows or not. Successors are negotiated at the soft limit, which in ' +
    'production is an hour earlier; here some are made to end at once.',
  kernelRefused:
    'A kernel that refuses to move a policy leaves it pinned where it was, one that refuses to add an SA does not have ' +
    'it, and one that refuses to delete it may send on it: until that very order is given again, and obeyed.',
  onlyOne:
    'A responder that has no other SA sends on the one that it has just granted, but the initiator can receive only ' +
    'when the answer has come. Where plaintext is not allowed there is nothing to send on at all without it; and waiting ' +
    'for a packet of the initiator would leave pairs without an SA whose initiator has nothing to send.',
  nothingLeft:
    'A sender whose pair the peer has just ended goes back to an older one, if it has any. That the peer has given up ' +
    'the IKE SA of that one it cannot know yet, and else there is nothing to send on at all.',
  outsideOfWindow:
    'The network has held the packet back while more others overtook it than the replay window has room for.',
} as const;

export type ReceptionExcuse = keyof typeof RECEPTION_EXCUSES;

/** An SA that a flow is, or was until just now, sent on. */
export interface UsedSa {
  readonly state: TableState;
  readonly selectedAtMs: number;
  /** Whether the sender had nothing else to send on when it took this one. */
  readonly onlyOne: boolean;
}

/** What excuses that the receiver of a flow lacks the SA; undefined where nothing does. */
export function receptionExcuse(world: World, flow: Flow, used: UsedSa): ReceptionExcuse | undefined {
  const { state: sa, onlyOne, selectedAtMs } = used;
  const { ledger } = world;
  const { sender, receiver } = flow;
  const gone = ledger.gone(world.ownName(sa.id));
  if (gone?.cause === 'reboot' || (ledger.rebootedAt(receiver) ?? -1) >= sa.addedAtMs) return 'receiverRebooted';
  const hadSinceMs = Math.min(sa.addedAtMs, ledger.installedAt(world.ownName(sa.id)) ?? sa.addedAtMs);
  if ((ledger.takenOutAt(receiver, sender) ?? -1) >= hadSinceMs) return 'takenOut';
  if (gone?.cause === 'hardLimit') return 'hardLimit';
  if (isRefused(world, flow, sa)) return 'kernelRefused';
  if (gone !== undefined && gone.atMs < selectedAtMs && onlyOne) return 'nothingLeft';
  const isGranted = gone === undefined && world.hostOf(sender).granted.has(sa.id.spi);
  if (isGranted && onlyOne && flow.child.enforcement === 'Required') return 'onlyOne';
  return undefined;
}

/** What was under way when a refusal was made good may still arrive. */
function isRefused(world: World, { sender, receiver, compiled }: Flow, { id }: TableState): boolean {
  const sinceMs = world.clock.monotonicMs() - world.scenario.network.maxDelayMs;
  const refusals = world.ledger.refusalsOf(sender);
  return (
    refusals.ofPolicy('out', compiled, sinceMs) !== undefined ||
    refusals.concernsSa('deleteSa', id, sinceMs) ||
    world.ledger.refusalsOf(receiver).concernsSa('addSa', world.ownName(id), sinceMs)
  );
}

/**
 * Whether there is no other SA that the sender could send on in the place of this one, and the receiver has. One that the
 * sender has ordered its kernel to delete is none, nor one that it has given up and is about to.
 */
export function isOnlyOne(world: World, flow: Flow, sa: TableState): boolean {
  const [sender, receiver] = [world.hostOf(flow.sender), world.hostOf(flow.receiver)];
  const refusals = world.ledger.refusalsOf(flow.sender);
  const givenUp = new Set(sender.status()?.unselected.map(({ spi }) => spi));
  return sender.kernel.kernel.states.all().every((other) => {
    if (other === sa || other.larval || other.direction === 'in' || givenUp.has(other.id.spi)) return true;
    if (refusals.concernsSa('deleteSa', other.id, world.clock.monotonicMs())) return true;
    if (other.id.destination !== sa.id.destination || other.reqid !== sa.reqid || other.mode !== sa.mode) return true;
    return world.stateAt(receiver, other.id) === undefined;
  });
}
