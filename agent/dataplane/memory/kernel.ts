import type { Clock } from '../../ports.ts';
import type { IpAddress } from '../../wire/ip-address.ts';
import type {
  DataplaneEvent,
  PolicyKey,
  PolicySpec,
  PolicyTemplate,
  SaId,
  SaSpec,
  Selector,
  UdpEncapsulation,
} from '../types.ts';
import {
  type EspPacket,
  type Flow,
  flowOf,
  fragmentBytes,
  type InboundFate,
  type OutboundFate,
  type Packet,
  type PlainPacket,
  type XfrmStatistic,
} from './packet.ts';
import { policyCheck } from './policy-check.ts';
import { PolicyTable, type TablePolicy } from './policy-table.ts';
import { type Endpoints, larvalState, StateTable, stateOf, type TableState } from './state-table.ts';

/** What a kernel is given. */
export interface MemoryKernelOptions {
  readonly clock: Clock;
  /** Which destinations are this host. Absent: all are. */
  readonly isLocal?: (address: IpAddress) => boolean;
  /** Whether packets for others are forwarded (net.ipv4.ip_forward and its IPv6 sister); true unless told otherwise. */
  readonly forwards?: boolean;
  /** Seconds that a larval state lives: net.core.xfrm_acq_expires. */
  readonly acquireSeconds?: number;
  /** Receives each event at the moment it arises. */
  readonly emit: (event: DataplaneEvent) => void;
}

/**
 * What Linux does with SAs, policies and packets, as far as it decides about a packet (net/xfrm of 6.12, SA directions
 * enforced). Rules only: whose an object is, is not its business.
 */
export class MemoryKernel {
  readonly policies = new PolicyTable();
  readonly states = new StateTable();
  readonly #options: MemoryKernelOptions;
  readonly #statistics = new Map<XfrmStatistic, number>();
  /** What came for SAs that are awaited, by SPI. */
  readonly #early = new Map<number, EspPacket[]>();
  readonly #handedOver: InboundFate[] = [];
  /** No timer is due before this; it may be too early, never too late. */
  #nextTimerMs = Number.POSITIVE_INFINITY;
  #acquireSequence = 0;

  constructor(options: MemoryKernelOptions) {
    this.#options = options;
  }

  /** /proc/net/xfrm_stat: how often packets were dropped, by reason. */
  get statistics(): ReadonlyMap<XfrmStatistic, number> {
    return this.#statistics;
  }

  /** What became of packets that came before their SA and were handed over to it. */
  get handedOver(): readonly InboundFate[] {
    return this.#handedOver;
  }

