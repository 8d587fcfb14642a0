import type { InstalledSa, KernelSnapshot, SaId } from '../../dataplane/types.ts';
import type { Arrival, InboundArrival, OutboundArrival } from '../../ike/child/arrival.ts';
import { isExempt } from '../../ike/child/policy-places.ts';
import type { CredentialKind } from '../../ike/fact.ts';
import type {
  ChildSaStatus,
  ConnectionConfig,
  ConnectionStatus,
  EndpointStatus,
  IkeSaStatus,
  Instant,
  TableSizes,
} from '../../ike/types.ts';
import { timeText } from '../../pki/utc-time.ts';
import type { ShownCertificate } from '../../ports.ts';
import { type IpAddress, withoutZone } from '../../wire/ip-address.ts';
import type { Bypass } from '../bypass.ts';
import type { UnresolvedPeer } from '../config/agent-config.ts';
import type { AuthorityEnd } from '../config/authority-ends.ts';
import type { WatchedCertificate } from '../config/watched-certificate.ts';
import type { Counts } from '../counters.ts';
import type { SegmentClampState } from '../segment-clamp-watch.ts';
import type { HolderState } from '../udp-ike-socket.ts';
import { type BypassReport, bypassReports } from './bypass-report.ts';
import { type ExemptionReport, ExemptPolicies } from './exemption-report.ts';
import { type PathMtuReport, type PathMtuSource, pathMtuReport } from './path-mtu-report.ts';
import { type PeerReason, peerVerdict } from './peer-verdict.ts';
import { PolicyTable } from './policy-table.ts';
import { withUnresolved } from './unresolved-peers.ts';

/** What `agent status --json` prints. Durations are seconds; SPIs are hexadecimal. */
export interface StatusReport {
  readonly node: string;
  readonly version: string;
  readonly cryptoProvider: string;
  readonly uptimeSeconds: number;
  readonly peers: readonly PeerReport[];
  /** ESP SAs of ours in the kernel that none of the peers' Child SAs accounts for: those of an earlier run. */
  readonly earlierSas: readonly SaReport[];
  /** Certificates and revocation lists in use, each once, the next to end first. */
  readonly certificates: readonly CertificateReport[];
  /** When authorities have to be replaced, the next one first. */
  readonly authorities: readonly AuthorityReport[];
  /** Why files with keys or certificates are not in use in their present form; what was read before is. */
  readonly heldBack: readonly string[];
  /** IKE SAs that wait for a peer to prove itself. */
  readonly halfOpen: number;
  /** Whether strangers have to prove their addresses first, because many IKE SAs are half open. */
  readonly demandsCookies: boolean;
  /** How much the core remembers, by which a leak would show. */
  readonly remembered: TableSizes;
  /** Datagrams received and dropped since the start, by reason. */
  readonly dropped: Counts;
  /** Datagrams that could not be sent since the start, by error. */
  readonly unsent: Counts;
  /** Who else has the sockets of ESP in UDP, so that it goes on without this agent; absent where nobody was asked. */
  readonly holder?: HolderReport;
  /** What stays in plaintext of all peers. */
  readonly bypasses: readonly BypassReport[];
  /** Why segments of TCP are not clamped as the configuration has it; absent where they are. */
  readonly mssClampFailure?: string;
  /** Why the kernel's counters are missing; absent where they are there. */
  readonly kernelFailure?: string;
}

/** The holder of the sockets of ESP in UDP. */
export interface HolderReport {
  /** The path at which it is asked. */
  readonly socket: string;
  /** `absent`: this agent alone has them, and what comes in UDP is lost while it is not there. */
  readonly state: 'holding' | 'absent';
  /** Since when this agent has them held. */
  readonly seconds?: number;
  /** Why it is absent. */
  readonly reason?: string;
}

/** Our own certificate, that of an authority we trust, or a revocation list. */
export interface CertificateReport {
  readonly kind: CredentialKind;
  readonly name: string;
  readonly file: string;
  /** `2026-11-27 22:04:05Z` */
  readonly until: string;
  /** Negative once it has ended. */
  readonly secondsLeft: number;
}

