import type { SaId } from '../../dataplane/types.ts';
import type { IpAddress } from '../../wire/ip-address.ts';
import type { Arrival } from '../child/arrival.ts';
import type { ChildSa } from '../child/child-sa.ts';
import { type CounterWatch, retirementAt } from '../child/idle-counter.ts';
import type { OrderedPolicies } from '../child/policies.ts';
import type { Limits } from '../limits.ts';
import type { IkeSa } from '../state.ts';
import type { AgentInstance, ChildConfig, ConnectionConfig, Instant } from '../types.ts';

/** An SA without a Child SA of an IKE SA. */
export interface LoneSa {
  readonly id: SaId;
  readonly reqid: number;
  /** When its pair was installed; minus infinity for those of an earlier run. */
  readonly madeAt: Instant;
  /** When the peer was first known to send on its pair; undefined where it never was. */
  readonly settledAt: Instant | undefined;
}

/** An SA that still receives although it is not sent on any more. */
interface RetiringSa extends LoneSa {
  /** Number of the IKE SA on which the peer is being told; 0 where it need not be, or has answered. */
  readonly toldOn: number;
  /** Undefined until the peer has heard. Its counter can put it off. */
  readonly removeAt: Instant | undefined;
  readonly count: CounterWatch;
}

/**
 * An SA in the kernel without an IKE SA that answers for it: an earlier run left it, or the peer has stopped answering.
 * The peer may well send on it, or receive; so it stays until a successor is in use at both ends, or it expires.
 */
export interface OrphanSa extends LoneSa {
  /**
   * Whether it is an outbound one, which the out policies of its Child are pinned to while there is no current pair.
   */
  readonly pinned: boolean;
  /** Until when the peer, which has not been told, may take its IKE SA to stand; minus infinity where it does not. */
  readonly believedUntil: Instant;
}

/** A configured peer and how things stand with it. */
export interface Connection {
  config: ConnectionConfig;
  /** Every IKE SA that is, or may become, one with this peer; at most one of ours is being set up. */
  ikeSas: IkeSa[];
  readonly policies: OrderedPolicies;
  /** True when a failure left open which of `policies` the kernel has. */
  policiesUncertain: boolean;
  retiring: RetiringSa[];
  /** Tunnels that are configured no more and received on still (`../child/departure.ts`). */
  departing: readonly ChildConfig[];
  /** When to look whether the peer sends on a pair that we do not send on yet; undefined where there is none. */
  switchCheckAt: Instant | undefined;
  orphans: OrphanSa[];
  /** Whether the packets of its pairs get through, by inbound SPI; only of those that the kernel has counted. */
  arrivals: Map<number, Arrival>;
  /**
   * How often the peer was told what has arrived, in questions of ours and in answers to its own: only those show it what
   * has not, so each goes through all pairs by itself.
   */
  readonly turns: { questions: number; answers: number };
  /** ESP itself does not arrive: a new IKE SA has it go in UDP, as if there were a NAT. */
  espInUdp: boolean;
  /** The longest IP packet that was found to arrive; undefined where nobody has tried. */
  pathMtu: number | undefined;
  /** When a pair was replaced last because its packets could not be decrypted. */
  mendedAt: Instant;
  /** Failed attempts since the last success. */
  failures: number;
  /** When we begin an IKE SA by ourselves; undefined when we do not. */
  nextAttemptAt: Instant | undefined;
  /** The next IKE SA we begin is to replace this one, by number; 0 for none. */
  replacing: number;
  /** The IKE SA that the peer was asked to replace, by number: its new one will do as well as ours; 0 for none. */
  invited: number;
  /** Numbers of the IKE SAs by proofs which have been replaced since, or algorithms. */
  outdated: readonly number[];
  lastFailure: { readonly at: Instant; readonly text: string } | undefined;
  /** Whether an IKE SA was established since this endpoint began. */
  contacted: boolean;
  /** Which run of the peer has authenticated last, where it is an agent. */
  peerInstance: AgentInstance | undefined;
  /** The peer's kernel has none of the SAs that were installed before. */
  peerEmptyAt: Instant;
  /** Where the peer was when it was last sent on a Child SA; the policies of one of any address need it. */
  lastAddress: IpAddress | undefined;
  /** Number of the IKE SA that was established first; 0 before. */
  firstIkeSa: number;
  timerAt: Instant | undefined;
}

