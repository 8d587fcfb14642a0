import { type Dashboard, lines, stat, table } from './panel.ts';

/** One node: what its agent and its kernel say. */
export const node: Dashboard = {
  name: 'node',
  title: 'Node',
  description:
    'One node: its peers and SAs, what passes and what is dropped, its certificates, and how its agent fares.',
  choices: [{ name: 'node', label: 'Node', series: 'ikemesh_up' }],
  rows: [
    {
      title: 'Now',
      panels: [
        stat('Speaks IKE', 'bool_yes_no', 'max(ikemesh_up{node="$node"})', 'No: it stands by, or has nothing to do.'),
        stat(
          'Kernel answers',
          'bool_yes_no',
          'min(ikemesh_kernel_up{node="$node"})',
          'No: nothing is known of what is encrypted.',
          { thresholds: { yellow: 1, red: 1 } },
        ),
        stat(
          'Peers without a tunnel',
          'none',
          'sum(ikemesh_peers{node="$node",state=~"connecting|down"})',
          'Peers without an IKE SA.',
          { thresholds: { yellow: 1, red: 10 } },
        ),
        stat(
          'SAs missing in the kernel',
          'none',
          'max(ikemesh_esp_sas{node="$node",standing="missing"})',
          'SAs that IKE agreed on and the kernel lacks: their packets are lost.',
          { thresholds: { yellow: 1, red: 2 } },
        ),
        stat(
          'Certificate ends in',
          's',
          'min(ikemesh_certificate_expiration_timestamp_seconds{node="$node",kind="own"}) - time()',
          'The own certificate that ends first.',
          { thresholds: { yellow: 14_400, red: 3_600 } },
        ),
        stat(
          'Agent runs for',
          's',
          'time() - max(process_start_time_seconds{node="$node"} and on (job, instance) ikemesh_up)',
          'Since its process was started.',
        ),
      ],
    },
    {
      title: 'SAs',
      panels: [
        lines(
          'Peers by state',
          'none',
          { '{{state}}': 'sum by (state) (ikemesh_peers{node="$node"})' },
          'Encrypting (every Child SA is in the kernel), established, connecting, down, idle (the first packet makes SAs).',
        ),
        lines(
          'IKE SAs by state',
          'none',
          { '{{state}}': 'sum by (state) (ikemesh_ike_sas{node="$node"})' },
          'Two for one peer are a rekey that goes on.',
        ),
        lines(
          'Child SAs by state',
          'none',
          { '{{state}}': 'sum by (state) (ikemesh_child_sas{node="$node"})' },
          'Superseded ones stay for a grace after their rekey.',
        ),
        lines(
          'ESP SAs by standing',
          'none',
          { '{{standing}}': 'sum by (standing) (ikemesh_esp_sas{node="$node"})' },
          'Current, missing in the kernel, or of an earlier run of the agent.',
        ),
        lines(
          'Least path MTU',
          'bytes',
          { 'least of all peers': 'min(ikemesh_path_mtu_min_bytes{node="$node"})' },
          'As the kernel knows it: of the interface, of the route, or what a router has said.',
        ),
        lines(
          'TCP segments are clamped as wanted',
          'bool_yes_no',
          { 'as wanted': 'min(ikemesh_mss_clamp_up{node="$node"})' },
          'No: the kernel does not do what mssClamp wants; agent status says why.',
        ),
        lines(
          'Half-open IKE SAs',
          'none',
          {
            'half open': 'max(ikemesh_half_open_ike_sas{node="$node"})',
            'cookies are demanded': 'max(ikemesh_cookies_demanded{node="$node"})',
          },
          'IKE SAs that wait for a peer to prove itself; and whether strangers must prove their addresses first.',
        ),
        lines(
          'What waits',
          'none',
          {
            requests: 'max(ikemesh_queued_requests{node="$node"})',
            verifications: 'max(ikemesh_verifications{node="$node"})',
            'incomplete messages': 'max(ikemesh_incomplete_messages{node="$node"})',
          },
          'Requests for their turn, certificates that are being verified, messages of which fragments are missing.',
        ),
      ],
    },
    {
      title: 'Negotiations',
      panels: [
        lines(
          'Negotiations',
          'ops',
          {
            '{{outcome}} ({{by}})':
              'sum by (outcome, by) (rate(ikemesh_negotiations_total{node="$node"}[$__rate_interval]))',
          },
          'By outcome and whose move it was.',
        ),
        lines(
          'Failures by reason',
          'ops',
          {
            '{{reason}} ({{by}})':
              'sum by (reason, by) (rate(ikemesh_negotiations_total{node="$node",outcome="failed"}[$__rate_interval]))',
          },
          'Who refused: we (us) or the peer.',
        ),
        lines(
          'Duration of handshakes',
          's',
          {
            median:
              'histogram_quantile(0.5, sum by (le) (rate(ikemesh_handshake_duration_seconds_bucket{node="$node"}[$__rate_interval])))',
            '99 %':
              'histogram_quantile(0.99, sum by (le) (rate(ikemesh_handshake_duration_seconds_bucket{node="$node"}[$__rate_interval])))',
          },
          'From the first message of an IKE SA to its authentication.',
        ),
        lines(
          'Rekeys',
          'ops',
          { '{{sa}} {{outcome}}': 'sum by (sa, outcome) (rate(ikemesh_rekeys_total{node="$node"}[$__rate_interval]))' },
          'SAs that were replaced in time, and attempts that failed.',
        ),
        lines(
          'SAs that ended',
          'ops',
          {
            'IKE: {{reason}}': 'sum by (reason) (rate(ikemesh_ike_sas_closed_total{node="$node"}[$__rate_interval]))',
            'Child: {{reason}}':
              'sum by (reason) (rate(ikemesh_child_sas_closed_total{node="$node"}[$__rate_interval]))',
          },
          'By reason; rekeyed and replaced ones belong to every day.',
        ),
        lines(
          'Limits of SAs',
          'ops',
          { '{{limit}}': 'sum by (limit) (rate(ikemesh_sa_expirations_total{node="$node"}[$__rate_interval]))' },
          'Soft: due for a rekey. Hard: the kernel removed it.',
        ),
        lines(
          'Repeated messages and liveness',
          'ops',
          {
            repeated: 'sum(rate(ikemesh_retransmissions_total{node="$node"}[$__rate_interval]))',
            'liveness checks': 'sum(rate(ikemesh_liveness_checks_total{node="$node"}[$__rate_interval]))',
            collisions: 'sum(rate(ikemesh_collisions_total{node="$node"}[$__rate_interval]))',
            moves: 'sum(rate(ikemesh_peer_moves_total{node="$node"}[$__rate_interval]))',
          },
          'Requests that got no answer, peers that were asked whether they are there, requests that met, peers that moved behind their NAT.',
        ),
        lines(
          'Packets without an SA',
          'ops',
          { acquires: 'sum(rate(ikemesh_acquires_total{node="$node"}[$__rate_interval]))' },
          'Packets for which the kernel asked for an SA.',
        ),
      ],
    },
    {
      title: 'Packets',
      panels: [
        lines(
          'Encrypted traffic',
          'Bps',
          { '{{direction}}': 'sum by (direction) (rate(ikemesh_esp_bytes_total{node="$node"}[$__rate_interval]))' },
          'Bytes that the kernel encrypted (out) and decrypted (in).',
        ),
        lines(
          'Encrypted packets',
          'pps',
          { '{{direction}}': 'sum by (direction) (rate(ikemesh_esp_packets_total{node="$node"}[$__rate_interval]))' },
          'Packets, likewise.',
        ),
        lines(
          'Packets that the kernel dropped',
          'pps',
          { '{{error}}': 'sum by (error) (rate(ikemesh_xfrm_errors_total{node="$node"}[$__rate_interval]))' },
          "The kernel's error counters of IPsec, of all who use it on the node.",
        ),
        lines(
          'IKE datagrams that were dropped',
          'pps',
          { '{{reason}}': 'sum by (reason) (rate(ikemesh_datagrams_dropped_total{node="$node"}[$__rate_interval]))' },
          'Without changing any state, by reason.',
          { onlyAfter: 'a datagram that is no use, of each reason' },
        ),
        lines(
          'IKE datagrams that were not sent',
          'pps',
          { '{{error}}': 'sum by (error) (rate(ikemesh_datagrams_unsent_total{node="$node"}[$__rate_interval]))' },
          'Because the host would not, by error.',
          { onlyAfter: 'an error of a socket' },
        ),
        lines(
          'Commands that the kernel refused',
          'ops',
          { '{{command}}': 'sum by (command) (rate(ikemesh_kernel_refusals_total{node="$node"}[$__rate_interval]))' },
          'By command; the log has the objects and errors.',
          { onlyAfter: 'a refusal' },
        ),
        lines(
          'What others removed and ESP in UDP for want of ESP',
          'ops',
          {
            '{{object}} put back':
              'sum by (object) (rate(ikemesh_kernel_repairs_total{node="$node"}[$__rate_interval]))',
            'went over to UDP': 'sum(rate(ikemesh_esp_fallbacks_total{node="$node"}[$__rate_interval]))',
          },
          'SAs and policies of ours that another program removed; peers for which the path drops ESP.',
        ),
        lines(
          'Signs of attacks',
          'ops',
          { '{{sign}}': 'sum by (sign) (rate(ikemesh_attack_signs_total{node="$node"}[$__rate_interval]))' },
          'Messages that attacks would cause; the runbook explains each word.',
        ),
      ],
    },
    {
      title: 'Certificates and agent',
      panels: [
        table(
          'Certificates and lists',
          's',
          'sort(min by (kind, name) (ikemesh_certificate_expiration_timestamp_seconds{node="$node"}) - time())',
          'What is in use, the next to end first.',
        ),
        lines(
          'Files held back',
          'none',
          {
            'held back': 'max(ikemesh_credentials_held_back{node="$node"})',
            'revoked peers': 'max(ikemesh_peer_revocations_total{node="$node"})',
          },
          'Keys, certificates and lists that cannot be used as they are; and peers whose certificate was revoked.',
          { width: 12 },
        ),
        lines(
          'Carrying out what it is told',
          's',
          {
            'on average':
              'sum(rate(ikemesh_reconcile_duration_seconds_sum{node="$node"}[$__rate_interval])) / sum(rate(ikemesh_reconcile_duration_seconds_count{node="$node"}[$__rate_interval]))',
            'failures per second': 'sum(rate(ikemesh_reconcile_errors_total{node="$node"}[$__rate_interval]))',
          },
          'How long it takes to bring the agent to what the cluster says, and how often that fails.',
        ),
        lines(
          'Lateness of timers',
          's',
          {
            '99 %':
              'histogram_quantile(0.99, sum by (le) (rate(ikemesh_event_loop_lag_seconds_bucket{node="$node"}[$__rate_interval])))',
          },
          'For so long everything else in the agent waited.',
        ),
        lines(
          'Processor time',
          'percentunit',
          {
            agent:
              'sum(rate(process_cpu_seconds_total{node="$node"}[$__rate_interval]) and on (job, instance) ikemesh_up)',
          },
          'Of one processor.',
        ),
        lines(
          'Memory',
          'bytes',
          { agent: 'max(process_resident_memory_bytes{node="$node"} and on (job, instance) ikemesh_up)' },
          'Resident memory of the agent.',
        ),
      ],
    },
  ],
};
