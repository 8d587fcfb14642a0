import { toyProvider } from '../crypto/toy/toy-provider.ts';
import type { InboundFate, OutboundFate, Packet, PlainPacket } from '../dataplane/memory/packet.ts';
import { MemoryDataplane } from '../dataplane/memory.ts';
import { ownIndexSequence } from '../dataplane/ownership.ts';
import type { DataplaneCommand, DataplaneEvent, KernelSnapshot, SaId } from '../dataplane/types.ts';
import { createEndpoint } from '../ike/endpoint.ts';
import type { Fact } from '../ike/fact.ts';
import { DEFAULT_LIMITS } from '../ike/limits.ts';
import type {
  Command,
  ConnectionConfig,
  Endpoint,
  EndpointStatus,
  IkeAction,
  IkeEvent,
  Path,
  VerificationJob,
} from '../ike/types.ts';
import type { Clock, Dataplane, Verifier } from '../ports.ts';
import { bypassPolicies, isBypass } from '../runtime/bypass.ts';
import { KernelWatch } from '../runtime/kernel-watch.ts';
import { Loop } from '../runtime/loop.ts';
import { type PeerReport, statusReport } from '../runtime/status/report.ts';
import type { IpAddress } from '../wire/ip-address.ts';
import { SimulatedVerifier, type VerifierFault } from './certificates/simulated-verifier.ts';
import { RandomStream } from './random-stream.ts';
import { nodeName } from './topology.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** An SA that a kernel has ended by itself. */
export interface ExpiredSa {
  readonly id: SaId;
  readonly reqid: number;
}

/** Receives everything that happens on a host. */
export interface HostObserver {
  transmitted(host: Host, path: Path, bytes: Uint8Array): void;
  /** A NAT keepalive has been sent. */
  keptAlive(host: Host, path: Path): void;
  /** After a command; `refusal` is the kernel's text, empty where it obeyed. */
  commanded(host: Host, command: DataplaneCommand, refusal: string): void;
  kernelTold(host: Host, event: DataplaneEvent): void;
  noted(host: Host, fact: Fact): void;
  /** A verification has come to an answer, of which the core hears next. */
  verified(host: Host, job: VerificationJob, outcome: VerificationOutcome): void;
  /** SAs that the kernel ended by itself. */
  expired(host: Host, sas: readonly ExpiredSa[]): void;
  /** The core threw. */
  defect(host: Host, error: unknown): void;
}

/** What a verifier says. */
export type VerificationOutcome = Extract<IkeEvent, { kind: 'verified' }>['outcome'];

/** Ways to break a host on purpose, to see that somebody notices. */
export interface Sabotage {
  endpoint?(endpoint: Endpoint): Endpoint;
  dataplane?(dataplane: Dataplane): Dataplane;
  verifier?(verifier: Verifier): Verifier;
  clock?(clock: Clock): Clock;
}

/** What a host is made of. */
export interface HostParts {
  readonly node: number;
  readonly seed: number;
  /** Half-open IKE SAs from which on cookies are demanded. */
  readonly cookieThreshold: number;
  /** How long an outbound SA stays that no policy selects any more. */
  readonly unselectedGraceMs: number;
  /** The longest that a verification takes; undefined where there are no certificates. */
  readonly slowestVerificationMs: number | undefined;
  readonly clock: VirtualClock;
  readonly observer: HostObserver;
  /** Asked before each command of the agent. */
  readonly refuses: (command: DataplaneCommand) => boolean;
  readonly addresses: readonly IpAddress[];
  readonly sabotage: Sabotage | undefined;
}

/** A node: a kernel that outlives its agents, and an agent that comes and goes, run by the loop that runs it for real. */
export class Host {
  readonly node: number;
  readonly name: string;
  /** What the agent is configured for, by the peer's name. */
  readonly configured = new Map<string, ConnectionConfig>();
  /** Counts the starts of the agent. */
  incarnation = 0;
  /** When the agent was last started, by the clock. */
  startedAtMs = 0;
  /** When it was last killed; undefined if it never was. */
  stoppedAtMs: number | undefined;
  /** False while the machine is down. */
  powered = true;
  /** SAs that were installed along with an answer to the peer: the peer installs its own only when that has come. */
  readonly granted = new Set<number>();
  /** By how much its clock on the wall is fast. */
  wallOffsetMs = 0;
  /** What is wrong with its verifier. */
  verifierFault: VerifierFault | undefined;
  /** Verifications without an answer, by number. */
  readonly #jobs = new Map<number, VerificationJob>();
  readonly #parts: HostParts;
  readonly #random: RandomStream;
  #kernel: MemoryDataplane;
  #endpoint: Endpoint | undefined;
  #loop: Loop | undefined;
  #watch: KernelWatch | undefined;
  #receive: (path: Path, bytes: Uint8Array) => void = () => {};
  #deliverEvent: (event: DataplaneEvent) => void = () => {};
  /** SAs that the agent has installed and not deleted. */
  #installed = new Map<string, ExpiredSa>();
  #boots = 0;
  #obeysAll = false;
  #kernelTimer: { readonly at: number; readonly callOff: () => void } | undefined;

