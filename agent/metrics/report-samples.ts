import type { PeerReason } from '../runtime/status/peer-verdict.ts';
import type {
  CertificateReport,
  ChildSaReport,
  IkeSaReport,
  PeerReport,
  StatusReport,
} from '../runtime/status/report.ts';
import type { Samples } from './samples.ts';
import type { TrafficTotals } from './traffic-totals.ts';

/** Adds what a report says of the node as a whole. */
export function addNode(samples: Samples, report: StatusReport): void {
  const { peers, remembered } = report;
  const ikeSas = peers.flatMap((peer) => peer.ikeSas);
  const children = ikeSas.flatMap((sa) => sa.children);
  samples.add('ikemesh_kernel_up', {}, report.kernelFailure === undefined ? 1 : 0);
  samples.add('ikemesh_mss_clamp_up', {}, report.mssClampFailure === undefined ? 1 : 0);
  for (const state of PEER_STATES) samples.add('ikemesh_peers', { state }, inState(peers, state));
  for (const reason of PEER_REASONS)
    samples.add('ikemesh_peers_by_reason', { reason }, peers.filter((peer) => peer.reason === reason).length);
  for (const state of IKE_SA_STATES) samples.add('ikemesh_ike_sas', { state }, inState(ikeSas, state));
  for (const state of CHILD_SA_STATES) samples.add('ikemesh_child_sas', { state }, inState(children, state));
  addEspSas(samples, report, children);
  const pathMtus = peers.flatMap(({ mtu }) => (mtu === undefined ? [] : [mtu.path]));
  if (pathMtus.length > 0) samples.add('ikemesh_path_mtu_min_bytes', {}, least(pathMtus));
  samples.add('ikemesh_half_open_ike_sas', {}, report.halfOpen);
  samples.add('ikemesh_cookies_demanded', {}, report.demandsCookies ? 1 : 0);
  samples.add('ikemesh_credentials_held_back', {}, report.heldBack.length);
  samples.add('ikemesh_queued_requests', {}, remembered.queuedRequests);
  samples.add('ikemesh_verifications', {}, remembered.verifications);
  samples.add('ikemesh_incomplete_messages', {}, remembered.incompleteMessages);
  for (const [reason, count] of Object.entries(report.dropped))
    samples.add('ikemesh_datagrams_dropped_total', { reason }, count);
  for (const [error, count] of Object.entries(report.unsent))
    samples.add('ikemesh_datagrams_unsent_total', { error }, count);
  addCertificates(samples, report);
}

/** Adds what has passed in all. */
export function addTraffic(samples: Samples, { total }: TrafficTotals): void {
  for (const direction of DIRECTIONS) {
    samples.add('ikemesh_esp_bytes_total', { direction }, total[direction].bytes);
    samples.add('ikemesh_esp_packets_total', { direction }, total[direction].packets);
  }
}

/** Adds what a report says of each peer. */
export function addPeers(samples: Samples, peers: readonly PeerReport[]): void {
  for (const { name: peer, state, reason, certificate, ikeSas, mtu } of peers) {
    samples.add('ikemesh_peer_state', { peer }, PEER_STATES.indexOf(state));
    samples.add('ikemesh_peer_reason', { peer, reason }, 1);
    if (certificate !== undefined) {
      const at = secondsOf(certificate.notAfter);
      samples.add('ikemesh_peer_certificate_expiration_timestamp_seconds', { peer }, at);
    }
    if (mtu !== undefined) samples.add('ikemesh_path_mtu_bytes', { peer }, mtu.path);
    const fitting = Map.groupBy(mtu?.children ?? [], ({ name }) => name);
    for (const [child, sas] of fitting) {
      samples.add('ikemesh_child_sa_payload_mtu_bytes', { peer, child }, least(sas.map(({ payload }) => payload)));
    }
    const newest = youngest(ikeSas.filter((sa) => sa.state === 'established'));
    if (newest !== undefined) addIkeSa(samples, peer, newest);
    const children = Map.groupBy(
      ikeSas.flatMap((sa) => sa.children),
      ({ name }) => name,
    );
    for (const [child, sas] of children) {
      const current = youngest(sas.filter((sa) => sa.state === 'installed'));
      if (current !== undefined) addChildSa(samples, peer, child, current);
    }
  }
}

/** Adds what has passed with each of some peers. */
export function addPeerTraffic(samples: Samples, { children }: TrafficTotals, peers: ReadonlySet<string>): void {
  for (const { peer, child, ...traffic } of children) {
    if (!peers.has(peer)) continue;
    for (const direction of DIRECTIONS) {
      const labels = { peer, child, direction };
      samples.add('ikemesh_child_sa_bytes_total', labels, traffic[direction].bytes);
      samples.add('ikemesh_child_sa_packets_total', labels, traffic[direction].packets);
    }
  }
}