/** An authority that we depend on, which others that are trusted as well do not stand in for. */
export interface AuthorityReport {
  /** Our certificate is of it, or it is the last to end of a trust bundle. */
  readonly dependence: AuthorityEnd['dependence'];
  readonly name: string;
  /** `2026-11-27 22:04:05Z` */
  readonly until: string;
  /** Negative once it has ended. */
  readonly secondsLeft: number;
}

/** A configured peer. */
export interface PeerReport {
  readonly name: string;
  /**
   * `encrypting`: every configured Child SA, of which nothing says that it does not work; `established`: an IKE SA only;
   * `idle`: none, because there was no traffic to make one for.
   */
  readonly state: 'encrypting' | 'established' | 'connecting' | 'down' | 'idle';
  readonly reason: PeerReason;
  /** The same in a sentence. */
  readonly message: string;
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly localIdentity: string;
  readonly remoteIdentity: string;
  /** What it has proven its identity by; absent for a pre-shared key, and while there is no IKE SA. */
  readonly certificate?: PeerCertificateReport;
  readonly ikeSas: readonly IkeSaReport[];
  /** How long packets may be; absent where the kernel has no route. */
  readonly mtu?: PathMtuReport;
  /** The largest segments that TCP connections through its Child SAs agree on, where they are clamped. */
  readonly mssClamps?: readonly MssClampReport[];
  /**
   * Policies that encrypt or block and that the kernel lacks, or has otherwise than ordered; the first few, in words, absent
   * where there are none.
   */
  readonly missingPolicies?: readonly string[];
  /** What of its traffic stays in plaintext; absent where nothing does. */
  readonly exempt?: readonly ExemptionReport[];
  readonly lastFailure?: { readonly secondsAgo: number; readonly text: string };
  readonly nextAttemptSeconds?: number;
}

/** The largest segments through a Child SA, by the IP version of what is encrypted. */
export interface MssClampReport {
  readonly name: string;
  readonly ipv4: number;
  readonly ipv6: number;
}

/** The certificate of a peer. */
export interface PeerCertificateReport {
  readonly subject: string;
  readonly issuer: string;
  /** Hexadecimal. */
  readonly serial: string;
  /** `2026-11-27 22:04:05Z` */
  readonly notAfter: string;
  /** Negative once it has ended: what was proven before it did still stands. */
  readonly secondsLeft: number;
}

/** An IKE SA. */
export interface IkeSaReport {
  readonly number: number;
  readonly state: IkeSaStatus['state'];
  readonly role: IkeSaStatus['role'];
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly initiatorSpi: string;
  readonly responderSpi: string;
  readonly suite: string;
  readonly nat: IkeSaStatus['nat'];
  readonly ageSeconds: number;
  readonly lastHeardSeconds: number;
  /** For how long a request of ours has been repeated without an answer; absent where none is. */
  readonly unansweredSeconds?: number;
  readonly rekeySeconds?: number;
  readonly reauthenticationSeconds?: number;
  readonly children: readonly ChildSaReport[];
}

/** An address and UDP port of IKE. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** A Child SA: a pair of ESP SAs. */
export interface ChildSaReport {
  readonly name: string;
  readonly state: ChildSaStatus['state'];
  readonly mode: ChildSaStatus['mode'];
  readonly reqid: number;
  readonly suite: string;
  readonly udpEncapsulation: boolean;
  readonly localSelectors: readonly string[];
  readonly remoteSelectors: readonly string[];
  readonly ageSeconds: number;
  readonly rekeySeconds?: number;
  readonly expirySeconds?: number;
  /** Whether its packets get through; absent while the kernel has not been asked. */
  readonly arrival?: ArrivalReport;
  readonly inbound: SaReport;
  readonly outbound: SaReport;
}

/** Whether the packets of a Child SA get through, by the counters of both kernels. */
export interface ArrivalReport {
  readonly inbound: InboundArrival;
  readonly outbound: OutboundArrival;
  /** When packets were seen last to be sent, and to be received; absent: never. */
  readonly sentSeconds?: number;
  readonly receivedSeconds?: number;
  /** When the peer has told last what had arrived; absent: never. */
  readonly toldSeconds?: number;
}

