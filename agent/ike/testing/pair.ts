import { SecretBytes } from '../../crypto/secret.ts';
import { algorithmByKeyword } from '../../crypto/suites.ts';
import { toyProvider } from '../../crypto/toy/toy-provider.ts';
import type { CryptoProvider, Random } from '../../crypto/types.ts';
import { refuseCommand } from '../../dataplane/execute.ts';
import type { EspPacket, Packet, PlainPacket } from '../../dataplane/memory/packet.ts';
import { MemoryDataplane } from '../../dataplane/memory.ts';
import type { DataplaneCommand, InstalledPolicy, InstalledSa } from '../../dataplane/types.ts';
import { err, type Result } from '../../result.ts';
import { bypassPolicies, isBypass } from '../../runtime/bypass.ts';
import { type IpAddress, parseZonedAddress } from '../../wire/ip-address.ts';
import { IdType } from '../../wire/registry.ts';
import { createEndpoint } from '../endpoint.ts';
import type { Fact } from '../fact.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { byPreSharedKey } from '../negotiation/authentication.ts';
import type {
  ChildConfig,
  Command,
  ConnectionConfig,
  ConnectionStatus,
  Endpoint,
  Identity,
  IkeAction,
  IkeEvent,
  Path,
  ProposalConfig,
  VerificationJob,
  VerificationRefusal,
} from '../types.ts';

/** A datagram under way between two sides. */
export interface Datagram {
  readonly from: Side;
  readonly path: Path;
  readonly bytes: Uint8Array;
  /** It may not be cut up. */
  readonly whole?: boolean;
}

/** An endpoint, its kernel, and everything that it wanted done, in order. */
export interface Side {
  readonly name: string;
  readonly address: IpAddress;
  readonly endpoint: Endpoint;
  readonly kernel: MemoryDataplane;
  /** What the kernel was told and did not refuse. */
  readonly commands: DataplaneCommand[];
  readonly facts: Fact[];
  readonly jobs: VerificationJob[];
  /** NAT keepalives that it sent. */
  readonly keepalives: { readonly at: number; readonly path: Path }[];
  /** Answers what the endpoint asks to be verified; where there is none, the test does. */
  verify: ((job: VerificationJob) => Result<void, VerificationRefusal>) | undefined;
  /** Decides whether the kernel refuses a command; the text is its message. */
  refuse: (command: DataplaneCommand) => string | undefined;
}

/** Rewrites addresses and ports of what leaves one side, as a NAT does, and back of what is sent to it. */
export interface Nat {
  readonly inside: Side;
  readonly publicAddress: IpAddress;
  /** Public port minus inside port. */
  readonly portShift: number;
}

/** A value that must be there. */
export function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('a value that must be there is missing');
  return value;
}

/** An IP address from its text. */
export function address(text: string): IpAddress {
  return present(parseZonedAddress(text));
}

/** An FQDN identity. */
export function fqdn(name: string): Identity {
  return { idType: IdType.ID_FQDN, data: new TextEncoder().encode(name) };
}

/** A proposal of the words of strongSwan's syntax. */
export function proposal(...words: readonly string[]): ProposalConfig {
  return {
    algorithms: words.map((word) => {
      const row = present(algorithmByKeyword(word));
      return { type: row.transformType, id: row.transformId, keyBits: row.keyBits };
    }),
  };
}

/** A Child in transport mode between the IKE addresses, changed as told. */
export function childConfig(changes: Partial<ChildConfig> = {}): ChildConfig {
  const anyTraffic = { protocol: 0, fromPort: 0, toPort: 65535 };
  return {
    name: 'hosts',
    mode: 'transport',
    local: [anyTraffic],
    remote: [anyTraffic],
    proposals: [proposal('aes256gcm16', 'esn', 'noesn')],
    reqid: 0x6000_0001,
    enforcement: 'Required',
    replayWindow: 1024,
    lifetime: { softSeconds: 3600, hardSeconds: 7200 },
    ...changes,
  };
}

/** A connection from `local` to `remote`, named after the peer, changed as told. */
export function connectionConfig(
  local: { readonly name: string; readonly address: IpAddress },
  remote: { readonly name: string; readonly address: IpAddress },
  changes: Partial<ConnectionConfig> = {},
): ConnectionConfig {
  return {
    name: remote.name,
    localAddress: local.address,
    remoteAddress: remote.address,
    remotePort: 500,
    localIdentity: fqdn(local.name),
    remoteIdentity: fqdn(remote.name),
    ...byPreSharedKey(new SecretBytes(new TextEncoder().encode('a secret between two sides'))),
    proposals: [proposal('aes256gcm16', 'prfsha384', 'x25519')],
    children: [childConfig()],
    initiation: 'start',
    natTraversal: 'Auto',
    liveness: LIVENESS,
    ikeLifetimeMs: 4 * 3_600_000,
    ...changes,
  };
}

