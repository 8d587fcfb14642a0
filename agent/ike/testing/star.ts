import { toyProvider } from '../../crypto/toy/toy-provider.ts';
import { MemoryDataplane } from '../../dataplane/memory.ts';
import { ownReqid } from '../../dataplane/ownership.ts';
import { type IpAddress, ipAddressFromBytes } from '../../wire/ip-address.ts';
import { createEndpoint } from '../endpoint.ts';
import type { Fact } from '../fact.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import type { Command, ConnectionConfig, ConnectionStatus, Endpoint, IkeEvent, Path } from '../types.ts';
import { address, childConfig, connectionConfig, present, seededRandom } from './pair.ts';

const NODE = { name: 'node', address: address('10.0.0.1') };
const EMPTY = { sas: [], policies: [] };
/** Of IKE_SA_INIT requests, which are the only messages without the responder's SPI. */
const RESPONDER_SPI = { from: 8, to: 16 };

/** A node with many peers, and its kernel. One endpoint plays all peers; what is sent arrives at once. */
export class Star {
  at = 1_000;
  readonly node = endpoint(1);
  readonly kernel = new MemoryDataplane({ clock: { monotonicMs: () => this.at, wallMs: () => this.at } });
  readonly facts: Fact[] = [];
  /** What the node wanted of the runtime for its last command, by kind. */
  readonly begun: { readonly at: number; readonly peer: number }[] = [];
  /** Peers that hear nothing. */
  readonly silent = new Set<number>();
  readonly #peers = endpoint(2);
  readonly #wire: { readonly to: Endpoint; readonly path: Path; readonly bytes: Uint8Array }[] = [];

  /** The node is told of its peers, numbered from 0, at once; `changes` apply to its connections. */
  constructor(peers: number, changes: Partial<ConnectionConfig> = {}) {
    this.kernel.onEvent((event) => this.#handle(this.node, { kind: 'kernel', event }));
    const numbers = Array.from({ length: peers }, (_, number) => number);
    for (const number of numbers) {
      const connection = connectionConfig(peerOf(number), NODE, { name: `node-${number}`, initiation: 'respond' });
      this.#handle(this.#peers, { kind: 'command', command: { kind: 'addConnection', connection } });
    }
    this.command({
      kind: 'start',
      connections: numbers.map((each) => this.connection(each, changes)),
      snapshot: EMPTY,
    });
  }

  /** The node's connection to a peer. */
  connection(number: number, changes: Partial<ConnectionConfig> = {}): ConnectionConfig {
    return connectionConfig(NODE, peerOf(number), {
      children: [childConfig({ reqid: ownReqid(number) })],
      ...changes,
    });
  }

  command(command: Command): void {
    this.#handle(this.node, { kind: 'command', command });
    this.#deliver();
  }

  /** Moves the clock on. */
  advance(ms: number): this {
    const until = this.at + ms;
    for (;;) {
      const due = [this.node, this.#peers].map((each) => each.nextDeadline() ?? Number.POSITIVE_INFINITY);
      const next = Math.min(...due, this.kernel.nextDeadline() ?? Number.POSITIVE_INFINITY);
      if (next > until) break;
      this.at = Math.max(this.at, next);
      this.kernel.advance();
      for (const each of [this.node, this.#peers]) {
        if ((each.nextDeadline() ?? Number.POSITIVE_INFINITY) <= this.at) this.#handle(each, { kind: 'deadline' });
      }
      this.#deliver();
    }
    this.at = until;
    return this;
  }

  /** A packet of the node to a peer; whether it left encrypted. */
  send(number: number): boolean {
    const fate = this.kernel.outbound({
      kind: 'plain',
      source: NODE.address,
      destination: peerOf(number).address,
      protocol: 17,
      sourcePort: 4_000,
      destinationPort: 5_000,
      payloadBytes: 100,
    });
    this.advance(0);
    return fate.kind === 'esp';
  }

  /** Numbers of the peers with which there is an IKE SA. */
  established(): readonly number[] {
    return this.#connections().flatMap(({ name, ikeSas }) =>
      ikeSas.some(({ state }) => state === 'established') ? [Number(name.slice('peer-'.length))] : [],
    );
  }

  #connections(): readonly ConnectionStatus[] {
    return this.node.status(this.at).connections;
  }

  #deliver(): void {
    for (let next = this.#wire.shift(); next !== undefined; next = this.#wire.shift()) {
      this.#handle(next.to, { kind: 'datagram', path: next.path, bytes: next.bytes });
    }
  }

  #handle(on: Endpoint, event: IkeEvent): void {
    for (const action of on.handle(this.at, event)) {
      if (action.kind === 'transmit') this.#transmit(on, action.path, action.bytes);
      if (action.kind === 'report' && on === this.node) this.facts.push(action.fact);
      if (action.kind !== 'dataplane' || on !== this.node) continue;
      const done = this.kernel.execute(action.command);
      if (!done.ok) throw new Error(done.error.message);
    }
  }

  #transmit(from: Endpoint, path: Path, bytes: Uint8Array): void {
    const peer = numberOf(from === this.node ? path.remoteAddress : path.localAddress);
    const isFirst = bytes.subarray(RESPONDER_SPI.from, RESPONDER_SPI.to).every((byte) => byte === 0);
    if (from === this.node && isFirst) this.begun.push({ at: this.at, peer });
    if (this.silent.has(peer)) return;
    const { localAddress, localPort, remoteAddress, remotePort } = path;
    this.#wire.push({
      to: from === this.node ? this.#peers : this.node,
      path: { localAddress: remoteAddress, localPort: remotePort, remoteAddress: localAddress, remotePort: localPort },
      bytes,
    });
  }
}

function endpoint(seed: number): Endpoint {
  const stream = (number: number) => seededRandom(seed * 1_000 + number);
  return createEndpoint({
    crypto: toyProvider,
    random: { keys: stream(1), nonces: stream(2), spis: stream(3), jitter: stream(4) },
    limits: DEFAULT_LIMITS,
    instance: { bootId: new Uint8Array(16).fill(seed), instance: new Uint8Array(8).fill(seed) },
  });
}

function peerOf(number: number): { readonly name: string; readonly address: IpAddress } {
  const bytes = new Uint8Array([10, 1 + (number >> 16), (number >> 8) & 0xff, number & 0xff]);
  return { name: `peer-${number}`, address: ipAddressFromBytes(bytes) };
}

function numberOf(peer: IpAddress): number {
  const [, high, middle, low] = peer.split('.').map(Number);
  return ((present(high) - 1) << 16) | (present(middle) << 8) | present(low);
}
