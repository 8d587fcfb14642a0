import type { EspPacket, InboundFate, Packet } from '../../dataplane/memory/packet.ts';
import type { TableState } from '../../dataplane/memory/state-table.ts';
import { isOnlyOne, type ReceptionExcuse, receptionExcuse } from '../excuses.ts';
import type { Host } from '../host.ts';
import type { Arrival } from '../network.ts';
import { flowText, inward, type Selection, saText } from '../selection.ts';
import { type Flow, otherSide } from '../topology.ts';
import type { Check, World } from '../world.ts';

/** An SA that a packet which is still under way may have been sent on. */
interface Used {
  readonly state: TableState;
  readonly selectedAtMs: number;
  /** Whether the sender had nothing else to send on when it took this one; found out at the end of that event. */
  onlyOne: boolean | undefined;
  /** When the flow left it; undefined while it is selected. */
  leftAtMs: number | undefined;
}

/** Full sequence numbers, by what stands for an SA's keys. */
type Numbers = Map<number, Set<number>>;

/**
 * The SA that a sender's policy selects is there at the receiver, with the reqid that the receiver's policy asks for,
 * when a packet is sent and until the network's longest delay later; and packets that arrive in that time are let in.
 */
export class ReceptionCheck implements Check {
  readonly excused = new Map<ReceptionExcuse, number>();
  readonly #world: World;
  readonly #used = new Map<Flow, Used[]>();
  readonly #delivered: Numbers = new Map();
  /** Those of packets that the SA took and no policy let in, which is judged when it happens. */
  readonly #heldBack: Numbers = new Map();
  /** Flows of which an end has changed in the event that is going on. */
  readonly #suspects = new Set<Flow>();

  constructor(world: World) {
    this.#world = world;
  }

  selectionChanged(flow: Flow, _: Selection, after: Selection): void {
    const nowMs = this.#world.clock.monotonicMs();
    const used = this.#recent(flow).filter(({ state }) => after.kind !== 'sa' || state !== after.state);
    for (const each of used) each.leftAtMs ??= nowMs;
    if (after.kind === 'sa') {
      used.push({ state: after.state, selectedAtMs: nowMs, onlyOne: undefined, leftAtMs: undefined });
    }
    this.#used.set(flow, used);
    this.#suspects.add(flow);
  }

  kernelChanged(host: Host): void {
    for (const flow of this.#world.flowsTo(host.node)) this.#suspects.add(flow);
  }

  eventEnded(): void {
    if (this.#suspects.size === 0) return;
    for (const flow of this.#suspects) this.#verify(flow, this.#recent(flow));
    this.#suspects.clear();
  }

  packetArrived(flow: Flow, arrival: Arrival, packet: Packet, fate: InboundFate): void {
    const accepted = fate.kind !== 'dropped';
    if (packet.kind === 'esp') {
      const known = this.#isIn(this.#delivered, packet);
      if (accepted && known) this.#violateTwice(flow, packet);
      if (accepted) this.#noteIn(this.#delivered, packet);
      // A number is used up although no policy lets the packet in: a further copy is a repetition to the kernel.
      const heldBack = this.#isIn(this.#heldBack, packet);
      if (fate.kind === 'dropped' && POLICY.has(fate.statistic)) this.#noteIn(this.#heldBack, packet);
      if (accepted || known || heldBack || arrival !== 'first') return;
    } else if (accepted || arrival !== 'first') return;
    if (fate.kind === 'dropped') this.#judgeDrop(flow, packet, fate.statistic);
  }

  #isIn(numbers: Numbers, { authenticator }: EspPacket): boolean {
    return numbers.get(authenticator.fingerprint)?.has(authenticator.sequence) ?? false;
  }

  #noteIn(numbers: Numbers, { authenticator }: EspPacket): void {
    const { fingerprint, sequence } = authenticator;
    const known = numbers.get(fingerprint);
    if (known === undefined) numbers.set(fingerprint, new Set([sequence]));
    else known.add(sequence);
  }

  #judgeDrop(flow: Flow, packet: Packet, statistic: string): void {
    const world = this.#world;
    // Without a connection nothing is promised about its packets; in plaintext Required lets nothing in.
    if (!world.isWanted(flow.pair, otherSide(flow.side))) return;
    if (packet.kind === 'plain' && flow.child.enforcement === 'Required') return;
    if (packet.kind === 'esp' && (statistic === 'XfrmInNoStates' || statistic === 'XfrmInStateExpired')) {
      const used = this.#used.get(flow)?.find((each) => each.state.id.spi === packet.spi);
      if (used !== undefined && this.#excuse(flow, used) !== undefined) return;
    }
    if (packet.kind === 'esp' && OVERTAKEN.has(statistic) && this.#isOvertaken(packet, statistic)) return;
    if (POLICY.has(statistic) && this.#isPolicyRefused(flow)) return;
    const what = packet.kind === 'esp' ? `on SA ${saText(packet)}` : 'in plaintext';
    world.violate('delivery', `a packet from ${flowText(flow)} ${what} was dropped: ${statistic}`);
  }

  #isOvertaken(packet: EspPacket, statistic: string): boolean {
    const state = this.#world.hostAt(packet.destination)?.kernel.kernel.states.find(packet);
    const overtaken =
      state !== undefined &&
      state.esn === (statistic === 'XfrmInStateProtoError') &&
      state.replay.top - packet.sequence >= state.replayWindow;
    if (overtaken) this.#count('outsideOfWindow');
    return overtaken;
  }

  /** Whether the receiver's kernel refuses the policy that would let the packet in. */
  #isPolicyRefused(flow: Flow): boolean {
    const nowMs = this.#world.clock.monotonicMs();
    const refusals = this.#world.ledger.refusalsOf(flow.receiver);
    const refused = refusals.ofPolicy(inward(flow), flow.compiledReceived, nowMs) !== undefined;
    if (refused) this.#count('kernelRefused');
    return refused;
  }

  #count(excuse: ReceptionExcuse): void {
    this.excused.set(excuse, (this.excused.get(excuse) ?? 0) + 1);
  }