/** What a connection of `connectionConfig` asks of its peer. */
export const LIVENESS = { intervalMs: 30_000, timeoutMs: 60_000 } as const;

/** A small deterministic generator (xorshift32) for tests. */
export function seededRandom(seed: number): Random {
  let state = seed | 1;
  return {
    fill(target) {
      for (let index = 0; index < target.length; index += 1) {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        target[index] = state & 0xff;
      }
    },
  };
}

/** What a pair is made with beside the defaults. */
export interface PairOptions {
  readonly crypto?: CryptoProvider;
  /** The right side's, where it has another one. */
  readonly rightCrypto?: CryptoProvider;
  readonly limits?: Partial<Limits>;
  readonly kernelSendsKeepalives?: boolean;
  /** Of the left and the right side; IPv4 where not given. */
  readonly addresses?: readonly [left: string, right: string];
  /** What their random numbers follow from. */
  readonly seeds?: readonly [left: number, right: number];
}

/** Two endpoints with a kernel each, a wire between them on which each datagram waits to be delivered, and a clock. */
export class Pair {
  at = 1_000;
  nat: Nat | undefined;
  /** Messages that are longer are lost, as where a router's word of them is not heard. */
  mostBytes: number = Number.POSITIVE_INFINITY;
  readonly left: Side;
  readonly right: Side;
  readonly wire: Datagram[] = [];
  /** Every datagram that was ever sent, in order. */
  readonly sent: Datagram[] = [];
  readonly #options: PairOptions;
  #boots = 1;
  #runs = 1;

  constructor(options: PairOptions = {}) {
    this.#options = options;
    const [left, right] = options.addresses ?? ['192.0.2.1', '192.0.2.2'];
    const [leftSeed, rightSeed] = options.seeds ?? [11, 22];
    this.left = this.#side('left', left, leftSeed);
    this.right = this.#side('right', right, rightSeed);
  }

  /** Gives both sides the matching connection; `changes` apply to one side each. */
  configure(left: Partial<ConnectionConfig> = {}, right: Partial<ConnectionConfig> = {}): this {
    this.configureLeft(left);
    this.configureRight(right);
    return this;
  }

  configureLeft(changes: Partial<ConnectionConfig> = {}): void {
    this.command(this.left, { kind: 'addConnection', connection: connectionConfig(this.left, this.right, changes) });
  }

  configureRight(changes: Partial<ConnectionConfig> = {}): void {
    const connection = connectionConfig(this.right, this.left, { initiation: 'respond', ...changes });
    this.command(this.right, { kind: 'addConnection', connection });
  }

  /** The side with nothing left of its memory; its kernel keeps what it has. */
  restarted(on: Side, seed: number): void {
    this.#runs += 1;
    const { endpoint } = this.#side(on.name, on.address, seed);
    Object.assign(on, { endpoint });
  }

