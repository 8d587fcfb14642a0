import type { DataplaneCommand, DataplaneEvent } from '../dataplane/types.ts';
import type { Fact } from '../ike/fact.ts';
import type { Path, VerificationJob } from '../ike/types.ts';
import type { CheckList } from './checks/check-list.ts';
import type { ExpiredSa, Host, HostObserver, VerificationOutcome } from './host.ts';
import { kernelChanged } from './kernel-changes.ts';
import type { Cause } from './ledger.ts';
import type { SimulatedWorld } from './simulated-world.ts';
import { nodeName, otherSide } from './topology.ts';
import { udpPacketOf } from './traffic.ts';

/** Writes down what happens on hosts, in the trace and the ledger, and tells the checks. */
export class HostEvents implements HostObserver {
  readonly #world: SimulatedWorld;
  readonly #checks: CheckList;
  readonly #carry: (host: Host, path: Path, bytes: Uint8Array) => void;

  /** `carry` takes the datagrams that hosts send. */
  constructor(world: SimulatedWorld, checks: CheckList, carry: (host: Host, path: Path, bytes: Uint8Array) => void) {
    this.#world = world;
    this.#checks = checks;
    this.#carry = carry;
  }

  transmitted(host: Host, path: Path, bytes: Uint8Array): void {
    const world = this.#world;
    const to = world.hostAt(path.remoteAddress)?.name ?? path.remoteAddress;
    world.counts.datagrams += 1;
    world.trace.add(world.clock.elapsedMs, { kind: 'sent', node: host.name, to, bytes });
    if (host.kernel.outbound(udpPacketOf(path, bytes)).kind !== 'plain') {
      world.violate('ikePasses', `${host.name}'s policies hold back IKE itself, from port ${path.localPort}`);
    }
    this.#checks.datagramSent(host, path, bytes);
    this.#carry(host, path, bytes);
  }

  keptAlive(host: Host, path: Path): void {
    const { nat } = this.#world;
    if (nat?.node === host.node) nat.outwardPath(path);
  }

  commanded(host: Host, command: DataplaneCommand, refusal: string): void {
    const world = this.#world;
    const { ledger, clock } = world;
    world.trace.add(clock.elapsedMs, { kind: 'command', node: host.name, command, refused: refusal });
    if (refusal !== '') {
      this.#noteRefusal(host, command);
      return;
    }
    ledger.refusalsOf(host.node).makeGood(command, clock.monotonicMs());
    if (command.kind === 'addSa' && world.hostAt(command.sa.id.destination) === host) {
      ledger.noteInstalled(command.sa.id, clock.monotonicMs());
    }
    if (command.kind === 'deleteSa' && world.hostAt(command.id.destination) === host) {
      ledger.noteGone(command.id, { cause: 'agent', atMs: clock.monotonicMs() });
    }
    if (command.kind !== 'queryCounters') kernelChanged(world, this.#checks, host);
  }

  kernelTold(host: Host, event: DataplaneEvent): void {
    const { trace, clock } = this.#world;
    trace.add(clock.elapsedMs, { kind: 'event', node: host.name, event });
  }

  noted(host: Host, fact: Fact): void {
    const world = this.#world;
    world.trace.add(world.clock.elapsedMs, { kind: 'fact', node: host.name, fact });
    if (fact.kind === 'datagramDropped') world.lastDatagramRead = false;
    if (fact.kind === 'childSaEstablished') world.counts.childSas += 1;
    if (fact.kind === 'ikeSaClosed' && fact.reason === 'peerDead') this.#notePeerDead(host, fact.connection);
    this.#checks.noted(host, fact);
  }

  verified(host: Host, job: VerificationJob, outcome: VerificationOutcome): void {
    this.#checks.verified(host, job, outcome);
  }

  expired(host: Host, sas: readonly ExpiredSa[]): void {
    const world = this.#world;
    const atMs = world.clock.monotonicMs();
    for (const { id, reqid } of sas) {
      this.#noteCause(reqid, 'hardLimit');
      if (world.hostAt(id.destination) === host) world.ledger.noteGone(id, { cause: 'hardLimit', atMs });
    }
    kernelChanged(world, this.#checks, host);
  }

  defect(host: Host, error: unknown): void {
    this.#world.violate('noThrow', `${host.name}: ${error instanceof Error ? error.stack : String(error)}`);
  }

  #notePeerDead(host: Host, connection: string): void {
    const { ledger, clock, scenario } = this.#world;
    this.#world.forEachConnection(host.node, (pair, side) => {
      const peer = nodeName(scenario.pairs[pair]?.nodes[otherSide(side)] ?? 0);
      if (peer === connection) ledger.noteCause(pair, 'peerDead', clock.monotonicMs());
    });
  }

  #noteRefusal(host: Host, command: DataplaneCommand): void {
    const { ledger, clock } = this.#world;
    ledger.refusalsOf(host.node).note(command, clock.monotonicMs());
    if (command.kind === 'addSa') this.#noteCause(command.sa.reqid, 'refusal');
    if (command.kind === 'putPolicy') this.#noteCause(command.policy.template?.reqid, 'refusal');
  }

  #noteCause(reqid: number | undefined, cause: Cause): void {
    const { flows, ledger, clock } = this.#world;
    const pair = flows.find((flow) => flow.reqid === reqid)?.pair;
    if (pair !== undefined) ledger.noteCause(pair, cause, clock.monotonicMs());
  }
}