  /** NEWSA; false where the destination has that SPI already. What was kept for the SA arrives anew. */
  addSa(sa: SaSpec): boolean {
    const state = stateOf(sa, this.#nowMs(), this.#nowSeconds());
    const early = this.#early.get(sa.id.spi) ?? [];
    this.#early.delete(sa.id.spi);
    if (!this.#insert(state)) return false;
    for (const packet of early) this.#handedOver.push(this.inbound(packet));
    return true;
  }

  /** Keeps packets with an SPI that no SA has yet; they are dropped and counted all the same. */
  awaitSa(spi: number): void {
    this.#early.set(spi, []);
  }

  forgetSa(spi: number): void {
    this.#early.delete(spi);
  }

  /** SPIs of SAs that are awaited. */
  get awaited(): readonly number[] {
    return [...this.#early.keys()];
  }

  /** DELSA; false if there is none. */
  deleteSa(id: SaId): boolean {
    const state = this.states.find(id);
    if (state === undefined) return false;
    this.states.remove(state);
    return true;
  }

  /** UPDSA. A limit that has been reached is told again. */
  updateEncapsulation(state: TableState, udpEncapsulation: UdpEncapsulation): void {
    state.udpEncapsulation = udpEncapsulation;
    state.dying = false;
    if (state.usedAt !== 0) this.#limitReached(state);
    this.#nextTimerMs = Math.min(this.#nextTimerMs, this.#nowMs());
  }

  /** UPDPOLICY. The index that the policy got is not always the one that it asked for. */
  putPolicy(spec: PolicySpec): TablePolicy {
    return this.policies.put(spec);
  }

  /** DELPOLICY; false if there is none. */
  deletePolicy(key: PolicyKey): boolean {
    return this.policies.delete(key);
  }

  /** A packet that this host sends. */
  outbound(packet: PlainPacket): OutboundFate {
    return this.#outbound(flowOf(packet));
  }

  /** A packet that arrives, up to its delivery or to the way out. */
  inbound(packet: Packet): InboundFate {
    if (packet.kind === 'plain') return this.#deliver(flowOf(packet), undefined);
    if (packet.udp !== undefined) {
      const outer = policyCheck(this.policies, 'in', flowOf(outerOf(packet, packet.udp)), undefined);
      if (outer !== undefined) return this.#dropIn(outer);
    }
    const state = this.states.find({ destination: packet.destination, spi: packet.spi });
    if (state === undefined) {
      const early = this.#early.get(packet.spi);
      if (early !== undefined && early.length < MAX_EARLY_PACKETS) early.push(packet);
      return this.#dropIn('XfrmInNoStates');
    }
    const refusal = this.#receive(state, packet);
    return refusal === undefined ? this.#deliver(flowOf(packet.inner), state) : this.#dropIn(refusal);
  }

  /** A packet that came from elsewhere and goes elsewhere. */
  forward(packet: PlainPacket): InboundFate {
    return this.#forward(flowOf(packet), undefined);
  }

  /** Milliseconds of the clock at which `runTimers` has something to do. */
  nextDeadline(): number | undefined {
    return this.#nextTimerMs === Number.POSITIVE_INFINITY ? undefined : this.#nextTimerMs;
  }

  /** Soft and hard expiry by time, of larval states too. Linux counts in whole seconds and may be one early. */
  runTimers(): void {
    const now = this.#nowMs();
    if (now < this.#nextTimerMs) return;
    this.#nextTimerMs = Number.POSITIVE_INFINITY;
    for (const state of this.states.all()) {
      const { softSeconds, hardSeconds } = state.lifetime;
      if (hardSeconds !== undefined && now >= state.addedAtMs + hardSeconds * 1000) {
        this.#expireHard(state);
        continue;
      }
      if (!state.dying && softSeconds !== undefined && now >= state.addedAtMs + softSeconds * 1000) {
        this.#expireSoft(state);
      }
      this.#schedule(state);
    }
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  #nowSeconds(): number {
    return Math.floor(this.#options.clock.wallMs() / 1000);
  }

  #insert(state: TableState): boolean {
    if (!this.states.add(state)) return false;
    this.#schedule(state);
    return true;
  }

  #schedule(state: TableState): void {
    const { softSeconds, hardSeconds } = state.lifetime;
    const soft = state.dying ? undefined : softSeconds;
    const seconds = Math.min(soft ?? Number.POSITIVE_INFINITY, hardSeconds ?? Number.POSITIVE_INFINITY);
    this.#nextTimerMs = Math.min(this.#nextTimerMs, state.addedAtMs + seconds * 1000);
  }

  #expireSoft(state: TableState): void {
    state.dying = true;
    this.#options.emit({ kind: 'expire', id: state.id, reqid: state.reqid, hard: false });
  }

  #expireHard(state: TableState): void {
    this.states.remove(state);
    // The end of a larval state without an SPI is an event too, but names nothing.
    if (state.id.spi !== 0) this.#options.emit({ kind: 'expire', id: state.id, reqid: state.reqid, hard: true });
  }

  /** xfrm_lookup. */
  #outbound(flow: Flow): OutboundFate {
    const policy = this.policies.lookup('out', flow);
    if (policy === undefined) return { kind: 'plain' };
    if (policy.spec.action === 'block') return this.#dropOut('XfrmOutPolBlock');
    const { template } = policy.spec;
    return template === undefined ? { kind: 'plain' } : this.#applyTemplate(policy, template, flow);
  }

