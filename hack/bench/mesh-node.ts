import { opensslProvider } from '../../agent/crypto/openssl/openssl-provider.ts';
import { SecretBytes } from '../../agent/crypto/secret.ts';
import type { DataplaneCommand, PolicyKey, PolicySpec, SaId, SaSpec } from '../../agent/dataplane/types.ts';
import { createEndpoint } from '../../agent/ike/endpoint.ts';
import type { Fact } from '../../agent/ike/fact.ts';
import { DEFAULT_LIMITS } from '../../agent/ike/limits.ts';
import type {
  Command,
  ConnectionConfig,
  Endpoint,
  EndpointStatus,
  IkeAction,
  IkeEvent,
  Path,
} from '../../agent/ike/types.ts';
import { initiationBetween } from '../../agent/mesh/initiation.ts';
import { systemClock } from '../../agent/runtime/clock-system.ts';
import { systemRandom } from '../../agent/runtime/random-system.ts';
import { CertificateVerifier } from '../../agent/runtime/verifier.ts';
import { Meter } from './measure.ts';
import { certifiedConnections } from './mesh-certificates.ts';

/**
 * One node of a mesh, in virtual time, with the real core, codec, cryptography and certificates. Its peers are played by
 * one other endpoint; what is sent arrives a millisecond later. Only the node's own processor time is measured.
 */
export class MeshNode {
  readonly meter = new Meter();
  readonly facts = new Map<Fact['kind'], number>();
  /** Longest processor time in which the node did nothing but one turn's events, in seconds. */
  #longestTurn = 0;
  #at = 0;
  readonly #node = endpoint(1);
  readonly #peers = endpoint(2);
  readonly #nodeVerifier = new CertificateVerifier(systemClock);
  readonly #peersVerifier = new CertificateVerifier(systemClock);
  readonly #wire: { readonly at: number; readonly to: Endpoint; readonly event: IkeEvent }[] = [];
  /** Inbound SAs of the node, by what is rekeyed. */
  readonly #inbound = new Map<number, { readonly id: SaId; readonly reqid: number }>();
  readonly #names: readonly string[];
  readonly connections: readonly ConnectionConfig[];
  /** What the node has ordered its kernel to have: one policy for each selector, as it is now. */
  readonly installed = { sas: new Map<string, SaSpec>(), policies: new Map<string, PolicySpec>() };

  /** Both sides know one another; nobody has begun yet. */
  constructor(peers: number) {
    const connections = certifiedConnections(peers);
    this.#names = connections.map(({ node }) => node.name);
    this.connections = connections.map(({ node }) => node);
    const begins = connections.map(({ node, peer }) => ({
      node: { ...node, initiation: initiationBetween(node.localIdentity, node.remoteIdentity, 'Always') },
      peer: { ...peer, initiation: initiationBetween(peer.localIdentity, peer.remoteIdentity, 'Always') },
    }));
    for (const { peer } of begins) {
      this.#handle(this.#peers, { kind: 'command', command: { kind: 'addConnection', connection: peer } });
    }
    const start: Command = { kind: 'start', connections: begins.map(({ node }) => node), snapshot: EMPTY };
    this.#handle(this.#node, { kind: 'command', command: start });
  }

  /** Most seconds of processor time that a datagram waits behind others of the same moment. */
  get longestTurnSeconds(): number {
    return this.#longestTurn;
  }

