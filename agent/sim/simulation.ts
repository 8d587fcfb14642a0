import { DEFAULT_LIMITS } from '../ike/limits.ts';
import { Carriage } from './carriage.ts';
import { Rotation } from './certificates/rotation.ts';
import { CheckList } from './checks/check-list.ts';
import { Connections } from './connections.ts';
import { type Disturbable, disturb } from './disturbances.ts';
import { Host, type Sabotage } from './host.ts';
import { HostEvents } from './host-events.ts';
import { kernelChanged } from './kernel-changes.ts';
import { RandomStream } from './random-stream.ts';
import type { Scenario } from './scenario.ts';
import { type Counts, SimulatedWorld } from './simulated-world.ts';
import { nodeAddress } from './topology.ts';
import { startTraffic } from './traffic.ts';
import type { Violation } from './world.ts';

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
  readonly counts: Readonly<Counts>;
  /** How often each excuse was needed. */
  readonly excused: Readonly<Record<string, number>>;
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

/** The course of a scenario: a phase of faults, a calm in which everything must heal, and a while of watching. */
class Simulation {
  readonly #world: SimulatedWorld;
  readonly #checks: CheckList;
  readonly #carriage: Carriage;
  readonly #connections: Connections;

  constructor(scenario: Scenario, { print, sabotage }: SimulationOptions) {
    const world = new SimulatedWorld(scenario, print);
    this.#world = world;
    this.#checks = new CheckList(world);
    this.#carriage = new Carriage(world, this.#checks);
    this.#connections = new Connections(world, this.#checks);
    const events = new HostEvents(world, this.#checks, (host, path, bytes) => this.#carriage.carry(host, path, bytes));
    const refusals = new RandomStream(scenario.seed, 'refusals');
    for (let node = 0; node < scenario.nodes; node += 1) this.#addHost(node, events, refusals, sabotage);
    world.rotation = this.#rotation();
  }

  run(): Outcome {
    const world = this.#world;
    const { scenario, clock } = world;
    const starts = new RandomStream(scenario.seed, 'starts');
    for (const host of world.hosts) host.wallOffsetMs = scenario.wallOffsetsMs?.[host.node] ?? 0;
    for (const host of world.hosts)
      clock.after(starts.below(LATEST_START_MS), () => this.#connections.start(host.node));
    const disturbable = this.#disturbable();
    for (const disturbance of scenario.disturbances) {
      clock.after(disturbance.atMs, () => disturb(disturbable, disturbance));
    }
    const traffic = new RandomStream(scenario.seed, 'traffic');
    const after = (delayMs: number, callback: () => void): void => void clock.after(delayMs, callback);
    startTraffic(world.flows, scenario, traffic, after, (flow) => this.#carriage.sendPacket(flow));
    clock.after(TICK_MS, () => this.#tick());
    this.#runUntil(scenario.calmAtMs);
    this.#becalm();
    while (world.phase === 'settling' && world.violation === undefined) this.#runUntil(clock.elapsedMs + TICK_MS);
    this.#runUntil(clock.elapsedMs + WATCH_MS);
    return this.#outcome();
  }

  #outcome(): Outcome {
    const { scenario, violation, trace, counts } = this.#world;
    return {
      seed: scenario.seed,
      violation,
      traceHash: trace.hash,
      trace: violation === undefined ? [] : trace.lines(),
      settledInMs: this.#checks.convergence.settledInMs,
      counts,
      excused: Object.fromEntries(this.#checks.reception.excused),
    };
  }

  #addHost(node: number, observer: HostEvents, refusals: RandomStream, sabotage: Sabotage | undefined): void {
    const world = this.#world;
    const { seed, certificates, cookieThreshold, unselectedGraceMs, kernelRefusals } = world.scenario;
    const addresses = [nodeAddress(node, 4), nodeAddress(node, 6)];
    const host = new Host({
      node,
      seed,
      slowestVerificationMs: certificates?.slowestVerificationMs,
      cookieThreshold: cookieThreshold ?? DEFAULT_LIMITS.cookieThreshold,
      unselectedGraceMs: unselectedGraceMs ?? DEFAULT_LIMITS.unselectedGraceMs,
      clock: world.clock,
      observer,
      refuses: () => world.phase === 'disturbed' && refusals.chance(kernelRefusals),
      addresses,
      sabotage,
    });
    world.addHost(host, addresses);
  }

  #rotation(): Rotation | undefined {
    const world = this.#world;
    const { scenario, clock } = world;
    const { certificates: plan, nodes } = scenario;
    return (
      plan &&
      new Rotation({
        plan,
        nodes,
        clock,
        random: new RandomStream(scenario.seed, 'rotation'),
        wallMs: (node) => clock.wallMs() + world.hostOf(node).wallOffsetMs,
        changed: (node) => this.#connections.proveAnew(node),
        note: (node, text) => world.note(node, text),
      })
    );
  }

  #disturbable(): Disturbable {
    const world = this.#world;
    const { clock, nat, rotation, ledger, scenario } = world;
    const connections = this.#connections;
    return {
      clock,
      nat,
      rotation,
      network: this.#carriage.network,
      calmAtMs: scenario.calmAtMs,
      hostOf: (node) => world.hostOf(node),
      pairOf: (pair) => world.pairOf(pair),
      note: (node, text) => world.note(node, text),
      ordered: (pair) => ledger.noteCause(pair, 'order', clock.monotonicMs()),
      distrusting: (node) => {
        const { name } = world.hostOf(node);
        for (const host of world.hosts) ledger.noteDistrust(name, host.name, clock.monotonicMs());
      },
      powerOff: (node) => this.#powerOff(node),
      start: (node) => connections.start(node),
      configure: (pair, side, how) => connections.configure(pair, side, how),
    };
  }

  #powerOff(node: number): void {
    const world = this.#world;
    const { ledger, clock } = world;
    const host = world.hostOf(node);
    const nowMs = clock.monotonicMs();
    for (const state of host.kernel.kernel.states.all()) {
      if (!state.larval && world.hostAt(state.id.destination) === host) {
        ledger.noteGone(state.id, { cause: 'reboot', atMs: nowMs });
      }
    }
    ledger.noteReboot(node, nowMs);
    world.forEachConnection(node, (pair, side) => {
      ledger.noteCause(pair, 'reboot', nowMs);
      world.setWanted(pair, side, false);
    });
    host.powerOff();
    kernelChanged(world, this.#checks, host);
  }

  /** All faults end; who is down comes up; what was taken out comes back. */
  #becalm(): void {
    const world = this.#world;
    if (world.violation !== undefined) return;
    world.phase = 'settling';
    this.#carriage.network.calm();
    for (const host of world.hosts) {
      host.wallOffsetMs = 0;
      host.verifierFault = undefined;
      world.rotation?.recover(host.node);
    }
    for (const host of world.hosts) this.#connections.start(host.node);
    for (const pair of world.scenario.pairs.keys()) {
      for (const side of [0, 1] as const) this.#connections.configure(pair, side, 'add');
    }
  }

  #tick(): void {
    const world = this.#world;
    this.#checks.tick(world.hosts.map((host) => host.status()));
    const isSettled = this.#checks.convergence.settledInMs !== undefined && !this.#checks.certificates.isPending;
    if (world.phase === 'settling' && isSettled) world.phase = 'watched';
    world.clock.after(TICK_MS, () => this.#tick());
  }

  #runUntil(untilMs: number): void {
    const world = this.#world;
    const { clock } = world;
    let steps = 0;
    let lastMs = -1;
    try {
      while (world.violation === undefined && clock.step(untilMs)) {
        this.#checks.eventEnded();
        steps = clock.elapsedMs === lastMs ? steps + 1 : 0;
        lastMs = clock.elapsedMs;
        if (steps > MOST_STEPS_AT_ONCE) {
          world.violate('progress', 'the endpoints go round in circles without time passing');
        }
      }
    } catch (error) {
      world.violate('noThrow', error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
  }
}

const LATEST_START_MS = 3_000;
const TICK_MS = 1_000;
/** How long settled pairs are watched: replacements of most lifetimes occur in it. */
const WATCH_MS = 60_000;
const MOST_STEPS_AT_ONCE = 5_000;