  #violateTwice(flow: Flow, packet: Packet & { readonly kind: 'esp' }): void {
    const text = `number ${packet.sequence} of SA ${saText(packet)} from ${flowText(flow)} was let in twice`;
    this.#world.violate('noSecondDelivery', text);
  }

  #recent(flow: Flow): Used[] {
    const oldest = this.#world.clock.monotonicMs() - this.#world.scenario.network.maxDelayMs;
    const recent = (this.#used.get(flow) ?? []).filter(
      (each) => each.leftAtMs === undefined || each.leftAtMs >= oldest,
    );
    this.#used.set(flow, recent);
    return recent;
  }

  #verify(flow: Flow, used: readonly Used[]): void {
    const world = this.#world;
    const receiver = world.hostOf(flow.receiver);
    for (const each of used) {
      each.onlyOne ??= isOnlyOne(world, flow, each.state);
      const there = world.stateAt(receiver, each.state.id);
      if (there === undefined || there.larval) {
        if (this.#excuse(flow, each) !== undefined) continue;
        const gone = world.ledger.gone(world.ownName(each.state.id));
        const how =
          gone === undefined
            ? 'never had it'
            : `lost it ${world.clock.monotonicMs() - gone.atMs} ms ago (${gone.cause})`;
        const when = each.leftAtMs === undefined ? 'selects' : 'has just left';
        const text = `${flowText(flow)} ${when} SA ${saText(each.state.id)}, but the receiver ${how}`;
        world.violate('reception', text);
      } else if (there.reqid !== flow.reqid) {
        const text = `${flowText(flow)}: SA ${saText(each.state.id)} has reqid ${there.reqid} at the receiver, its policy wants ${flow.reqid}`;
        world.violate('reception', text);
      }
    }
  }

  #excuse(flow: Flow, used: Used): ReceptionExcuse | undefined {
    const excuse = receptionExcuse(this.#world, flow, { ...used, onlyOne: used.onlyOne ?? false });
    if (excuse !== undefined) this.#count(excuse);
    return excuse;
  }
}

/**
 * How a packet is dropped that lies behind the replay window. With extended sequence numbers the receiver takes it for
 * one of the next 2^32 and finds its authenticator wrong (RFC 4303 appendix A2.2).
 */
const OVERTAKEN: ReadonlySet<string> = new Set(['XfrmInStateSeqError', 'XfrmInStateProtoError']);
/** How a packet is dropped that the receiver's policies do not let in. */
const POLICY: ReadonlySet<string> = new Set(['XfrmInNoPols', 'XfrmInPolBlock', 'XfrmInTmplMismatch']);