/** An ESP SA with the kernel's counters. */
export interface SaReport {
  readonly spi: string;
  readonly destination: string;
  readonly reqid: number;
  /** Whether the kernel has it; without, there are no counters. */
  readonly installed: boolean;
  readonly bytes?: number;
  readonly packets?: number;
  /** Packets that came for it and were not made with its keys; absent where there were none. */
  readonly undecryptable?: number;
  /** When the first packet passed, which is what the kernel notes; absent: none has. */
  readonly firstUsedSecondsAgo?: number;
}

/** Everything that a report is made of, all of one moment. */
export interface ReportInputs {
  readonly node: string;
  readonly version: string;
  readonly cryptoProvider: string;
  readonly startedAt: Instant;
  readonly now: Instant;
  readonly wallMs: number;
  readonly endpoint: EndpointStatus;
  readonly connections: readonly ConnectionConfig[];
  readonly watched: readonly WatchedCertificate[];
  readonly authorityEnds?: readonly AuthorityEnd[];
  /** By which the peer of a connection has proven itself last. */
  readonly shownCertificate: (connection: string) => ShownCertificate | undefined;
  readonly heldBack: readonly string[];
  /** Undefined where the kernel would not say. */
  readonly snapshot: KernelSnapshot | undefined;
  readonly kernelFailure: string | undefined;
  readonly dropped: Counts;
  readonly unsent: Counts;
  readonly holder?: HolderState | undefined;
  readonly bypasses?: readonly Bypass[];
  /** Peers whose host names do not resolve. */
  readonly unresolved?: readonly UnresolvedPeer[] | undefined;
  readonly pathMtus?: PathMtuSource | undefined;
  readonly clamps?: SegmentClampState | undefined;
}

/** A picture of the running agent in which the counters are the kernel's. */
export function statusReport(inputs: ReportInputs): StatusReport {
  const sas = new SaTable(inputs);
  const exempt = new ExemptPolicies(inputs.connections, inputs.snapshot);
  const policies = new PolicyTable(inputs.snapshot);
  const configs = new Map(inputs.connections.map((config) => [config.name, config]));
  const reached = inputs.endpoint.connections.map((connection) =>
    peerReport(connection, configs.get(connection.name), inputs, sas, exempt, policies),
  );
  const peers = withUnresolved(reached, inputs.unresolved ?? []);
  return {
    node: inputs.node,
    version: inputs.version,
    cryptoProvider: inputs.cryptoProvider,
    uptimeSeconds: seconds(inputs.now - inputs.startedAt),
    peers,
    earlierSas: sas.unclaimed(),
    certificates: certificateReports(inputs.watched, inputs.wallMs),
    authorities: authorityReports(inputs.authorityEnds ?? [], inputs.wallMs),
    heldBack: inputs.heldBack,
    halfOpen: inputs.endpoint.halfOpen,
    demandsCookies: inputs.endpoint.demandsCookies,
    remembered: inputs.endpoint.tables,
    dropped: inputs.dropped,
    unsent: inputs.unsent,
    bypasses: bypassReports(inputs.bypasses ?? [], inputs.snapshot),
    ...(inputs.holder === undefined ? {} : { holder: holderReport(inputs.holder, inputs.now) }),
    ...(inputs.clamps?.failure === undefined ? {} : { mssClampFailure: inputs.clamps.failure }),
    ...(inputs.kernelFailure === undefined ? {} : { kernelFailure: inputs.kernelFailure }),
  };
}

function holderReport(holder: HolderState, now: Instant): HolderReport {
  const { kind: state, path: socket } = holder;
  if (holder.kind === 'absent') return { socket, state, reason: holder.reason };
  return { socket, state, seconds: seconds(now - holder.sinceMs) };
}

