import type { Clock, Dataplane } from '../ports.ts';
import { err, ok, type Result } from '../result.ts';
import type { IpAddress } from '../wire/ip-address.ts';
import { executeCommand, type KernelCalls, type KernelRefusal, refuseCommand } from './execute.ts';
import { MemoryKernel } from './memory/kernel.ts';
import type { InboundFate, OutboundFate, Packet, PlainPacket, XfrmStatistic } from './memory/packet.ts';
import type { TablePolicy } from './memory/policy-table.ts';
import type { TableState } from './memory/state-table.ts';
import { concernsUs, isOurIndex, isOurReqid } from './ownership.ts';
import type {
  DataplaneCommand,
  DataplaneError,
  DataplaneEvent,
  InstalledPolicy,
  InstalledSa,
  KernelSnapshot,
  SaSpec,
} from './types.ts';

/** What a fake kernel is given. */
export interface MemoryDataplaneOptions {
  /** Drives lifetimes; the only source of time. */
  readonly clock: Clock;
  /** Which destinations are this host. Absent: all are. */
  readonly isLocal?: (address: IpAddress) => boolean;
  /** Whether packets for others are forwarded; true unless told otherwise. */
  readonly forwards?: boolean;
  /** Seconds that an unanswered ACQUIRE suppresses the next one; 30 as in Linux. */
  readonly acquireSeconds?: number;
  /** Asked before each command: a refusal makes it fail, as a kernel may do at any time. */
  readonly fault?: (command: DataplaneCommand) => KernelRefusal | undefined;
}

/**
 * The kernel of simulations: the same port as the real one, and packets. Events wait until `advance` is called, as
 * those of a kernel wait in a socket: no event arrives in the middle of a command.
 */
export class MemoryDataplane implements Dataplane {
  /** The rules below the port, for tests that put foreign objects there. */
  readonly kernel: MemoryKernel;
  /** As those before 6.11. */
  readonly sendsKeepalives = false;
  readonly #options: MemoryDataplaneOptions;
  readonly #calls: KernelCalls;
  #events: DataplaneEvent[] = [];
  #overflowed = false;
  #receiver: ((event: DataplaneEvent) => void) | undefined;