  constructor(parts: HostParts) {
    this.node = parts.node;
    this.name = nodeName(parts.node);
    this.#parts = parts;
    this.#random = new RandomStream(parts.seed, `${this.name} kernel`);
    this.#kernel = this.#boot();
  }

  get kernel(): MemoryDataplane {
    return this.#kernel;
  }

  /** Whether an agent runs. */
  get running(): boolean {
    return this.#loop !== undefined;
  }

  /** What the agent says of itself; undefined where none runs. */
  status(): EndpointStatus | undefined {
    return this.#loop?.status();
  }

  /** How its peers stand and why, as its status tells people. */
  verdicts(status: EndpointStatus): readonly PeerReport[] {
    const { clock } = this.#parts;
    return statusReport({
      ...UNTOLD,
      node: this.name,
      startedAt: this.startedAtMs,
      now: clock.monotonicMs(),
      wallMs: clock.wallMs(),
      endpoint: status,
      connections: [...this.configured.values()],
      snapshot: this.#snapshot(),
    }).peers;
  }

  /** Starts an agent as `runtime/agent.ts` does: bypasses, then connections and what an earlier run left. */
  start(connections: readonly ConnectionConfig[]): void {
    this.incarnation += 1;
    this.startedAtMs = this.#parts.clock.monotonicMs();
    this.#jobs.clear();
    this.configured.clear();
    for (const connection of connections) this.configured.set(connection.name, connection);
    const { clock, seed, cookieThreshold, unselectedGraceMs, sabotage, observer } = this.#parts;
    const dataplane = sabotage?.dataplane?.(this.#port()) ?? this.#port();
    const snapshot = this.#snapshot();
    this.#obeysAll = true;
    const bypasses = bypassPolicies({ ike: IKE_PORT, natTraversal: NAT_TRAVERSAL_PORT }, this.#parts.addresses);
    for (const policy of bypasses) dataplane.execute({ kind: 'putPolicy', policy });
    this.#obeysAll = false;
    const stream = (name: string) => new RandomStream(seed, `${this.name} ${this.incarnation} ${name}`);
    const endpoint = createEndpoint({
      crypto: toyProvider,
      random: { keys: stream('keys'), nonces: stream('nonces'), spis: stream('spis'), jitter: stream('jitter') },
      limits: { ...DEFAULT_LIMITS, unselectedGraceMs, cookieThreshold },
      instance: { bootId: this.#bootId(), instance: drawn(stream('instance'), 8) },
      firstPolicySequence: firstFreeSequence(snapshot),
    });
    this.#endpoint = this.#watched(sabotage?.endpoint?.(endpoint) ?? endpoint);
    const loop = new Loop({
      endpoint: this.#endpoint,
      dataplane,
      clock: sabotage?.clock?.(this.#clock) ?? this.#clock,
      timers: clock,
      transport: {
        send: (path, bytes) => observer.transmitted(this, path, bytes),
        sendKeepalive: (path) => observer.keptAlive(this, path),
        onDatagram: (receiver) => {
          this.#receive = receiver;
        },
        close: () => {},
      },
      verifier: this.#verifier(stream('verifier')),
      verificationTimeoutMs: DEFAULT_LIMITS.verificationTimeoutMs,
      observers: [{ note: (fact) => observer.noted(this, fact) }],
      onDefect: (error) => observer.defect(this, error),
    });
    this.#loop = loop;
    loop.command({ kind: 'start', connections, snapshot });
    this.#watch = new KernelWatch({ timers: clock, dataplane, onSurvey: (seen) => this.#survey(loop, seen) });
    this.#watch.start();
    this.#armKernel();
  }

  /** Gives the agent an order, if there is one. */
  command(command: Command): void {
    this.#noteConfigured(command);
    this.#loop?.command(command);
    this.#armKernel();
  }

  /** The agent is gone, without a word; the kernel goes on. */
  crash(): void {
    this.stoppedAtMs = this.#parts.clock.monotonicMs();
    this.#watch?.stop();
    this.#watch = undefined;
    this.#loop?.stop();
    this.#loop = undefined;
    this.#endpoint = undefined;
    this.#receive = () => {};
    this.#deliverEvent = () => {};
    this.#kernel.close();
  }

  /** The machine is off, and the kernel's state with it. */
  powerOff(): void {
    this.crash();
    this.powered = false;
    this.#kernelTimer?.callOff();
    this.#kernelTimer = undefined;
    this.#kernel = this.#boot();
    this.#installed.clear();
  }

  receiveDatagram(path: Path, bytes: Uint8Array): void {
    this.#receive(path, bytes);
    this.#armKernel();
  }

  /** Lets an SA reach a limit; a hard one ends it. */
  expire(id: SaId, reqid: number, hard: boolean): void {
    if (hard) this.#kernel.kernel.deleteSa(id);
    this.#noticeExpired();
    this.tell({ kind: 'expire', id, reqid, hard });
  }

  /** Gives the agent a kernel event, as if the kernel had told it. */
  tell(event: DataplaneEvent): void {
    this.#parts.observer.kernelTold(this, event);
    this.#deliverEvent(event);
    this.#armKernel();
  }

  /** Sends a packet of this host or of a network behind it. */
  sendPacket(packet: PlainPacket): OutboundFate {
    let fate: OutboundFate;
    if (this.#parts.addresses.includes(packet.source)) fate = this.#kernel.outbound(packet);
    else {
      const forwarded = this.#kernel.forward(packet);
      fate =
        forwarded.kind === 'forwarded'
          ? forwarded.onward
          : { kind: 'dropped', statistic: 'XfrmInNoPols', acquire: false };
    }
    this.#afterPacket(fate);
    return fate;
  }

  receivePacket(packet: Packet): InboundFate {
    const fate = this.#kernel.inbound(packet);
    this.#afterPacket(fate);
    return fate;
  }

  #noteConfigured(command: Command): void {
    if (command.kind === 'removeConnection') this.configured.delete(command.name);
    if (command.kind !== 'addConnection' && command.kind !== 'updateConnection') return;
    this.configured.set(command.connection.name, command.connection);
  }

  #survey(loop: Loop, snapshot: KernelSnapshot): void {
    loop.survey(snapshot);
    this.#armKernel();
  }

  /** Time as this node sees it. */
  get #clock(): Clock {
    const { clock } = this.#parts;
    return { monotonicMs: () => clock.monotonicMs(), wallMs: () => clock.wallMs() + this.wallOffsetMs };
  }

  #verifier(random: RandomStream): Verifier | undefined {
    const { clock, slowestVerificationMs: slowestMs, sabotage } = this.#parts;
    if (slowestMs === undefined) return undefined;
    const fault = (): VerifierFault | undefined => this.verifierFault;
    const verifier = new SimulatedVerifier({ timers: clock, wallClock: this.#clock, random, slowestMs, fault });
    return sabotage?.verifier?.(verifier) ?? verifier;
  }

  /** The same for as long as the kernel keeps its SAs. */
  #bootId(): Uint8Array {
    return drawn(new RandomStream(this.#parts.seed, `${this.name} boot ${this.#boots}`), 16);
  }

  #boot(): MemoryDataplane {
    this.#boots += 1;
    const { clock, refuses, addresses } = this.#parts;
    return new MemoryDataplane({
      clock,
      isLocal: (address) => addresses.includes(address),
      fault: (command) => (!this.#obeysAll && refuses(command) ? { errno: 'ENOMEM', reason: 'simulated' } : undefined),
    });
  }

  /** The kernel as the agent sees it, and everybody else sees what the agent does to it. */
  #port(): Dataplane {
    const kernel = this.#kernel;
    const { observer } = this.#parts;
    return {
      sendsKeepalives: kernel.sendsKeepalives,
      execute: (command) => {
        const outcome = kernel.execute(command);
        if (outcome.ok && command.kind === 'addSa') this.#installed.set(idText(command.sa.id), command.sa);
        if (outcome.ok && command.kind === 'deleteSa') this.#installed.delete(idText(command.id));
        observer.commanded(this, command, outcome.ok ? '' : outcome.error.message);
        return outcome;
      },
      dump: () => kernel.dump(),
      onEvent: (receiver) => {
        this.#deliverEvent = receiver;
        kernel.onEvent((event) => {
          observer.kernelTold(this, event);
          receiver(event);
        });
      },
      close: () => kernel.close(),
    };
  }

  #snapshot(): KernelSnapshot {
    const dumped = this.#kernel.dump();
    if (!dumped.ok) throw new Error('the fake kernel refuses to be read');
    return dumped.value;
  }

  #watched(endpoint: Endpoint): Endpoint {
    return {
      handle: (at, event) => {
        if (event.kind === 'verified') this.#noteVerified(event);
        const actions = endpoint.handle(at, event);
        this.#noteGranted(actions);
        for (const action of actions) if (action.kind === 'verify') this.#jobs.set(action.job.id, action.job);
        return actions;
      },
      nextDeadline: () => endpoint.nextDeadline(),
      status: (at) => endpoint.status(at),
    };
  }

  #noteVerified({ job, outcome }: Extract<IkeEvent, { kind: 'verified' }>): void {
    const asked = this.#jobs.get(job);
    this.#jobs.delete(job);
    if (asked !== undefined) this.#parts.observer.verified(this, asked, outcome);
  }