  /** A picture of the node at this moment of its time. */
  status(): { readonly now: number; readonly endpoint: EndpointStatus } {
    return { now: this.#at, endpoint: this.#node.status(this.#at) };
  }

  count(kind: Fact['kind']): number {
    return this.facts.get(kind) ?? 0;
  }

  /** Moves the clock on. */
  advance(ms: number): void {
    const until = this.#at + ms;
    for (;;) {
      const deadlines = [this.#node.nextDeadline(), this.#peers.nextDeadline(), this.#wire[0]?.at];
      const next = Math.min(...deadlines.map((each) => each ?? Number.POSITIVE_INFINITY));
      if (next > until) break;
      this.#at = Math.max(this.#at, next);
      const before = this.meter.seconds;
      this.#turn();
      this.#longestTurn = Math.max(this.#longestTurn, this.meter.seconds - before);
    }
    this.#at = until;
  }

  /** The kernel says of every inbound SA that it has reached its soft limit, one after the other within `spreadMs`. */
  expireChildSas(spreadMs: number): void {
    const due = [...this.#inbound.values()];
    for (const { id, reqid } of due) {
      this.#handle(this.#node, { kind: 'kernel', event: { kind: 'expire', id, reqid, hard: false } });
      this.advance(spreadMs / due.length);
    }
  }

  /** The lifetime of every IKE SA is over, one after the other within `spreadMs`. */
  rekeyIkeSas(spreadMs: number): void {
    for (const name of this.#names) {
      this.#handle(this.#node, { kind: 'command', command: { kind: 'rekey', name } });
      this.advance(spreadMs / this.#names.length);
    }
  }

  /** Everything that is due at this moment. */
  #turn(): void {
    for (let next = this.#wire[0]; next !== undefined && next.at <= this.#at; next = this.#wire[0]) {
      this.#wire.shift();
      this.#handle(next.to, next.event);
    }
    for (const end of [this.#node, this.#peers]) {
      for (let due = end.nextDeadline(); due !== undefined && due <= this.#at; due = end.nextDeadline()) {
        this.#handle(end, { kind: 'deadline' });
      }
    }
  }

  #handle(end: Endpoint, event: IkeEvent): void {
    const handle = (): readonly IkeAction[] => {
      const actions = end.handle(this.#at, event);
      // The agent arms its timer after each event; finding out for when is part of the work.
      end.nextDeadline();
      return actions;
    };
    const actions = end === this.#node ? this.meter.measure(handle) : handle();
    for (const action of actions) this.#carryOut(end, action);
  }

  #carryOut(end: Endpoint, action: IkeAction): void {
    const ofNode = end === this.#node;
    switch (action.kind) {
      case 'transmit': {
        const event: IkeEvent = { kind: 'datagram', path: seenFromTheOtherEnd(action.path), bytes: action.bytes };
        this.#wire.push({ at: this.#at + LATENCY_MS, to: ofNode ? this.#peers : this.#node, event });
        return;
      }
      case 'dataplane':
        this.#execute(ofNode, action.command);
        return;
      case 'report':
        if (ofNode) this.facts.set(action.fact.kind, this.count(action.fact.kind) + 1);
        return;
      case 'verify': {
        const { job } = action;
        const outcome = ofNode
          ? this.meter.measure(() => this.#nodeVerifier.check(job))
          : this.#peersVerifier.check(job);
        this.#handle(end, { kind: 'verified', job: job.id, outcome });
        return;
      }
      case 'keepalive':
        return;
    }
  }

  /** The kernel's own time and memory are not the agent's. */
  #execute(ofNode: boolean, command: DataplaneCommand): void {
    if (command.kind === 'deleteSa') this.#inbound.delete(command.id.spi);
    if (ofNode) this.#note(command);
    if (command.kind !== 'addSa') return;
    const { sa } = command;
    sa.encryptionKey.wipe();
    sa.integrityKey.wipe();
    if (ofNode && sa.direction === 'in') this.#inbound.set(sa.id.spi, { id: sa.id, reqid: sa.reqid });
  }

  #note(command: DataplaneCommand): void {
    const { sas, policies } = this.installed;
    if (command.kind === 'addSa') sas.set(saText(command.sa.id), withoutKeys(command.sa));
    if (command.kind === 'deleteSa') sas.delete(saText(command.id));
    if (command.kind === 'putPolicy') policies.set(policyText(command.policy), command.policy);
    if (command.kind === 'deletePolicy') policies.delete(policyText(command.key));
  }
}

/** With zeros for keys, which the kernel wipes. */
function withoutKeys(sa: SaSpec): SaSpec {
  const zeros = ({ length }: SecretBytes): SecretBytes => new SecretBytes(new Uint8Array(length));
  return { ...sa, encryptionKey: zeros(sa.encryptionKey), integrityKey: zeros(sa.integrityKey) };
}

function saText({ destination, spi }: SaId): string {
  return `${destination} ${spi}`;
}

function policyText({ direction, selector }: PolicyKey): string {
  return JSON.stringify([direction, selector]);
}

function endpoint(number: number): Endpoint {
  const random = { keys: systemRandom, nonces: systemRandom, spis: systemRandom, jitter: systemRandom };
  const instance = { bootId: new Uint8Array(16).fill(number), instance: new Uint8Array(8).fill(number) };
  return createEndpoint({ crypto: opensslProvider, random, limits: DEFAULT_LIMITS, instance });
}

function seenFromTheOtherEnd({ localAddress, localPort, remoteAddress, remotePort }: Path): Path {
  return { localAddress: remoteAddress, localPort: remotePort, remoteAddress: localAddress, remotePort: localPort };
}

const EMPTY = { sas: [], policies: [] };
const LATENCY_MS = 1;