function addEspSas(samples: Samples, report: StatusReport, children: readonly ChildSaReport[]): void {
  // Whoever cannot ask the kernel does not know what is missing.
  if (report.kernelFailure !== undefined) return;
  const sas = children.flatMap(({ inbound, outbound }) => [inbound, outbound]);
  const current = sas.filter((sa) => sa.installed).length;
  samples.add('ikemesh_esp_sas', { standing: 'current' }, current);
  samples.add('ikemesh_esp_sas', { standing: 'missing' }, sas.length - current);
  samples.add('ikemesh_esp_sas', { standing: 'earlier' }, report.earlierSas.length);
}

/**
 * They come with the next to end first; authorities that we depend on before all that there are. Two may have one name while
 * one takes the place of the other.
 */
function addCertificates(samples: Samples, { authorities, certificates }: StatusReport): void {
  const first = new Map<string, Pick<CertificateReport, 'name' | 'until'> & { readonly kind: string }>();
  for (const each of [...authorities.map((one) => ({ ...one, kind: one.dependence })), ...certificates]) {
    const key = `${each.kind} ${each.name}`;
    if (!first.has(key) && first.size < MAX_CERTIFICATES) first.set(key, each);
  }
  for (const { kind, name, until } of first.values())
    samples.add('ikemesh_certificate_expiration_timestamp_seconds', { kind, name }, secondsOf(until));
}

function addIkeSa(samples: Samples, peer: string, sa: IkeSaReport): void {
  samples.add('ikemesh_ike_sa_established_seconds', { peer }, sa.ageSeconds);
  samples.add('ikemesh_ike_sa_heard_seconds', { peer }, sa.lastHeardSeconds);
  if (sa.rekeySeconds !== undefined) samples.add('ikemesh_ike_sa_rekey_seconds', { peer }, sa.rekeySeconds);
  if (sa.reauthenticationSeconds !== undefined)
    samples.add('ikemesh_ike_sa_reauthentication_seconds', { peer }, sa.reauthenticationSeconds);
}

function addChildSa(samples: Samples, peer: string, child: string, sa: ChildSaReport): void {
  const labels = { peer, child };
  samples.add('ikemesh_child_sa_installed_seconds', labels, sa.ageSeconds);
  if (sa.rekeySeconds !== undefined) samples.add('ikemesh_child_sa_rekey_seconds', labels, sa.rekeySeconds);
  if (sa.expirySeconds !== undefined) samples.add('ikemesh_child_sa_expiry_seconds', labels, sa.expirySeconds);
}

function youngest<T extends { readonly ageSeconds: number }>(sas: readonly T[]): T | undefined {
  return sas.reduce<T | undefined>((found, sa) => (found && found.ageSeconds <= sa.ageSeconds ? found : sa), undefined);
}

/** No arguments, of which there may be too many for a call. */
function least(values: readonly number[]): number {
  return values.reduce((found, value) => Math.min(found, value), Number.POSITIVE_INFINITY);
}

function inState(all: readonly { readonly state: string }[], wanted: string): number {
  return all.filter(({ state }) => state === wanted).length;
}

/** Seconds since 1970 of a time such as `2026-11-27 22:04:05Z`. */
function secondsOf(text: string): number {
  return Date.parse(text.replace(' ', 'T')) / 1_000;
}

/** Their places are the values of `ikemesh_peer_state`. */
const PEER_STATES: readonly PeerReport['state'][] = ['down', 'connecting', 'established', 'encrypting', 'idle'];
const PEER_REASONS: readonly PeerReason[] = [
  'Proven',
  'FellBackToUDP',
  'Unproven',
  'PeerSilent',
  'NotArriving',
  'PeerCannotDecrypt',
  'CannotDecrypt',
  'PolicyMissing',
  'SAMissing',
  'NoChildSA',
  'Connecting',
  'WaitingForTraffic',
  'NameUnresolved',
  'NotEstablished',
];
const IKE_SA_STATES: readonly IkeSaReport['state'][] = ['connecting', 'established', 'rekeyed', 'deleting'];
const CHILD_SA_STATES: readonly ChildSaReport['state'][] = ['installed', 'superseded'];
const DIRECTIONS = ['in', 'out'] as const;
/** Bundles may have hundreds of authorities; the next to end are those that matter. */
const MAX_CERTIFICATES = 64;