function certificateReports(watched: readonly WatchedCertificate[], wallMs: number): readonly CertificateReport[] {
  const each = new Map(watched.map((certificate) => [certificate.fingerprint, certificate])).values();
  return [...each]
    .sort((left, right) => left.notAfterMs - right.notAfterMs)
    .map(({ kind, name, file, notAfterMs }) => {
      return { kind, name, file, until: timeText(notAfterMs), secondsLeft: seconds(notAfterMs - wallMs) };
    });
}

function authorityReports(ends: readonly AuthorityEnd[], wallMs: number): readonly AuthorityReport[] {
  return ends
    .toSorted((left, right) => left.notAfterMs - right.notAfterMs)
    .map(({ dependence, name, notAfterMs }) => {
      return { dependence, name, until: timeText(notAfterMs), secondsLeft: seconds(notAfterMs - wallMs) };
    });
}

/** The kernel's SAs of ours, each to be claimed by the Child SA that it belongs to. */
class SaTable {
  readonly #sas = new Map<string, InstalledSa>();
  readonly #wallSeconds: number;

  constructor(inputs: ReportInputs) {
    this.#wallSeconds = inputs.wallMs / 1_000;
    for (const sa of inputs.snapshot?.sas ?? []) if (sa.ours) this.#sas.set(saKey(sa.id), sa);
  }

  claim(destination: IpAddress, spi: number, reqid: number): SaReport {
    const key = saKey({ destination, spi });
    const sa = this.#sas.get(key);
    this.#sas.delete(key);
    if (sa !== undefined) return this.#report(sa);
    return { spi: hex(spi), destination, reqid, installed: false };
  }