/** A connection that has just been configured. */
export function newConnection(config: ConnectionConfig): Connection {
  requireReplayWindows(config);
  return {
    config,
    ikeSas: [],
    policies: new Map(),
    policiesUncertain: false,
    retiring: [],
    departing: [],
    switchCheckAt: undefined,
    orphans: [],
    arrivals: new Map(),
    turns: { questions: 0, answers: 0 },
    espInUdp: false,
    pathMtu: undefined,
    mendedAt: Number.NEGATIVE_INFINITY,
    failures: 0,
    nextAttemptAt: undefined,
    replacing: 0,
    invited: 0,
    outdated: [],
    lastFailure: undefined,
    contacted: false,
    peerInstance: undefined,
    peerEmptyAt: Number.NEGATIVE_INFINITY,
    lastAddress: undefined,
    firstIkeSa: 0,
    timerAt: undefined,
  };
}

/** Without a window the kernel lets in what somebody has recorded and sends again: a configuration that asks for that is a fault. */
export function requireReplayWindows({ name, children }: ConnectionConfig): void {
  const without = children.find(({ replayWindow }) => replayWindow < 1);
  if (without !== undefined) throw new Error(`Child ${without.name} of connection ${name} has no replay window`);
}

/**
 * When a connection begins by itself. A Permissive tunnel without an SA is a policy that asks nobody for one, so no
 * traffic tells that it is wanted: it is begun at once.
 */
export function initiationOf({ initiation, children }: ConnectionConfig): ConnectionConfig['initiation'] {
  if (initiation !== 'onDemand') return initiation;
  const silent = children.some((child) => child.mode === 'tunnel' && child.enforcement === 'Permissive');
  return silent ? 'start' : initiation;
}

/** Whether to look for NATs, and to have ESP go in UDP without any. */
export function natTraversalOf({ config, espInUdp }: Connection): ConnectionConfig['natTraversal'] {
  return espInUdp && config.natTraversal === 'Auto' ? 'Always' : config.natTraversal;
}

/** Where the peer is, or was last; undefined for one of any address that has not been heard of. */
export function knownAddress({ config, lastAddress }: Connection): IpAddress | undefined {
  return config.remoteAddress === 'any' ? lastAddress : config.remoteAddress;
}

/** Whether no Child SA with the peer is left, nor what one has left in the kernel. */
export function isForgone(connection: Connection): boolean {
  return connection.orphans.length === 0 && childrenOf(connection).length === 0;
}

/** All Child SAs of a connection, the oldest IKE SA's first. */
export function childrenOf({ ikeSas }: Connection): readonly ChildSa[] {
  const [only] = ikeSas;
  if (only !== undefined && ikeSas.length === 1) return childrenOfIkeSa(only);
  return ikeSas.flatMap(childrenOfIkeSa);
}

function childrenOfIkeSa({ state }: IkeSa): readonly ChildSa[] {
  return state.kind === 'established' ? state.children : NO_CHILDREN;
}

/** The newest IKE SA that has its place; undefined where there is none. */
export function standingIkeSa(connection: Connection): IkeSa | undefined {
  return connection.ikeSas.findLast(({ state }) => state.kind === 'established' && state.rivalOf === undefined);
}

/** Whether the peer's kernel may have its half of a pair; one that has lost it drops whatever is sent on it. */
export function mayReceive(connection: Connection, child: ChildSa): boolean {
  return child.installedAt >= connection.peerEmptyAt;
}

/** Whether an IKE SA of ours is being set up. */
export function isConnecting(connection: Connection): boolean {
  return connection.ikeSas.some(isOwnAttempt);
}

/** Whether an IKE SA is one of ours that is being set up. */
export function isOwnAttempt({ role, state }: IkeSa): boolean {
  return role === 'initiator' && CONNECTING.has(state.kind);
}

/** When something is to be done for the connection itself. */
export function connectionDeadline(connection: Connection, limits: Limits): Instant | undefined {
  const { nextAttemptAt, switchCheckAt, retiring } = connection;
  let earliest = nextAttemptAt;
  if (switchCheckAt !== undefined && (earliest === undefined || switchCheckAt < earliest)) earliest = switchCheckAt;
  for (const each of retiring) {
    const dueAt = retirementAt(each, limits);
    if (dueAt !== undefined && (earliest === undefined || dueAt < earliest)) earliest = dueAt;
  }
  return earliest;
}

const NO_CHILDREN: readonly ChildSa[] = [];
const CONNECTING: ReadonlySet<string> = new Set(['initRequested', 'authRequested', 'verifying']);
