/** What a metric is: what Prometheus is told, and what the documentation says. */
export interface MetricDefinition {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  /** What a value counts or measures; base units. */
  readonly unit: string;
  /** One series or more for each peer, which may be switched off. */
  readonly perPeer?: true;
}

/** Seconds: a handshake on a good line takes milliseconds, one that has to repeat itself up to a minute. */
export const HANDSHAKE_BUCKETS: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** Seconds that a timer comes late. */
export const LAG_BUCKETS: readonly number[] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

/** All metrics of an agent, in the order in which they are shown. */
export const AGENT_METRICS = [
  {
    name: 'ikemesh_build_info',
    help: 'Version of the agent and the cryptographic provider that it uses; always 1.',
    type: 'gauge',
    labels: ['version', 'crypto'],
    unit: '',
  },
  {
    name: 'ikemesh_up',
    help: '1 while the agent speaks IKE, 0 while it stands by or has nothing to do.',
    type: 'gauge',
    labels: [],
    unit: 'boolean',
  },
  {
    name: 'ikemesh_kernel_up',
    help: "1 when the kernel's SAs could be read for this scrape; without, nothing here says what is encrypted.",
    type: 'gauge',
    labels: [],
    unit: 'boolean',
  },
  {
    name: 'ikemesh_peers',
    help: 'Peers by state: encrypting (every Child SA is in the kernel), established, connecting, down.',
    type: 'gauge',
    labels: ['state'],
    unit: 'peers',
  },
  {
    name: 'ikemesh_ike_sas',
    help: 'IKE SAs by state: connecting, established, rekeyed, deleting.',
    type: 'gauge',
    labels: ['state'],
    unit: 'SAs',
  },
  {
    name: 'ikemesh_half_open_ike_sas',
    help: 'IKE SAs that wait for a peer to prove itself.',
    type: 'gauge',
    labels: [],
    unit: 'SAs',
  },
  {
    name: 'ikemesh_child_sas',
    help: 'Child SAs by state: installed, superseded.',
    type: 'gauge',
    labels: ['state'],
    unit: 'SAs',
  },
  {
    name: 'ikemesh_esp_sas',
    help: 'ESP SAs by standing: current (in the kernel, of a Child SA), missing (of a Child SA, but not in the kernel), earlier (in the kernel, of an earlier run).',
    type: 'gauge',
    labels: ['standing'],
    unit: 'SAs',
  },
  {
    name: 'ikemesh_esp_bytes_total',
    help: 'Bytes that the kernel encrypted (out) and decrypted (in), by the counters of the SAs at each scrape; what passes between the last scrape and the end of an SA is not counted.',
    type: 'counter',
    labels: ['direction'],
    unit: 'bytes',
  },
  {
    name: 'ikemesh_esp_packets_total',
    help: 'Packets, likewise.',
    type: 'counter',
    labels: ['direction'],
    unit: 'packets',
  },
  {
    name: 'ikemesh_negotiations_total',
    help: 'Negotiations of IKE SAs that ended, by outcome (established, failed), reason of the failure and whose move it was: who began what was established, who refused what failed.',
    type: 'counter',
    labels: ['outcome', 'reason', 'by'],
    unit: 'negotiations',
  },
  {
    name: 'ikemesh_handshake_duration_seconds',
    help: 'From the first message of an IKE SA to its authentication, by our role.',
    type: 'histogram',
    labels: ['role'],
    unit: 'seconds',
  },
  {
    name: 'ikemesh_ike_sas_closed_total',
    help: 'Established IKE SAs that ended, by reason.',
    type: 'counter',
    labels: ['reason'],
    unit: 'SAs',
  },
  {
    name: 'ikemesh_child_sas_closed_total',
    help: 'Child SAs that ended, by reason.',
    type: 'counter',
    labels: ['reason'],
    unit: 'SAs',
  },
  {
    name: 'ikemesh_rekeys_total',
    help: 'Rekeys of IKE and Child SAs, by outcome (rekeyed, failed, postponed), reason of the failure and who asked for it.',
    type: 'counter',
    labels: ['sa', 'outcome', 'reason', 'by'],
    unit: 'rekeys',
  },
  {
    name: 'ikemesh_sa_expirations_total',
    help: 'SAs whose limit the kernel reported: soft (due for a rekey), hard (removed by the kernel).',
    type: 'counter',
    labels: ['limit'],
    unit: 'SAs',
  },
  {
    name: 'ikemesh_collisions_total',
    help: 'Requests of peers that met something of ours that was under way.',
    type: 'counter',
    labels: [],
    unit: 'requests',
  },
  {
    name: 'ikemesh_retransmissions_total',
    help: 'IKE requests of ours that were repeated because no answer came.',
    type: 'counter',
    labels: [],
    unit: 'requests',
  },
  {
    name: 'ikemesh_liveness_checks_total',
    help: 'Peers that were asked whether they are still there.',
    type: 'counter',
    labels: [],
    unit: 'requests',
  },
  {
    name: 'ikemesh_peer_moves_total',
    help: 'Peers that came to another address or port behind their NAT.',
    type: 'counter',
    labels: [],
    unit: 'moves',
  },
  {
    name: 'ikemesh_acquires_total',
    help: 'Packets of ours for which the kernel asked for an SA.',
    type: 'counter',
    labels: [],
    unit: 'packets',
  },
  {
    name: 'ikemesh_kernel_refusals_total',
    help: 'Commands that the kernel refused.',
    type: 'counter',
    labels: ['command'],
    unit: 'commands',
  },
  {
    name: 'ikemesh_peer_revocations_total',
    help: 'Peers whose SAs were ended because their certificate was revoked.',
    type: 'counter',
    labels: [],
    unit: 'peers',
  },
  {
    name: 'ikemesh_datagrams_dropped_total',
    help: 'IKE datagrams that were dropped without changing any state, by reason.',
    type: 'counter',
    labels: ['reason'],
    unit: 'datagrams',
  },
  {
    name: 'ikemesh_datagrams_unsent_total',
    help: 'IKE datagrams that the host would not send, by error.',
    type: 'counter',
    labels: ['error'],
    unit: 'datagrams',
  },
  {
    name: 'ikemesh_attack_signs_total',
    help: 'What attacks would cause, and now and then misconfiguration: halfOpenFlood, authenticationFailure, forgery, replay, downgrade, unknownSpi, unknownPeer. Replays of ESP are XfrmInStateSeqError in ikemesh_xfrm_errors_total.',
    type: 'counter',
    labels: ['sign'],
    unit: 'events',
  },
  {
    name: 'ikemesh_cookies_demanded',
    help: '1 while strangers have to prove their address first, because many IKE SAs are half open.',
    type: 'gauge',
    labels: [],
    unit: 'boolean',
  },
  {
    name: 'ikemesh_certificate_expiration_timestamp_seconds',
    help: 'When what is in use ends, by kind: own certificate, authority, revocationList; of several of one name the first to end.',
    type: 'gauge',
    labels: ['kind', 'name'],
    unit: 'seconds since 1970',
  },
  {
    name: 'ikemesh_credentials_held_back',
    help: 'Files with keys, certificates or lists that cannot be used as they are; what was read before stays in use.',
    type: 'gauge',
    labels: [],
    unit: 'files',
  },
  {
    name: 'ikemesh_queued_requests',
    help: 'IKE requests of ours that wait for their turn.',
    type: 'gauge',
    labels: [],
    unit: 'requests',
  },
  {
    name: 'ikemesh_verifications',
    help: "Peers' certificates that are being verified.",
    type: 'gauge',
    labels: [],
    unit: 'certificates',
  },
  {
    name: 'ikemesh_incomplete_messages',
    help: 'IKE messages of which not all fragments have arrived.',
    type: 'gauge',
    labels: [],
    unit: 'messages',
  },
  {
    name: 'ikemesh_xfrm_errors_total',
    help: "The kernel's error counters of IPsec in the network namespace of the agent, as /proc/net/xfrm_stat names them; all users of IPsec together.",
    type: 'counter',
    labels: ['error'],
    unit: 'packets',
  },
  {
    name: 'ikemesh_event_loop_lag_seconds',
    help: 'How late a timer comes, four times a second: for so long the agent did something else.',
    type: 'histogram',
    labels: [],
    unit: 'seconds',
  },
  {
    name: 'process_cpu_seconds_total',
    help: 'Processor time of the agent, user and system.',
    type: 'counter',
    labels: [],
    unit: 'seconds',
  },
  {
    name: 'process_resident_memory_bytes',
    help: 'Resident memory of the agent.',
    type: 'gauge',
    labels: [],
    unit: 'bytes',
  },
  {
    name: 'process_start_time_seconds',
    help: 'When the agent was started.',
    type: 'gauge',
    labels: [],
    unit: 'seconds since 1970',
  },
  {
    name: 'ikemesh_peer_state',
    help: '3 encrypting (every Child SA is in the kernel), 2 established, 1 connecting, 0 down.',
    type: 'gauge',
    labels: ['peer'],
    unit: 'state',
    perPeer: true,
  },
  {
    name: 'ikemesh_peer_establishments_total',
    help: 'IKE SAs that were established with the peer, those by rekey not counted: many in an hour are a tunnel that flaps.',
    type: 'counter',
    labels: ['peer'],
    unit: 'SAs',
    perPeer: true,
  },
  {
    name: 'ikemesh_authentication_failures_total',
    help: 'Proofs that we (us) or the peer refused; peer is empty where it is none of ours.',
    type: 'counter',
    labels: ['peer', 'by'],
    unit: 'proofs',
    perPeer: true,
  },
  {
    name: 'ikemesh_peer_certificate_expiration_timestamp_seconds',
    help: 'When the certificate ends that the peer has proven itself by.',
    type: 'gauge',
    labels: ['peer'],
    unit: 'seconds since 1970',
    perPeer: true,
  },
  {
    name: 'ikemesh_ike_sa_established_seconds',
    help: "Age of the peer's newest established IKE SA.",
    type: 'gauge',
    labels: ['peer'],
    unit: 'seconds',
    perPeer: true,
  },
  {
    name: 'ikemesh_ike_sa_rekey_seconds',
    help: 'Time until it is rekeyed.',
    type: 'gauge',
    labels: ['peer'],
    unit: 'seconds',
    perPeer: true,
  },
  {
    name: 'ikemesh_ike_sa_reauthentication_seconds',
    help: 'Time until both sides prove their identity anew; absent where that is not planned.',
    type: 'gauge',
    labels: ['peer'],
    unit: 'seconds',
    perPeer: true,
  },
  {
    name: 'ikemesh_ike_sa_heard_seconds',
    help: 'Time since the peer was heard last.',
    type: 'gauge',
    labels: ['peer'],
    unit: 'seconds',
    perPeer: true,
  },
  {
    name: 'ikemesh_child_sa_installed_seconds',
    help: 'Age of the newest Child SA of this name.',
    type: 'gauge',
    labels: ['peer', 'child'],
    unit: 'seconds',
    perPeer: true,
  },
  {
    name: 'ikemesh_child_sa_rekey_seconds',
    help: 'Time until it is rekeyed.',
    type: 'gauge',
    labels: ['peer', 'child'],
    unit: 'seconds',
    perPeer: true,
  },
  {
    name: 'ikemesh_child_sa_expiry_seconds',
    help: 'Time until the kernel removes it, if it is not rekeyed.',
    type: 'gauge',
    labels: ['peer', 'child'],
    unit: 'seconds',
    perPeer: true,
  },
  {
    name: 'ikemesh_child_sa_bytes_total',
    help: 'Bytes as in ikemesh_esp_bytes_total, of all Child SAs of this name since the agent started.',
    type: 'counter',
    labels: ['peer', 'child', 'direction'],
    unit: 'bytes',
    perPeer: true,
  },
  {
    name: 'ikemesh_child_sa_packets_total',
    help: 'Packets, likewise.',
    type: 'counter',
    labels: ['peer', 'child', 'direction'],
    unit: 'packets',
    perPeer: true,
  },
] as const satisfies readonly MetricDefinition[];

type Definition = (typeof AGENT_METRICS)[number];
type Named<Name> = Extract<Definition, { name: Name }>;

/** A name of the list. */
export type MetricName = Definition['name'];
/** A name of the list, of a counter. */
export type CounterName = Extract<Definition, { type: 'counter' }>['name'];
/** A name of the list, of a histogram. */
export type HistogramName = Extract<Definition, { type: 'histogram' }>['name'];
/** The labels that a metric has, all of them. */
export type LabelsOf<Name extends MetricName> = Readonly<Record<Named<Name>['labels'][number], string>>;