  unclaimed(): readonly SaReport[] {
    return [...this.#sas.values()].map((sa) => this.#report(sa));
  }

  #report(sa: InstalledSa): SaReport {
    const { id, reqid, bytes, packets, usedAt, integrityFailures: undecryptable } = sa;
    const counts = { bytes, packets, ...(undecryptable === 0 ? {} : { undecryptable }) };
    const report = { spi: hex(id.spi), destination: id.destination, reqid, installed: true, ...counts };
    if (usedAt === 0) return report;
    return { ...report, firstUsedSecondsAgo: Math.max(0, Math.round(this.#wallSeconds - usedAt)) };
  }
}

function peerReport(
  connection: ConnectionStatus,
  config: ConnectionConfig | undefined,
  inputs: ReportInputs,
  sas: SaTable,
  exempt: ExemptPolicies,
  policies: PolicyTable,
): PeerReport {
  const { now } = inputs;
  const { name, localAddress, remoteAddress, localIdentity, remoteIdentity, lastFailure, nextAttemptAt } = connection;
  const ikeSas = connection.ikeSas.map((sa) => ikeSaReport(sa, now, sas));
  const certificate = provenBy(config, ikeSas, inputs);
  const exemptions =
    config === undefined ? [] : exempt.reports(config, remoteAddress === 'any' ? undefined : remoteAddress);
  const mssClamps = mssClampReports(config, inputs);
  const mtu = pathMtuReport(inputs.pathMtus, connection, ikeSas);
  const missingPolicies = policies.missing(connection.policies.filter((policy) => !isExempt(policy)));
  return {
    name,
    ...peerVerdict({
      ikeSas,
      config,
      espInUdp: connection.espInUdp,
      missingPolicies: policies.missing(connection.policies),
      lastFailure: lastFailure?.text,
      kernelFailure: inputs.kernelFailure,
    }),
    localAddress,
    remoteAddress,
    localIdentity,
    remoteIdentity,
    ...(certificate && { certificate }),
    ikeSas,
    ...(mtu && { mtu }),
    ...(mssClamps.length === 0 ? {} : { mssClamps }),
    ...(missingPolicies.length === 0 ? {} : { missingPolicies }),
    ...(exemptions.length === 0 ? {} : { exempt: exemptions }),
    ...(lastFailure === undefined
      ? {}
      : { lastFailure: { secondsAgo: seconds(now - lastFailure.at), text: lastFailure.text } }),
    ...(nextAttemptAt === undefined ? {} : { nextAttemptSeconds: seconds(nextAttemptAt - now) }),
  };
}

function mssClampReports(config: ConnectionConfig | undefined, { clamps }: ReportInputs): readonly MssClampReport[] {
  return (config?.children ?? []).flatMap(({ name, reqid }) => {
    const sizes = clamps?.sizes.get(reqid);
    return sizes === undefined ? [] : [{ name, ...sizes }];
  });
}

function provenBy(
  config: ConnectionConfig | undefined,
  ikeSas: readonly IkeSaReport[],
  { shownCertificate, wallMs }: ReportInputs,
): PeerCertificateReport | undefined {
  if (config?.remoteAuthentication.kind !== 'certificate' || !ikeSas.some(isEstablished)) return undefined;
  const shown = shownCertificate(config.name);
  if (shown === undefined) return undefined;
  const { notAfterMs, ...names } = shown;
  return { ...names, notAfter: timeText(notAfterMs), secondsLeft: seconds(notAfterMs - wallMs) };
}

function isEstablished({ state }: IkeSaReport): boolean {
  return state === 'established';
}

function ikeSaReport(sa: IkeSaStatus, now: Instant, sas: SaTable): IkeSaReport {
  const {
    number,
    state,
    role,
    path,
    initiatorSpi,
    responderSpi,
    suite,
    nat,
    establishedAt,
    rekeyAt,
    reauthenticateAt,
    unansweredSince,
  } = sa;
  return {
    number,
    state,
    role,
    local: { address: path.localAddress, port: path.localPort },
    remote: { address: path.remoteAddress, port: path.remotePort },
    initiatorSpi,
    responderSpi,
    suite,
    nat,
    ageSeconds: seconds(now - (establishedAt ?? sa.startedAt)),
    lastHeardSeconds: seconds(now - sa.lastHeardAt),
    ...(unansweredSince === undefined ? {} : { unansweredSeconds: seconds(now - unansweredSince) }),
    ...(rekeyAt === undefined ? {} : { rekeySeconds: seconds(rekeyAt - now) }),
    ...(reauthenticateAt === undefined ? {} : { reauthenticationSeconds: seconds(reauthenticateAt - now) }),
    children: sa.children.map((child) => childReport(child, sa, now, sas)),
  };
}

function childReport(child: ChildSaStatus, sa: IkeSaStatus, now: Instant, sas: SaTable): ChildSaReport {
  const { name, state, mode, reqid, suite, udpEncapsulation, localSelectors, remoteSelectors } = child;
  const { installedAt, rekeyAt, expiresAt, arrival } = child;
  return {
    name,
    state,
    mode,
    reqid,
    suite,
    udpEncapsulation,
    localSelectors,
    remoteSelectors,
    ageSeconds: seconds(now - installedAt),
    ...(rekeyAt === undefined ? {} : { rekeySeconds: seconds(rekeyAt - now) }),
    ...(expiresAt === undefined ? {} : { expirySeconds: seconds(expiresAt - now) }),
    ...(arrival && { arrival: arrivalReport(arrival, now) }),
    inbound: sas.claim(withoutZone(sa.path.localAddress), child.inboundSpi, reqid),
    outbound: sas.claim(withoutZone(sa.path.remoteAddress), child.outboundSpi, reqid),
  };
}

function arrivalReport({ inbound, outbound, sentAt, receivedAt, reported }: Arrival, now: Instant): ArrivalReport {
  return {
    inbound,
    outbound,
    ...(sentAt === undefined ? {} : { sentSeconds: seconds(now - sentAt) }),
    ...(receivedAt === undefined ? {} : { receivedSeconds: seconds(now - receivedAt) }),
    ...(Number.isFinite(reported.at) ? { toldSeconds: seconds(now - reported.at) } : {}),
  };
}

function seconds(milliseconds: number): number {
  return Math.round(milliseconds / 1_000);
}

function hex(spi: number): string {
  return spi.toString(16).padStart(8, '0');
}

function saKey(id: SaId): string {
  return `${id.destination} ${id.spi}`;
}