  /** The side as after a reboot: neither agent nor kernel know anything. */
  rebooted(on: Side, seed: number): void {
    this.#boots += 1;
    this.#runs += 1;
    Object.assign(on, this.#side(on.name, on.address, seed));
  }

  other(side: Side): Side {
    return side === this.left ? this.right : this.left;
  }

  command(on: Side, command: Command): void {
    this.handle(on, { kind: 'command', command });
  }

  /** Lets one side take in an event and carries out its actions as the runtime does. */
  handle(on: Side, event: IkeEvent): void {
    const actions = on.endpoint.handle(this.at, event);
    for (const [index, action] of actions.entries()) {
      const failure = this.#execute(on, action);
      if (failure === undefined) continue;
      this.handle(on, { ...failure, dropped: actions.slice(index + 1) });
      return;
    }
    for (const action of actions) {
      if (action.kind !== 'verify' || on.verify === undefined) continue;
      this.handle(on, { kind: 'verified', job: action.job.id, outcome: on.verify(action.job) });
    }
  }

  /** Delivers the oldest datagram. */
  deliver(): Datagram {
    const datagram = present(this.wire.shift());
    this.deliverCopy(datagram);
    return datagram;
  }

  /** Delivers a datagram that need not be on the wire, changed or not. */
  deliverCopy(datagram: Datagram, bytes: Uint8Array = datagram.bytes): void {
    const path = this.#seenByReceiver(datagram);
    if (path === undefined || bytes.length > this.mostBytes) return;
    this.handle(this.other(datagram.from), { kind: 'datagram', path, bytes });
  }

  /** Hands bytes to a side as if the other one had sent them. */
  inject(to: Side, bytes: Uint8Array, port = 500): void {
    this.deliverCopy({ from: this.other(to), path: this.path(this.other(to), port), bytes });
  }

  /** The path from one side to the other. */
  path(from: Side, port = 500): Path {
    return {
      localAddress: from.address,
      localPort: port,
      remoteAddress: this.other(from).address,
      remotePort: port,
    };
  }

  /** Delivers until the wire is empty and nothing is due. */
  settle(): this {
    for (let step = 0; step < 1_000; step += 1) {
      if (this.wire.length > 0) this.deliver();
      else if (!this.#fire()) return this;
    }
    throw new Error('the two sides never come to rest');
  }

  /** Lets what is due happen without delivering anything. */
  fire(): void {
    for (let step = 0; step < 100; step += 1) if (!this.#fire()) return;
    throw new Error('a deadline stays due');
  }

  /** Moves the clock on, firing what falls due, and delivers what is sent. */
  advance(ms: number): this {
    this.#advance(ms, () => this.settle());
    return this;
  }

  /** Moves the clock on while everything that is sent is lost. */
  advanceLosing(ms: number): this {
    this.#advance(ms, () => {
      this.fire();
      this.wire.length = 0;
    });
    return this;
  }

  /** What a side's endpoint says about its only connection. */
  status(of: Side): ConnectionStatus {
    return present(of.endpoint.status(this.at).connections[0]);
  }

  /** SAs of ours in a side's kernel. */
  sas(of: Side): readonly InstalledSa[] {
    const dumped = of.kernel.dump();
    return dumped.ok ? dumped.value.sas : [];
  }

  /** SAs on which a side can still send. Those it receives on stay a while longer, for what is under way. */
  outbound(of: Side): readonly InstalledSa[] {
    return this.sas(of).filter((sa) => sa.source === of.address);
  }

  /** Policies of connections; the way of IKE itself is left out. */
  policies(of: Side): readonly InstalledPolicy[] {
    const dumped = of.kernel.dump();
    return dumped.ok ? dumped.value.policies.filter((policy) => !isBypass(policy)) : [];
  }

  /** What becomes of one packet between the two: it arrives encrypted, in plaintext, or it is lost somewhere. */
  packet(from: Side, packet: Partial<PlainPacket> = {}): 'encrypted' | 'plain' | 'blocked' | 'lost' {
    const to = this.other(from);
    const plain: PlainPacket = {
      kind: 'plain',
      source: from.address,
      destination: this.nat?.inside === to ? this.nat.publicAddress : to.address,
      protocol: 17,
      sourcePort: 4000,
      destinationPort: 5000,
      payloadBytes: 100,
      ...packet,
    };
    const sent = from.kernel.outbound(plain);
    if (sent.kind === 'dropped') return 'blocked';
    const onWire: Packet = sent.kind === 'plain' ? plain : this.#translated(from, sent.packet);
    const fate = to.kernel.inbound(onWire);
    if (fate.kind === 'dropped') return 'lost';
    return onWire.kind === 'esp' ? 'encrypted' : 'plain';
  }

  /** Whether packets pass encrypted in both directions. */
  encrypts(packet: Partial<PlainPacket> = {}): boolean {
    const back = { ...packet };
    if (packet.source !== undefined && packet.destination !== undefined) {
      Object.assign(back, { source: packet.destination, destination: packet.source });
    }
    return this.packet(this.left, packet) === 'encrypted' && this.packet(this.right, back) === 'encrypted';
  }

  #side(name: string, ip: string, seed: number): Side {
    const random = {
      keys: seededRandom(seed),
      nonces: seededRandom(seed + 100),
      spis: seededRandom(seed + 200),
      jitter: seededRandom(seed + 300),
    };
    // So that what follows an event is seen at once; tests of the grace have the limit of production.
    const limits = { ...DEFAULT_LIMITS, unselectedGraceMs: 0, ...this.#options.limits };
    const { crypto: leftCrypto = toyProvider, rightCrypto = leftCrypto } = this.#options;
    const { kernelSendsKeepalives = false } = this.#options;
    const crypto = name === 'right' ? rightCrypto : leftCrypto;
    const instance = { bootId: new Uint8Array(16).fill(this.#boots), instance: new Uint8Array(8).fill(this.#runs) };
    const clock = { monotonicMs: () => this.at, wallMs: () => 1_800_000_000_000 + this.at };
    const side: Side = {
      name,
      address: address(ip),
      endpoint: createEndpoint({ crypto, random, limits, instance, kernelSendsKeepalives }),
      kernel: new MemoryDataplane({ clock }),
      commands: [],
      facts: [],
      jobs: [],
      keepalives: [],
      verify: undefined,
      refuse: () => undefined,
    };
    for (const policy of bypassPolicies({ ike: 500, natTraversal: 4500 }, [side.address])) {
      side.kernel.execute({ kind: 'putPolicy', policy });
    }
    side.kernel.onEvent((event) => this.handle(side, { kind: 'kernel', event }));
    return side;
  }

  #advance(ms: number, rest: () => void): void {
    const until = this.at + ms;
    for (;;) {
      rest();
      const deadlines = [this.left, this.right].flatMap((on) => [on.endpoint.nextDeadline(), on.kernel.nextDeadline()]);
      const next = Math.min(...deadlines.map((deadline) => deadline ?? until));
      if (next >= until) break;
      this.at = Math.max(this.at, next);
    }
    this.at = until;
    rest();
  }

  #fire(): boolean {
    let fired = false;
    for (const on of [this.left, this.right]) {
      const kernel = on.kernel.nextDeadline();
      if (kernel !== undefined && kernel <= this.at) {
        on.kernel.advance();
        fired = true;
      }
      const next = on.endpoint.nextDeadline();
      if (next === undefined || next > this.at) continue;
      this.handle(on, { kind: 'deadline' });
      fired = true;
    }
    return fired;
  }

  /** Undefined for what a NAT does not let in. */
  #seenByReceiver({ from, path }: Datagram): Path | undefined {
    const { nat } = this;
    const seen: Path = {
      localAddress: path.remoteAddress,
      localPort: path.remotePort,
      remoteAddress: path.localAddress,
      remotePort: path.localPort,
    };
    if (nat === undefined) return seen;
    if (from === nat.inside) {
      return { ...seen, remoteAddress: nat.publicAddress, remotePort: path.localPort + nat.portShift };
    }
    if (path.remoteAddress !== nat.publicAddress) return undefined;
    return { ...seen, localAddress: nat.inside.address, localPort: path.remotePort - nat.portShift };
  }

