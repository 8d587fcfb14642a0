import type { TableState } from '../dataplane/memory/state-table.ts';
import type { DataplaneCommand, DataplaneEvent, SaId } from '../dataplane/types.ts';
import type { Fact } from '../ike/fact.ts';
import { DEFAULT_LIMITS } from '../ike/limits.ts';
import type { ConnectionConfig, Path, VerificationJob } from '../ike/types.ts';
import type { IpAddress } from '../wire/ip-address.ts';
import { ExchangeType } from '../wire/registry.ts';
import { Rotation } from './certificates/rotation.ts';
import { AgreementCheck } from './checks/agreement.ts';
import { AmplificationCheck } from './checks/amplification.ts';
import { AuthenticationCheck } from './checks/authentication.ts';
import { CertificatesCheck } from './checks/certificates.ts';
import { ContinuityCheck } from './checks/continuity.ts';
import { ConvergenceCheck } from './checks/convergence.ts';
import { EnforcementCheck } from './checks/enforcement.ts';
import { PathCheck } from './checks/path.ts';
import { ReceptionCheck } from './checks/reception.ts';
import { ResidueCheck } from './checks/residue.ts';
import { type Disturbable, disturb } from './disturbances.ts';
import { type ExpiredSa, Host, type HostObserver, type Sabotage, type VerificationOutcome } from './host.ts';
import { type Cause, Ledger } from './ledger.ts';
import { Nat } from './nat.ts';
import { type Arrival, type Cargo, Network, type NetworkObserver, type Shipment } from './network.ts';
import { RandomStream } from './random-stream.ts';
import type { PairPlan, Scenario } from './scenario.ts';
import { type Selection, selectionOf } from './selection.ts';
import { connectionConfig, type Flow, flowsOf, nodeAddress, nodeName, otherSide, type Side } from './topology.ts';
import { Trace } from './trace.ts';
import { reversedPath, startTraffic, udpPacketOf } from './traffic.ts';
import { VirtualClock } from './virtual-clock.ts';
import type { Check, Invariant, Phase, Violation, World } from './world.ts';

/** What a simulation came to. */
export interface Outcome {
  readonly seed: number;
  /** The first invariant that did not hold; undefined if all did. */
  readonly violation: Violation | undefined;
  /** Equal for equal runs. */
  readonly traceHash: string;
  /** The last events, a line each. */
  readonly trace: readonly string[];
  /** How long after the calm all pairs were up; undefined where it did not come to that. */
  readonly settledInMs: number | undefined;
  readonly counts: Counts;
  /** How often each excuse was needed. */
  readonly excused: Readonly<Record<string, number>>;
}

interface Counts {
  datagrams: number;
  packets: number;
  espPackets: number;
  childSas: number;
}

/** How a simulation is run. */
export interface SimulationOptions {
  /** Breaks every host on purpose. */
  readonly sabotage?: Sabotage;
  /** Receives every event as it happens. */
  readonly print?: (line: string) => void;
}

/** Runs a scenario to its end or to the first violation. */
export function simulate(scenario: Scenario, options: SimulationOptions = {}): Outcome {
  return new Simulation(scenario, options).run();
}

class Simulation implements World, HostObserver, NetworkObserver, Disturbable {
  readonly scenario: Scenario;
  readonly clock: VirtualClock;
  readonly hosts: readonly Host[];
  readonly flows: readonly Flow[];
  readonly ledger = new Ledger();
  readonly trace: Trace;
  readonly network: Network;
  readonly nat: Nat | undefined;
  readonly rotation: Rotation | undefined;
  readonly calmAtMs: number;
  phase: Phase = 'disturbed';
  readonly #reception: ReceptionCheck;
  readonly #convergence: ConvergenceCheck;
  readonly #certificates: CertificatesCheck;
  readonly #checks: readonly Check[];
  /** Those that are to hear when an event is over: there are many events. */
  readonly #endsOfEvents: readonly Check[];
  readonly #selections = new Map<Flow, Selection>();
  readonly #flowsFrom: readonly (readonly Flow[])[];
  readonly #flowsTo: readonly (readonly Flow[])[];
  readonly #hostsByAddress = new Map<string, Host>();
  /** By pair and side: whether it is configured, and how often that has changed. */
  readonly #configured: { present: boolean; changes: number }[][];
  /** By pair and side. */
  readonly #wanted: [boolean, boolean][];
  readonly #refusals: RandomStream;
  readonly #counts: Counts = { datagrams: 0, packets: 0, espPackets: 0, childSas: 0 };
  #violation: Violation | undefined;
  /** Whether the datagram that has come last was of no use to its receiver. */
  #dropped = false;

