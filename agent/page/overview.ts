import type { PeerReason } from '../runtime/status/peer-verdict.ts';
import type { RecentEvent } from '../runtime/status/recent-events.ts';
import type { IkeSaReport, PeerReport, SaReport, StatusReport } from '../runtime/status/report.ts';

/** What the page shows at once: of each peer a line, of the node everything. Durations are seconds. */
export interface Overview {
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  /** Empty while no agent runs. */
  readonly node: string;
  readonly version: string;
  readonly cryptoProvider: string;
  readonly uptimeSeconds: number;
  /** What is wrong with the node itself, with what to do. */
  readonly faults: readonly string[];
  /** What is worst first. */
  readonly peers: readonly PeerLine[];
  /** The latest first. */
  readonly events: readonly RecentEvent[];
  /** Names and values, for people. */
  readonly counters: readonly (readonly [string, number])[];
  readonly certificates: StatusReport['certificates'];
  readonly bypasses: StatusReport['bypasses'];
}

/** A peer in a line. */
export interface PeerLine {
  readonly name: string;
  readonly state: PeerReport['state'];
  readonly reason: PeerReason;
  /** Why, and what to do, as `agent status` says it. */
  readonly message: string;
  /** Peers of a lower one are worse. */
  readonly rank: number;
  readonly address: string;
  /** By the kernel's counters of its present SAs. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Absent where there is no IKE SA. */
  readonly heardSeconds?: number;
}

/** What is told of an agent at a moment; `report` is undefined while none runs. */
export function overview(
  report: StatusReport | undefined,
  events: readonly RecentEvent[],
  { atMs, version }: { readonly atMs: number; readonly version: string },
): Overview {
  if (report === undefined) return { ...NOTHING, atMs, version, events };
  const { node, cryptoProvider, uptimeSeconds, certificates, bypasses } = report;
  const peers = report.peers.map(peerLine).sort((one, other) => one.rank - other.rank);
  const counters = countersOf(report, peers);
  const faults = faultsOf(report);
  return {
    atMs,
    node,
    version,
    cryptoProvider,
    uptimeSeconds,
    faults,
    peers,
    events,
    counters,
    certificates,
    bypasses,
  };
}

function peerLine({ name, state, reason, message, remoteAddress: address, ikeSas }: PeerReport): PeerLine {
  const [bytesIn, bytesOut] = [bytes(ikeSas, 'inbound'), bytes(ikeSas, 'outbound')];
  const line = { name, state, reason, message, rank: rank(state, reason), address, bytesIn, bytesOut };
  return ikeSas.length === 0 ? line : { ...line, heardSeconds: Math.min(...ikeSas.map((sa) => sa.lastHeardSeconds)) };
}

function bytes(ikeSas: readonly IkeSaReport[], direction: 'inbound' | 'outbound'): number {
  let sum = 0;
  for (const { children } of ikeSas) for (const child of children) sum += child[direction].bytes ?? 0;
  return sum;
}

/** Without an SA nothing gets through, or all of it in plaintext; then what is negotiated and does not work; last what does. */
function rank(state: PeerReport['state'], reason: PeerReason): number {
  return state === 'encrypting' || state === 'idle' ? RANKS.encrypting + AT_BEST[reason] : RANKS[state];
}

function faultsOf(report: StatusReport): readonly string[] {
  const { kernelFailure, heldBack, demandsCookies, holder, bypasses, certificates, mssClampFailure } = report;
  const faults: string[] = [];
  if (kernelFailure !== undefined) faults.push(`the kernel does not say what it has: ${kernelFailure}`);
  for (const text of heldBack) faults.push(`not in use, what was read before is: ${text}`);
  for (const { name, file, secondsLeft } of certificates)
    if (secondsLeft <= 0) faults.push(`${name} has ended: put its successor into ${file}`);
  for (const { traffic, policies, installed } of bypasses)
    if (installed < policies)
      faults.push(`${traffic}: ${policies - installed} of ${policies} policies are not in the kernel`);
  if (mssClampFailure !== undefined) faults.push(`TCP segments are not clamped: ${mssClampFailure}`);
  if (holder?.state === 'absent')
    faults.push(
      `ESP in UDP is lost while no agent runs: there is no holder at ${holder.socket} (${holder.reason ?? ''})`,
    );
  if (demandsCookies) faults.push('many IKE SAs are half open: strangers have to prove their addresses first');
  return faults;
}

function countersOf(report: StatusReport, peers: readonly PeerLine[]): readonly (readonly [string, number])[] {
  const ikeSas = report.peers.flatMap((peer) => peer.ikeSas);
  const children = ikeSas.flatMap((sa) => sa.children);
  const sum = (of: (line: PeerLine) => number): number => peers.reduce((total, line) => total + of(line), 0);
  const packets = (sas: readonly SaReport[]): number => sas.reduce((total, sa) => total + (sa.packets ?? 0), 0);
  return [
    ['IKE SAs', ikeSas.length],
    ['IKE SAs, half open', report.halfOpen],
    ['Child SAs', children.length],
    ['ESP SAs of an earlier run', report.earlierSas.length],
    ['Bytes decrypted', sum(({ bytesIn }) => bytesIn)],
    ['Bytes encrypted', sum(({ bytesOut }) => bytesOut)],
    ['Packets decrypted', packets(children.map(({ inbound }) => inbound))],
    ['Packets encrypted', packets(children.map(({ outbound }) => outbound))],
    ...Object.entries(report.dropped).map(([reason, count]) => [`Datagrams dropped: ${reason}`, count] as const),
    ...Object.entries(report.unsent).map(([error, count]) => [`Datagrams not sent: ${error}`, count] as const),
  ];
}

const RANKS = { down: 0, connecting: 1, established: 2, encrypting: 3 } as const;
/** Of peers that nothing is wrong with. */
const AT_BEST: Readonly<Record<PeerReason, number>> = {
  PeerSilent: 0,
  SAMissing: 0,
  PolicyMissing: 0,
  NoChildSA: 0,
  NotArriving: 0,
  PeerCannotDecrypt: 0,
  CannotDecrypt: 0,
  Connecting: 0,
  NameUnresolved: 0,
  NotEstablished: 0,
  Unproven: 1,
  FellBackToUDP: 2,
  Proven: 3,
  WaitingForTraffic: 4,
};
const NOTHING = {
  node: '',
  cryptoProvider: '',
  uptimeSeconds: 0,
  faults: [
    'no agent speaks IKE here: it waits for the one before it to end, or has nothing to do yet (its log says which)',
  ],
  peers: [],
  counters: [],
  certificates: [],
  bypasses: [],
};