  /** xfrm_tmpl_resolve_one and what follows from it. */
  #applyTemplate(policy: TablePolicy, template: PolicyTemplate, flow: Flow): OutboundFate {
    const endpoints = endpointsOf(template, flow.packet);
    const choice = this.states.choose(template, endpoints, flow);
    if (choice.kind === 'state') return this.#send(choice.state, flow.packet);
    const acquire = choice.kind === 'none' && this.#acquire(policy, template, endpoints, flow.packet);
    if (template.level === 'optional') return { kind: 'plain' };
    return this.#dropOut(choice.kind === 'unusablePin' ? 'XfrmOutPolError' : 'XfrmOutNoStates', acquire);
  }

  #acquire(policy: TablePolicy, template: PolicyTemplate, endpoints: Endpoints, packet: PlainPacket): boolean {
    const seconds = this.#options.acquireSeconds ?? ACQUIRE_SECONDS;
    this.#insert(larvalState(template, endpoints, seconds, this.#nowMs(), this.#nowSeconds()));
    this.#acquireSequence += 1;
    this.#options.emit({
      kind: 'acquire',
      sequence: this.#acquireSequence,
      policyIndex: policy.index,
      reqid: template.reqid,
      selector: selectorOf(packet),
    });
    return true;
  }

  /** xfrm_output_one. */
  #send(state: TableState, packet: PlainPacket): OutboundFate {
    if (this.#limitReached(state)) return this.#dropOut('XfrmOutStateExpired');
    if (!state.esn && state.sequence >= MAX_32_BITS) return this.#dropOut('XfrmOutStateSeqError');
    state.sequence += 1;
    this.#count(state, packet);
    const esp: EspPacket = {
      kind: 'esp',
      source: state.source,
      destination: state.id.destination,
      spi: state.id.spi,
      sequence: state.sequence % TWO_TO_32,
      udp: state.udpEncapsulation,
      authenticator: { fingerprint: state.fingerprint, sequence: state.sequence },
      mode: state.mode,
      inner: packet,
    };
    return { kind: 'esp', packet: esp, sa: state.id };
  }

  /** xfrm_input, from the state found to the packet counted; a statistic where it is dropped. */
  #receive(state: TableState, packet: EspPacket): XfrmStatistic | undefined {
    if (state.direction === 'out') return 'XfrmInStateDirError';
    if (state.larval) return 'XfrmAcquireError';
    if ((state.udpEncapsulation === undefined) !== (packet.udp === undefined)) return 'XfrmInStateMismatch';
    const verdict = state.replay.check(packet.sequence);
    if (verdict.kind === 'replayed') return 'XfrmInStateSeqError';
    if (this.#limitReached(state)) return 'XfrmInStateExpired';
    if (!isAuthentic(packet, state, verdict.sequence)) {
      state.integrityFailures += 1;
      return 'XfrmInStateProtoError';
    }
    // Linux hands a tunnelled packet that came through a transport SA on as a payload of protocol 4; nobody takes that.
    if (packet.mode !== state.mode) return 'XfrmInStateModeError';
    state.replay.accept(verdict.sequence);
    this.#noticeMapping(state, packet);
    this.#count(state, packet.inner);
    return undefined;
  }

  #noticeMapping(state: TableState, packet: EspPacket): void {
    const expected = state.udpEncapsulation;
    if (expected === undefined || packet.udp === undefined) return;
    const { sourcePort } = packet.udp;
    if (packet.source === state.source && sourcePort === expected.sourcePort) return;
    const nowSeconds = this.#nowSeconds();
    const told = state.mappingTold;
    if (told?.sourcePort === sourcePort && nowSeconds - told.atSeconds <= MAPPING_THRESHOLD_SECONDS) return;
    state.mappingTold = { sourcePort, atSeconds: nowSeconds };
    this.#options.emit({
      kind: 'mapping',
      id: state.id,
      reqid: state.reqid,
      newAddress: packet.source,
      newPort: sourcePort,
    });
  }

  /**
   * xfrm_state_check_expire: the packet that finds the hard limit reached is lost, and the SA with it. An SA counts as
   * used from here on, even if the packet turns out to be forged.
   */
  #limitReached(state: TableState): boolean {
    const { softBytes, hardBytes, softPackets, hardPackets } = state.lifetime;
    if (state.usedAt === 0) state.usedAt = this.#nowSeconds();
    if (reached(state.bytes, hardBytes) || reached(state.packets, hardPackets)) {
      this.#expireHard(state);
      return true;
    }
    if (!state.dying && (reached(state.bytes, softBytes) || reached(state.packets, softPackets))) {
      this.#expireSoft(state);
    }
    return false;
  }

  /** Transport mode counts what follows the IP header, tunnel mode the whole inner packet. */
  #count(state: TableState, packet: PlainPacket): void {
    state.packets += 1;
    state.bytes += state.mode === 'tunnel' ? fragmentBytes(packet) : packet.payloadBytes;
  }

  #deliver(flow: Flow, state: TableState | undefined): InboundFate {
    const { packet } = flow;
    if (this.#options.isLocal?.(packet.destination) === false) {
      return this.#options.forwards === false ? { kind: 'notForwarded', packet } : this.#forward(flow, state);
    }
    const refusal = policyCheck(this.policies, 'in', flow, state);
    return refusal === undefined ? { kind: 'accepted', packet, sa: state?.id } : this.#dropIn(refusal);
  }

  #forward(flow: Flow, state: TableState | undefined): InboundFate {
    const refusal = policyCheck(this.policies, 'fwd', flow, state);
    if (refusal !== undefined) return this.#dropIn(refusal);
    return { kind: 'forwarded', packet: flow.packet, onward: this.#outbound(flow) };
  }

  #dropOut(statistic: XfrmStatistic, acquire = false): OutboundFate {
    this.#raise(statistic);
    return { kind: 'dropped', statistic, acquire };
  }

  #dropIn(statistic: XfrmStatistic): InboundFate {
    this.#raise(statistic);
    return { kind: 'dropped', statistic };
  }

  #raise(statistic: XfrmStatistic): void {
    this.#statistics.set(statistic, (this.#statistics.get(statistic) ?? 0) + 1);
  }
}