  #noteGranted(actions: readonly IkeAction[]): void {
    const answers = actions.some((action) => action.kind === 'transmit' && isResponse(action.bytes));
    if (!answers) return;
    for (const action of actions) {
      if (action.kind !== 'dataplane' || action.command.kind !== 'addSa') continue;
      if (action.command.sa.direction === 'out') this.granted.add(action.command.sa.id.spi);
    }
  }

  #afterPacket(fate: OutboundFate | InboundFate): void {
    if (fate.kind === 'dropped' && /Expired$/u.test(fate.statistic)) this.#noticeExpired();
    this.#armKernel();
  }

  /** Kernel timers run, and events reach the agent, a little after they are due. */
  #armKernel(): void {
    const { clock } = this.#parts;
    const due = this.#kernel.nextDeadline();
    if (due === undefined || !this.powered) return;
    const pending = this.#kernelTimer;
    // A timer that is set again and again would never run.
    if (pending !== undefined && pending.at <= Math.max(due, clock.monotonicMs()) + MAX_EVENT_DELAY_MS) return;
    pending?.callOff();
    const delayMs = Math.max(0, due - clock.monotonicMs()) + this.#random.below(MAX_EVENT_DELAY_MS);
    const callOff = clock.after(delayMs, () => {
      this.#kernelTimer = undefined;
      this.#kernel.kernel.runTimers();
      this.#noticeExpired();
      this.#kernel.advance();
      this.#armKernel();
    });
    this.#kernelTimer = { at: clock.monotonicMs() + delayMs, callOff };
  }

  #noticeExpired(): void {
    const gone: ExpiredSa[] = [];
    for (const [text, sa] of this.#installed) {
      if (this.#kernel.kernel.states.find(sa.id) !== undefined) continue;
      this.#installed.delete(text);
      gone.push(sa);
    }
    if (gone.length > 0) this.#parts.observer.expired(this, gone);
  }
}

function drawn(random: RandomStream, count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  random.fill(bytes);
  return bytes;
}

function firstFreeSequence(snapshot: KernelSnapshot): number {
  const taken = snapshot.policies
    .filter((policy) => policy.ours && !isBypass(policy))
    .map((policy) => ownIndexSequence(policy.index) ?? 0);
  return Math.max(0, ...taken) + 1;
}

function isResponse(bytes: Uint8Array): boolean {
  return ((bytes[FLAGS_OFFSET] ?? 0) & RESPONSE_FLAG) !== 0;
}

function idText(id: SaId): string {
  return `${id.spi} ${id.destination}`;
}

/** Of a report, what says nothing about peers. */
const UNTOLD = {
  version: '',
  cryptoProvider: 'toy',
  watched: [],
  shownCertificate: () => undefined,
  heldBack: [],
  kernelFailure: undefined,
  dropped: {},
  unsent: {},
} as const;
const IKE_PORT = 500;
const NAT_TRAVERSAL_PORT = 4500;
const MAX_EVENT_DELAY_MS = 20;
/** RFC 7296 §3.1. */
const FLAGS_OFFSET = 19;
const RESPONSE_FLAG = 0x20;