  constructor(options: MemoryDataplaneOptions) {
    this.#options = options;
    this.kernel = new MemoryKernel({ ...options, emit: (event) => this.#queue(event) });
    this.#calls = callsOf(this.kernel);
  }

  execute(command: DataplaneCommand): Result<void, DataplaneError> {
    const fault = this.#options.fault?.(command);
    const outcome = fault === undefined ? executeCommand(this.#calls, command) : err(refuseCommand(command, fault));
    if (!outcome.ok) return outcome;
    if (outcome.value !== undefined) this.#queue(outcome.value);
    return ok(undefined);
  }

  dump(): Result<KernelSnapshot, DataplaneError> {
    return ok(this.#snapshot());
  }

  onEvent(receiver: (event: DataplaneEvent) => void): void {
    this.#receiver = receiver;
  }

  /** Lets go of the receiver. What is installed stays, as it does in a kernel. */
  close(): void {
    this.#receiver = undefined;
    this.#events = [];
  }

  /** A packet that this host sends. */
  outbound(packet: PlainPacket): OutboundFate {
    return this.kernel.outbound(packet);
  }

  /** A packet that arrives, ESP or not. */
  inbound(packet: Packet): InboundFate {
    return this.kernel.inbound(packet);
  }

  /** A packet in plaintext that came from elsewhere and goes elsewhere. */
  forward(packet: PlainPacket): InboundFate {
    return this.kernel.forward(packet);
  }

  /** What became of packets that came before their SA and were handed over to it. */
  get handedOver(): readonly InboundFate[] {
    return this.kernel.handedOver;
  }

  /** How often packets were dropped, by reason. */
  get statistics(): ReadonlyMap<XfrmStatistic, number> {
    return this.kernel.statistics;
  }

  /** Monotonic milliseconds at which `advance` has something to do; undefined when nothing is pending. */
  nextDeadline(): number | undefined {
    if (this.#events.length > 0 || this.#overflowed) return this.#options.clock.monotonicMs();
    return this.kernel.nextDeadline();
  }

  /** Runs the timers that are due and delivers the events that wait. */
  advance(): void {
    this.kernel.runTimers();
    const events = this.#events;
    const overflowed = this.#overflowed;
    this.#events = [];
    this.#overflowed = false;
    for (const event of events) this.#receiver?.(event);
    if (overflowed) this.#receiver?.({ kind: 'resync', snapshot: this.#snapshot() });
  }

  #queue(event: DataplaneEvent): void {
    if (this.#receiver === undefined || !concernsUs(event)) return;
    if (this.#events.length < MAX_WAITING_EVENTS) this.#events.push(event);
    else this.#overflowed = true;
  }

  #snapshot(): KernelSnapshot {
    const states = this.kernel.states.all().filter((state) => !state.larval);
    return { sas: states.map(installedSa), policies: this.kernel.policies.all().map(installedPolicy) };
  }
}

function callsOf(kernel: MemoryKernel): KernelCalls {
  return {
    newSa: (sa) => {
      const reason = unacceptableWindow(sa);
      if (reason !== undefined) return err({ errno: 'EINVAL', reason });
      return kernel.addSa(sa) ? ok(undefined) : err(EEXIST);
    },
    awaitSa: ({ spi }) => {
      kernel.awaitSa(spi);
      return ok(undefined);
    },
    forgetSa: ({ spi }) => kernel.forgetSa(spi),
    sa: (id) => {
      const state = kernel.states.find(id);
      return state === undefined || state.larval ? err(ESRCH) : ok(installedSa(state));
    },
    deleteSa: (id) => (kernel.deleteSa(id) ? ok(undefined) : err(ESRCH)),
    updateEncapsulation: (id, udpEncapsulation) => {
      const state = kernel.states.find(id);
      if (state === undefined || state.larval) return err(ESRCH);
      kernel.updateEncapsulation(state, udpEncapsulation);
      return ok(undefined);
    },
    updatePolicy: (policy) => {
      if (policy.direction === 'out' && policy.template?.mode === 'tunnel' && policy.template.level === 'optional') {
        // Since 6.4: a packet that an optional tunnel was skipped for would leave with the wrong addresses.
        return err({ errno: 'EINVAL', reason: 'Mode in optional template not allowed in outbound policy' });
      }
      kernel.putPolicy(policy);
      return ok(undefined);
    },
    policy: (key) => {
      const policy = kernel.policies.find(key);
      return policy === undefined ? err(ENOENT) : ok(installedPolicy(policy));
    },
    deletePolicy: (key) => (kernel.deletePolicy(key) ? ok(undefined) : err(ENOENT)),
  };
}

function unacceptableWindow(sa: SaSpec): string | undefined {
  if (sa.direction === 'out') return undefined;
  if (sa.esn && sa.replayWindow === 0) return 'ESN replay window must be > 0';
  return sa.replayWindow > MAX_REPLAY_WINDOW ? 'Replay window is too large' : undefined;
}

function installedSa(state: TableState): InstalledSa {
  const { id, source, mode, reqid, esn, replayWindow, packets, bytes, integrityFailures } = state;
  const { addedAt, usedAt, udpEncapsulation, mark } = state;
  return {
    id,
    source,
    mode,
    reqid,
    esn,
    replayWindow,
    packets,
    bytes,
    integrityFailures,
    addedAt,
    usedAt,
    ...(udpEncapsulation === undefined ? {} : { udpEncapsulation }),
    ...(mark === undefined ? {} : { mark }),
    ...(state.ifId === 0 ? {} : { ifId: state.ifId }),
    ours: isOurReqid(reqid),
  };
}

function installedPolicy({ spec, index }: TablePolicy): InstalledPolicy {
  const { direction, selector, mark, ifId, priority, action, template } = spec;
  const plain = { direction, selector, priority, index, action, ours: isOurIndex(index) };
  const installed = template === undefined ? plain : { ...plain, template };
  // Nearly all have neither, and dumps are many in simulations.
  if (mark === undefined && ifId === undefined) return installed;
  return { ...installed, ...(mark === undefined ? {} : { mark }), ...(ifId === undefined ? {} : { ifId }) };
}

const EEXIST: KernelRefusal = { errno: 'EEXIST', reason: '' };
const ESRCH: KernelRefusal = { errno: 'ESRCH', reason: '' };
const ENOENT: KernelRefusal = { errno: 'ENOENT', reason: '' };

/** XFRMA_REPLAY_ESN_MAX words of 32 bits. */
const MAX_REPLAY_WINDOW = 4096;

/** A socket buffer of 8 MiB holds some ten thousand events; the lower figure lets simulations meet an overflow. */
const MAX_WAITING_EVENTS = 4096;