function endpointsOf(template: PolicyTemplate, packet: PlainPacket): Endpoints {
  if (template.mode === 'transport') return { source: packet.source, destination: packet.destination };
  return { source: template.source ?? packet.source, destination: template.destination ?? packet.destination };
}

function isAuthentic({ authenticator }: EspPacket, state: TableState, sequence: number): boolean {
  return authenticator.sequence === sequence && authenticator.fingerprint === state.fingerprint;
}

function reached(value: number, limit: number | undefined): boolean {
  return limit !== undefined && value >= limit;
}

function outerOf(packet: EspPacket, udp: NonNullable<EspPacket['udp']>): PlainPacket {
  return {
    kind: 'plain',
    source: packet.source,
    destination: packet.destination,
    protocol: UDP,
    sourcePort: udp.sourcePort,
    destinationPort: udp.destinationPort,
    payloadBytes: packet.inner.payloadBytes,
  };
}

function selectorOf(packet: PlainPacket): Selector {
  const length = packet.source.includes(':') ? 128 : 32;
  const mask = packet.sourcePort === 0 && packet.destinationPort === 0 ? 0 : 0xffff;
  return {
    source: { address: packet.source, length },
    destination: { address: packet.destination, length },
    protocol: packet.protocol,
    sourcePort: { value: packet.sourcePort, mask },
    destinationPort: { value: packet.destinationPort, mask },
  };
}

const UDP = 17;
const MAPPING_THRESHOLD_SECONDS = 1;
/** The real one keeps as many as its socket's buffer holds. */
const MAX_EARLY_PACKETS = 1024;
const ACQUIRE_SECONDS = 30;
const TWO_TO_32 = 2 ** 32;
const MAX_32_BITS = TWO_TO_32 - 1;
