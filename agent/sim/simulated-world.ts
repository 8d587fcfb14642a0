import type { TableState } from '../dataplane/memory/state-table.ts';
import type { SaId } from '../dataplane/types.ts';
import type { IpAddress } from '../wire/ip-address.ts';
import type { Rotation } from './certificates/rotation.ts';
import { Deliveries } from './deliveries.ts';
import type { Host } from './host.ts';
import { Ledger } from './ledger.ts';
import { Nat } from './nat.ts';
import { RandomStream } from './random-stream.ts';
import type { PairPlan, Scenario } from './scenario.ts';
import type { Selection } from './selection.ts';
import { type Flow, flowsOf, nodeAddress, nodeName, type Side } from './topology.ts';
import { Trace } from './trace.ts';
import { VirtualClock } from './virtual-clock.ts';
import type { Invariant, Phase, Violation, World } from './world.ts';

/** What occurred, for people who want to know whether anything did. */
export interface Counts {
  datagrams: number;
  packets: number;
  espPackets: number;
  childSas: number;
}

/** Everything that a simulation is at a time: who is there, where, and what has happened to them. */
export class SimulatedWorld implements World {
  readonly scenario: Scenario;
  readonly clock: VirtualClock;
  readonly hosts: Host[] = [];
  readonly flows: readonly Flow[];
  readonly ledger = new Ledger();
  readonly deliveries = new Deliveries();
  readonly trace: Trace;
  readonly nat: Nat | undefined;
  readonly counts: Counts = { datagrams: 0, packets: 0, espPackets: 0, childSas: 0 };
  rotation: Rotation | undefined;
  phase: Phase = 'disturbed';
  violation: Violation | undefined;
  /** Whether the datagram that has come last was of use to its receiver. */
  lastDatagramRead = false;
  readonly #selections = new Map<Flow, Selection>();
  readonly #flowsFrom: readonly (readonly Flow[])[];
  readonly #flowsTo: readonly (readonly Flow[])[];
  readonly #flowsOf: readonly (readonly Flow[])[];
  readonly #hostsByAddress = new Map<string, Host>();
  /** By pair and side. */
  readonly #wanted: [boolean, boolean][];
  readonly #listed: [boolean, boolean][];

  /** `print` receives every event as it happens. Hosts are added one by one. */
  constructor(scenario: Scenario, print: ((line: string) => void) | undefined) {
    const { seed, nat, pairs } = scenario;
    this.scenario = scenario;
    this.trace = new Trace(print);
    this.clock = new VirtualClock(new RandomStream(seed, 'ties'));
    const mappings = new RandomStream(seed, 'mappings');
    this.nat = nat && new Nat(this.clock, mappings, nat, nodeAddress(nat.node, 4));
    this.#flowsOf = pairs.map(flowsOf);
    this.flows = this.#flowsOf.flat();
    const nodes = Array.from({ length: scenario.nodes }, (_, node) => node);
    this.#flowsFrom = nodes.map((node) => this.flows.filter((flow) => flow.sender === node));
    this.#flowsTo = nodes.map((node) => this.flows.filter((flow) => flow.receiver === node));
    this.#wanted = pairs.map(() => [false, false]);
    this.#listed = pairs.map(() => [true, true]);
  }

  /** Adds the next host, which has these addresses. */
  addHost(host: Host, addresses: readonly IpAddress[]): void {
    this.hosts.push(host);
    for (const address of addresses) this.#hostsByAddress.set(address, host);
  }

  hostOf(node: number): Host {
    const host = this.hosts[node];
    if (host === undefined) throw new Error(`there is no node ${node}`);
    return host;
  }

  pairOf(pair: number): PairPlan {
    const plan = this.scenario.pairs[pair];
    if (plan === undefined) throw new Error(`there is no pair ${pair}`);
    return plan;
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

  flowsOf(pair: number): readonly Flow[] {
    return this.#flowsOf[pair] ?? [];
  }

  selected(flow: Flow): Selection {
    return this.#selections.get(flow) ?? NOTHING_YET;
  }

  /** Notes what the sender's kernel does with packets of a flow from here on. */
  select(flow: Flow, selection: Selection): void {
    this.#selections.set(flow, selection);
  }

  isWanted(pair: number, side: Side): boolean {
    return this.#wanted[pair]?.[side] ?? false;
  }

  /** Notes whether a node's agent has been told to have a connection. */
  setWanted(pair: number, side: Side, wanted: boolean): void {
    const sides = this.#wanted[pair];
    if (sides !== undefined) sides[side] = wanted;
  }

  isListed(pair: number, side: Side): boolean {
    return this.#listed[pair]?.[side] ?? false;
  }

  isListedByBoth(pair: number): boolean {
    return this.isListed(pair, 0) && this.isListed(pair, 1);
  }

  /** Notes whether a node is configured for a connection. */
  setListed(pair: number, side: Side, listed: boolean): void {
    const sides = this.#listed[pair];
    if (sides !== undefined) sides[side] = listed;
  }

  /** Calls back for each connection that a node may have. */
  forEachConnection(node: number, callback: (pair: number, side: Side) => void): void {
    for (const [pair, { nodes }] of this.scenario.pairs.entries()) {
      if (nodes[0] === node) callback(pair, 0);
      if (nodes[1] === node) callback(pair, 1);
    }
  }

  /** Writes something that happens to a node into the trace. */
  note(node: number, text: string): void {
    this.trace.add(this.clock.elapsedMs, { kind: 'note', node: nodeName(node), text });
  }

  violate(invariant: Invariant, text: string): void {
    this.violation ??= { invariant, atMs: this.clock.elapsedMs, text };
  }
}

const NOTHING_YET: Selection = { kind: 'plain' };