  constructor(scenario: Scenario, options: SimulationOptions) {
    const { seed } = scenario;
    this.scenario = scenario;
    this.calmAtMs = scenario.calmAtMs;
    this.trace = new Trace(options.print);
    this.clock = new VirtualClock(new RandomStream(seed, 'ties'));
    this.#refusals = new RandomStream(seed, 'refusals');
    this.network = new Network(this.clock, new RandomStream(seed, 'network'), scenario.network, this);
    this.nat =
      scenario.nat &&
      new Nat(this.clock, new RandomStream(seed, 'mappings'), scenario.nat, nodeAddress(scenario.nat.node, 4));
    this.flows = scenario.pairs.flatMap(flowsOf);
    const nodes = Array.from({ length: scenario.nodes }, (_, node) => node);
    this.#flowsFrom = nodes.map((node) => this.flows.filter((flow) => flow.sender === node));
    this.#flowsTo = nodes.map((node) => this.flows.filter((flow) => flow.receiver === node));
    this.#configured = scenario.pairs.map(() => [
      { present: true, changes: 0 },
      { present: true, changes: 0 },
    ]);
    this.#wanted = scenario.pairs.map(() => [false, false]);
    this.hosts = nodes.map((node) => this.#host(node, options.sabotage));
    this.#reception = new ReceptionCheck(this);
    this.#convergence = new ConvergenceCheck(this);
    this.rotation = this.#rotation();
    this.#certificates = new CertificatesCheck(this);
    this.#checks = [
      new AgreementCheck(this),
      this.#certificates,
      new AuthenticationCheck(this),
      this.#reception,
      new EnforcementCheck(this),
      new ContinuityCheck(this),
      new PathCheck(this),
      this.#convergence,
      new ResidueCheck(this),
      new AmplificationCheck(this),
    ];
    this.#endsOfEvents = this.#checks.filter(({ eventEnded }) => eventEnded !== undefined);
  }

  run(): Outcome {
    const { scenario, clock } = this;
    const starts = new RandomStream(scenario.seed, 'starts');
    for (const host of this.hosts) host.wallOffsetMs = scenario.wallOffsetsMs?.[host.node] ?? 0;
    for (const host of this.hosts) clock.after(starts.below(LATEST_START_MS), () => this.start(host.node));
    for (const disturbance of scenario.disturbances) clock.after(disturbance.atMs, () => disturb(this, disturbance));
    const traffic = new RandomStream(scenario.seed, 'traffic');
    const after = (delayMs: number, callback: () => void): void => void clock.after(delayMs, callback);
    startTraffic(this.flows, scenario.packetEveryMs, traffic, after, (flow) => this.#sendPacket(flow));
    clock.after(TICK_MS, () => this.#tick());
    this.#runUntil(scenario.calmAtMs);
    this.#becalm();
    while (this.phase === 'settling' && this.#violation === undefined) this.#runUntil(clock.elapsedMs + TICK_MS);
    this.#runUntil(clock.elapsedMs + WATCH_MS);
    return {
      seed: scenario.seed,
      violation: this.#violation,
      traceHash: this.trace.hash,
      trace: this.#violation === undefined ? [] : this.trace.lines(),
      settledInMs: this.#convergence.settledInMs,
      counts: this.#counts,
      excused: Object.fromEntries(this.#reception.excused),
    };
  }

  // What checks ask.

  hostOf(node: number): Host {
    const host = this.hosts[node];
    if (host === undefined) throw new Error(`there is no node ${node}`);
    return host;
  }

  hostAt(address: string): Host | undefined {
    const { nat } = this;
    const known = this.#hostsByAddress.get(address);
    return known === undefined && nat?.publicAddresses.includes(address as IpAddress) ? this.hostOf(nat.node) : known;
  }

  stateAt(host: Host, id: SaId): TableState | undefined {
    const { states } = host.kernel.kernel;
    const { nat } = this;
    if (nat === undefined || this.hostAt(id.destination)?.node !== nat.node) return states.find(id);
    const names = [nodeAddress(nat.node, 4), ...nat.publicAddresses];
    return names.map((destination) => states.find({ ...id, destination })).find((state) => state !== undefined);
  }

  passesNat({ receiver }: Flow, { id, source, udpEncapsulation }: TableState): boolean {
    const { nat } = this;
    if (nat?.node !== receiver) return true;
    const { sourcePort = 0, destinationPort = 0 } = udpEncapsulation ?? {};
    return nat.leadsInside(id.destination, destinationPort, source, sourcePort);
  }

  ownName(id: SaId): SaId {
    const { nat } = this;
    if (nat === undefined || this.hostAt(id.destination)?.node !== nat.node) return id;
    return { ...id, destination: nodeAddress(nat.node, 4) };
  }

  flowsFrom(node: number): readonly Flow[] {
    return this.#flowsFrom[node] ?? [];
  }

  flowsTo(node: number): readonly Flow[] {
    return this.#flowsTo[node] ?? [];
  }

  selected(flow: Flow): Selection {
    return this.#selections.get(flow) ?? NOTHING_YET;
  }

  isWanted(pair: number, side: Side): boolean {
    return this.#wanted[pair]?.[side] ?? false;
  }

  violate(invariant: Invariant, text: string): void {
    this.#violation ??= { invariant, atMs: this.clock.elapsedMs, text };
  }

  // What disturbances do.

  pairOf(pair: number): PairPlan {
    const plan = this.scenario.pairs[pair];
    if (plan === undefined) throw new Error(`there is no pair ${pair}`);
    return plan;
  }

  note(node: number, text: string): void {
    this.trace.add(this.clock.elapsedMs, { kind: 'note', node: nodeName(node), text });
  }

  ordered(pair: number): void {
    this.ledger.noteCause(pair, 'order', this.clock.monotonicMs());
  }

  distrusting(node: number): void {
    const nowMs = this.clock.monotonicMs();
    for (const host of this.hosts) this.ledger.noteDistrust(nodeName(node), host.name, nowMs);
  }

  powerOff(node: number): void {
    const host = this.hostOf(node);
    const nowMs = this.clock.monotonicMs();
    for (const state of host.kernel.kernel.states.all()) {
      if (!state.larval && this.hostAt(state.id.destination) === host) {
        this.ledger.noteGone(state.id, { cause: 'reboot', atMs: nowMs });
      }
    }
    this.ledger.noteReboot(node, nowMs);
    this.#forEachConnection(node, (pair, side) => {
      this.ledger.noteCause(pair, 'reboot', nowMs);
      this.#setWanted(pair, side, false);
    });
    host.powerOff();
    this.#kernelChanged(host);
  }

  start(node: number): void {
    const host = this.hostOf(node);
    if (host.running) return;
    this.note(node, 'the agent starts');
    host.powered = true;
    this.rotation?.agentStarted(node);
    const connections: ConnectionConfig[] = [];
    const present: (readonly [number, Side])[] = [];
    this.#forEachConnection(node, (pair, side) => {
      const configured = this.#configured[pair]?.[side];
      if (configured?.present !== true) return;
      connections.push(this.#connection(pair, side, configured.changes));
      present.push([pair, side]);
    });
    host.start(connections);
    for (const [pair, side] of present) this.#setWanted(pair, side, true);
    this.#kernelChanged(host);
  }

  configure(pair: number, side: Side, how: 'add' | 'remove' | 'update'): void {
    const plan = this.pairOf(pair);
    const configured = this.#configured[pair]?.[side];
    const host = this.hostOf(plan.nodes[side]);
    const name = nodeName(plan.nodes[otherSide(side)]);
    if (configured === undefined || configured.present === (how === 'add')) return;
    this.note(host.node, `configuration: ${how} ${name}`);
    configured.present = how !== 'remove';
    if (how === 'update') configured.changes += 1;
    if (how === 'remove') {
      this.ordered(pair);
      this.ledger.noteTakenOut(host.node, plan.nodes[otherSide(side)], this.clock.monotonicMs());
      this.#setWanted(pair, side, false);
      host.command({ kind: 'removeConnection', name });
      return;
    }
    const connection = this.#connection(pair, side, configured.changes);
    host.command({ kind: how === 'add' ? 'addConnection' : 'updateConnection', connection });
    if (host.running) this.#setWanted(pair, side, true);
    this.#kernelChanged(host);
  }

  // What hosts tell.

  transmitted(host: Host, path: Path, bytes: Uint8Array): void {
    this.#counts.datagrams += 1;
    const to = this.hostAt(path.remoteAddress);
    const elapsedMs = this.clock.elapsedMs;
    this.trace.add(elapsedMs, { kind: 'sent', node: host.name, to: to?.name ?? path.remoteAddress, bytes });
    if (host.kernel.outbound(udpPacketOf(path, bytes)).kind !== 'plain') {
      this.violate('ikePasses', `${host.name}'s policies hold back IKE itself, from port ${path.localPort}`);
    }
    for (const check of this.#checks) check.datagramSent?.(host, path, bytes);
    // Nobody listens at the port of an initiator that does not exist.
    if (to === undefined || (to.node !== this.nat?.node && !IKE_PORTS.includes(path.remotePort))) return;
    this.#send(host, to.node, { kind: 'datagram', path, bytes: bytes.slice() });
  }

  keptAlive(host: Host, path: Path): void {
    if (this.nat?.node === host.node) this.nat.outwardPath(path);
  }

  commanded(host: Host, command: DataplaneCommand, refusal: string): void {
    this.trace.add(this.clock.elapsedMs, { kind: 'command', node: host.name, command, refused: refusal });
    if (refusal !== '') {
      this.#noteRefusal(host, command);
      return;
    }
    this.ledger.refusalsOf(host.node).makeGood(command, this.clock.monotonicMs());
    if (command.kind === 'deleteSa' && this.hostAt(command.id.destination) === host) {
      this.ledger.noteGone(command.id, { cause: 'agent', atMs: this.clock.monotonicMs() });
    }
    if (command.kind !== 'queryCounters') this.#kernelChanged(host);
  }

  kernelTold(host: Host, event: DataplaneEvent): void {
    this.trace.add(this.clock.elapsedMs, { kind: 'event', node: host.name, event });
  }

  noted(host: Host, fact: Fact): void {
    this.trace.add(this.clock.elapsedMs, { kind: 'fact', node: host.name, fact });
    if (fact.kind === 'datagramDropped') this.#dropped = true;
    if (fact.kind === 'childSaEstablished') this.#counts.childSas += 1;
    if (fact.kind === 'ikeSaClosed' && fact.reason === 'peerDead') {
      this.#forEachConnection(host.node, (pair, side) => {
        const peer = nodeName(this.pairOf(pair).nodes[otherSide(side)]);
        if (peer === fact.connection) this.ledger.noteCause(pair, 'peerDead', this.clock.monotonicMs());
      });
    }
    for (const check of this.#checks) check.noted?.(host, fact);
  }

  verified(host: Host, job: VerificationJob, outcome: VerificationOutcome): void {
    for (const check of this.#checks) check.verified?.(host, job, outcome);
  }

  expired(host: Host, sas: readonly ExpiredSa[]): void {
    const nowMs = this.clock.monotonicMs();
    for (const { id, reqid } of sas) {
      this.#noteCause(reqid, 'hardLimit');
      if (this.hostAt(id.destination) === host) this.ledger.noteGone(id, { cause: 'hardLimit', atMs: nowMs });
    }
    this.#kernelChanged(host);
  }

  defect(host: Host, error: unknown): void {
    this.violate('noThrow', `${host.name}: ${error instanceof Error ? error.stack : String(error)}`);
  }

  // What the network tells.

  arrived(shipment: Shipment, arrival: Arrival): boolean {
    const host = this.hostOf(shipment.to);
    const cargo = this.nat?.node === host.node ? this.nat.inward(shipment.cargo) : shipment.cargo;
    if (cargo === undefined) this.lost(shipment);
    if (cargo === undefined || !host.powered) return false;
    if (cargo.kind === 'packet') {
      const { flow, packet } = cargo;
      const fate = host.receivePacket(packet);
      for (const check of this.#checks) check.packetArrived?.(flow, arrival, packet, fate);
      return fate.kind !== 'dropped';
    }
    const { path, bytes } = cargo;
    const node = host.name;
    this.trace.add(this.clock.elapsedMs, { kind: 'arrived', node, to: nodeName(shipment.from), bytes });
    const packet = reversedPath(path);
    const genuine = arrival === 'first' || arrival === 'copy' || arrival === 'replayed';
    if (!genuine && bytes[EXCHANGE_OFFSET] === ExchangeType.IKE_SA_INIT) {
      this.ledger.noteTampered(host.node, shipment.from, this.clock.monotonicMs());
    }
    if (host.running && host.kernel.inbound(udpPacketOf(path, bytes)).kind !== 'accepted') {
      this.violate('ikePasses', `${host.name}'s policies let no IKE in at port ${packet.localPort}`);
    }
    for (const check of this.#checks) check.datagramArrived?.(host, bytes, arrival);
    this.#dropped = !host.running;
    host.receiveDatagram(packet, bytes);
    return !this.#dropped;
  }

  lost(shipment: Shipment): void {
    const { cargo, from, to } = shipment;
    if (cargo.kind !== 'datagram') return;
    this.trace.add(this.clock.elapsedMs, { kind: 'lost', node: nodeName(from), to: nodeName(to), bytes: cargo.bytes });
  }

  // The rest is nobody else's.

  #host(node: number, sabotage: Sabotage | undefined): Host {
    const addresses = [nodeAddress(node, 4), nodeAddress(node, 6)];
    const host = new Host({
      node,
      seed: this.scenario.seed,
      slowestVerificationMs: this.scenario.certificates?.slowestVerificationMs,
      cookieThreshold: this.scenario.cookieThreshold ?? DEFAULT_LIMITS.cookieThreshold,
      clock: this.clock,
      observer: this,
      refuses: () => this.phase === 'disturbed' && this.#refusals.chance(this.scenario.kernelRefusals),
      isLocal: (address) => addresses.includes(address),
      sabotage,
    });
    for (const address of addresses) this.#hostsByAddress.set(address, host);
    return host;
  }

  #setWanted(pair: number, side: Side, wanted: boolean): void {
    const sides = this.#wanted[pair];
    if (sides !== undefined) sides[side] = wanted;
  }

  #rotation(): Rotation | undefined {
    const { certificates: plan, seed, nodes } = this.scenario;
    const { clock } = this;
    return (
      plan &&
      new Rotation({
        plan,
        seed,
        nodes,
        clock,
        random: new RandomStream(seed, 'rotation'),
        wallMs: (node) => clock.wallMs() + this.hostOf(node).wallOffsetMs,
        changed: (node) => this.#proveAnew(node),
        note: (node, text) => this.note(node, text),
      })
    );
  }

  /** Gives a running agent its connections with other certificates, as `runtime/reloads.ts` does. */
  #proveAnew(node: number): void {
    const host = this.hostOf(node);
    if (!host.running) return;
    this.note(node, 'the agent uses other certificates');
    this.#forEachConnection(node, (pair, side) => {
      const configured = this.#configured[pair]?.[side];
      if (configured?.present !== true) return;
      host.command({ kind: 'updateConnection', connection: this.#connection(pair, side, configured.changes) });
    });
  }

  #connection(pair: number, side: Side, changes: number): ConnectionConfig {
    const plan = this.pairOf(pair);
    return connectionConfig(plan, pair, side, stretch(changes), this.rotation?.proofsOf(plan.nodes[side]));
  }

  /** Calls back for each connection that a node may have. */
  #forEachConnection(node: number, callback: (pair: number, side: Side) => void): void {
    for (const [pair, { nodes }] of this.scenario.pairs.entries()) {
      if (nodes[0] === node) callback(pair, 0);
      if (nodes[1] === node) callback(pair, 1);
    }
  }

  #kernelChanged(host: Host): void {
    for (const flow of this.flowsFrom(host.node)) {
      const before = this.selected(flow);
      const after = selectionOf(host, flow);
      this.#selections.set(flow, after);
      if (isSame(before, after)) continue;
      for (const check of this.#checks) check.selectionChanged?.(flow, before, after);
    }
    for (const check of this.#checks) check.kernelChanged?.(host);
  }

  #noteRefusal(host: Host, command: DataplaneCommand): void {
    this.ledger.refusalsOf(host.node).note(command, this.clock.monotonicMs());
    if (command.kind === 'addSa') this.#noteCause(command.sa.reqid, 'refusal');
    if (command.kind === 'putPolicy') this.#noteCause(command.policy.template?.reqid, 'refusal');
  }

  #noteCause(reqid: number | undefined, cause: Cause): void {
    const pair = this.flows.find((flow) => flow.reqid === reqid)?.pair;
    if (pair !== undefined) this.ledger.noteCause(pair, cause, this.clock.monotonicMs());
  }

  #sendPacket(flow: Flow): void {
    const host = this.hostOf(flow.sender);
    if (!host.powered || (host.incarnation === 0 && !host.running)) return;
    this.#counts.packets += 1;
    const fate = host.sendPacket(flow.packet);
    for (const check of this.#checks) check.packetSent?.(flow, fate);
    if (fate.kind === 'dropped') return;
    const packet = fate.kind === 'esp' ? fate.packet : flow.packet;
    if (fate.kind === 'esp') this.#counts.espPackets += 1;
    this.#send(host, flow.receiver, { kind: 'packet', packet, flow });
  }

  #send(from: Host, to: number, cargo: Cargo): void {
    const outside = this.nat?.node === from.node ? this.nat.outward(cargo) : cargo;
    if (outside !== undefined) this.network.send({ from: from.node, to, cargo: outside });
  }

  /** All faults end; who is down comes up; what was taken out comes back. */
  #becalm(): void {
    if (this.#violation !== undefined) return;
    this.phase = 'settling';
    this.network.calm();
    for (const host of this.hosts) {
      host.wallOffsetMs = 0;
      host.verifierFault = undefined;
      this.rotation?.recover(host.node);
    }
    for (const host of this.hosts) this.start(host.node);
    for (const pair of this.scenario.pairs.keys()) {
      for (const side of [0, 1] as const) this.configure(pair, side, 'add');
    }
  }

  #tick(): void {
    const statuses = this.hosts.map((host) => host.status());
    for (const check of this.#checks) check.tick?.(statuses);
    const isSettled = this.#convergence.settledInMs !== undefined && !this.#certificates.isPending;
    if (this.phase === 'settling' && isSettled) this.phase = 'watched';
    this.clock.after(TICK_MS, () => this.#tick());
  }

  #runUntil(untilMs: number): void {
    let steps = 0;
    let lastMs = -1;
    try {
      while (this.#violation === undefined && this.clock.step(untilMs)) {
        for (const check of this.#endsOfEvents) check.eventEnded?.();
        steps = this.clock.elapsedMs === lastMs ? steps + 1 : 0;
        lastMs = this.clock.elapsedMs;
        if (steps > MOST_STEPS_AT_ONCE)
          this.violate('progress', 'the endpoints go round in circles without time passing');
      }
    } catch (error) {
      this.violate('noThrow', error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
  }
}

function isSame(before: Selection, after: Selection): boolean {
  return before.kind === after.kind && (before.kind !== 'sa' || (after.kind === 'sa' && before.state === after.state));
}

/** Each change of the configuration changes its lifetimes a little. */
function stretch(changes: number): number {
  return 1 + changes / 8;
}

/** RFC 7296 §3.1. */
const EXCHANGE_OFFSET = 18;
const NOTHING_YET: Selection = { kind: 'plain' };
const IKE_PORTS: readonly number[] = [500, 4500];
const LATEST_START_MS = 3_000;
const TICK_MS = 1_000;
/** How long settled pairs are watched: replacements of most lifetimes occur in it. */
const WATCH_MS = 60_000;
const MOST_STEPS_AT_ONCE = 5_000;