  #translated(from: Side, packet: EspPacket): EspPacket {
    const { nat } = this;
    if (nat === undefined) return packet;
    const { udp, inner, mode } = packet;
    if (udp === undefined) throw new Error('a NAT does not let bare ESP pass');
    const [source, destination] =
      from === nat.inside
        ? [nat.publicAddress, packet.destination]
        : [packet.source, packet.destination === nat.publicAddress ? nat.inside.address : packet.destination];
    const shift = from === nat.inside ? { sourcePort: udp.sourcePort + nat.portShift } : {};
    const back = from === nat.inside ? {} : { destinationPort: udp.destinationPort - nat.portShift };
    return {
      ...packet,
      source,
      destination,
      udp: { ...udp, ...shift, ...back },
      // In transport mode the outer header becomes that of the packet.
      inner: mode === 'transport' ? { ...inner, source, destination } : inner,
    };
  }

  #execute(on: Side, action: IkeAction): Omit<Extract<IkeEvent, { kind: 'dataplaneFailed' }>, 'dropped'> | undefined {
    switch (action.kind) {
      case 'transmit': {
        const { path, bytes, doNotFragment: whole = false } = action;
        const datagram = { from: on, path, bytes: bytes.slice(), ...(whole && { whole }) };
        this.wire.push(datagram);
        this.sent.push(datagram);
        return undefined;
      }
      case 'keepalive':
        on.keepalives.push({ at: this.at, path: action.path });
        return undefined;
      case 'report':
        on.facts.push(action.fact);
        return undefined;
      case 'verify':
        on.jobs.push(action.job);
        return undefined;
      case 'dataplane': {
        const { command, owner } = action;
        const reason = on.refuse(command);
        const outcome =
          reason === undefined ? on.kernel.execute(command) : err(refuseCommand(command, { errno: 'ENOMEM', reason }));
        if (!outcome.ok) return { kind: 'dataplaneFailed', command, owner, error: outcome.error };
        on.commands.push(command);
        return undefined;
      }
    }
  }
}
