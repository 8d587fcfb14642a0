import { type Dashboard, lines, stat, table } from './panel.ts';

/** All nodes: is everything encrypted, and where is it not? */
export const fleet: Dashboard = {
  name: 'fleet',
  title: 'Fleet',
  description: 'All nodes: whether their peers are connected, what passes, and what the operator does.',
  choices: [],
  rows: [
    {
      title: 'Now',
      panels: [
        stat('Agents', 'none', 'count(ikemesh_up)', 'Agents that Prometheus scrapes.'),
        stat(
          'Peers without a tunnel',
          'none',
          'sum(ikemesh_peers{state=~"connecting|down"})',
          'Each of two nodes counts its own end. Not 0: the table below says on which nodes.',
          { thresholds: { yellow: 1, red: 10 } },
        ),
        stat(
          'SAs missing in kernels',
          'none',
          'sum(ikemesh_esp_sas{standing="missing"})',
          'SAs that IKE agreed on and a kernel lacks: their packets are lost.',
          { thresholds: { yellow: 1, red: 2 } },
        ),
        stat(
          'Encrypted traffic',
          'Bps',
          'sum(rate(ikemesh_esp_bytes_total{direction="out"}[$__rate_interval]))',
          'Bytes that all nodes encrypt, by the counters of the kernels.',
        ),
        stat(
          'Next certificate ends in',
          's',
          'min(ikemesh_certificate_expiration_timestamp_seconds{kind="own"}) - time()',
          'The node whose certificate ends first. With 24 h of lifetime it never is below 8 h while cert-manager renews.',
          { thresholds: { yellow: 14_400, red: 3_600 } },
        ),
        stat(
          'Operators at work',
          'none',
          'sum(ikemesh_operator_leader)',
          'One leads. 0: new nodes and changes wait, tunnels go on.',
          { thresholds: { yellow: 1, red: 1 } },
        ),
      ],
    },
    {
      title: 'Tunnels',
      panels: [
        lines(
          'Peers by state',
          'none',
          { '{{state}}': 'sum by (state) (ikemesh_peers)' },
          'Of all nodes: encrypting (every Child SA is in the kernel and nothing says that it does not work), established, connecting, down, idle (the first packet makes SAs).',
        ),
        lines(
          'Peers by reason',
          'none',
          { '{{reason}}': 'sum by (reason) (ikemesh_peers_by_reason) > 0' },
          'Why their state is as it is. Proven: both ends count packets of the other; Unproven: no packet has shown it yet.',
        ),
        lines(
          'Tunnels of peerings',
          'none',
          { '{{peering}} {{state}}': 'max by (peering, state) (ikemesh_peering_tunnels)' },
          'As the agents report them to the operator: expected, established, encrypting.',
        ),
        lines(
          'Conditions of peerings',
          'none',
          { '{{peering}} {{type}}': 'max by (peering, type) (ikemesh_peering_condition) + 1' },
          '2 true, 1 false, 0 unknown, as the operator wrote them last.',
        ),
        table(
          'Nodes by peers without a tunnel',
          'none',
          'sort_desc(topk(20, sum by (node) (ikemesh_peers{state=~"connecting|down"})))',
          'The twenty worst; choose one in the dashboard of nodes.',
        ),
        table(
          'Nodes by certificates that end next',
          's',
          'sort(bottomk(20, min by (node) (ikemesh_certificate_expiration_timestamp_seconds{kind="own"}) - time()))',
          'The twenty whose certificates end first.',
        ),
      ],
    },
    {
      title: 'Traffic and keys',
      panels: [
        lines(
          'Encrypted traffic',
          'Bps',
          { '{{direction}}': 'sum by (direction) (rate(ikemesh_esp_bytes_total[$__rate_interval]))' },
          'Bytes that kernels encrypted (out) and decrypted (in).',
        ),
        lines(
          'Negotiations',
          'ops',
          { '{{outcome}}': 'sum by (outcome) (rate(ikemesh_negotiations_total[$__rate_interval]))' },
          'Negotiations of IKE SAs that ended, by outcome.',
        ),
        lines(
          'Failures by reason',
          'ops',
          {
            '{{reason}} ({{by}})':
              'sum by (reason, by) (rate(ikemesh_negotiations_total{outcome="failed"}[$__rate_interval]))',
          },
          'Negotiations that failed, and who refused: we (us) or the peer.',
        ),
        lines(
          'Duration of handshakes',
          's',
          {
            median:
              'histogram_quantile(0.5, sum by (le) (rate(ikemesh_handshake_duration_seconds_bucket[$__rate_interval])))',
            '99 %':
              'histogram_quantile(0.99, sum by (le) (rate(ikemesh_handshake_duration_seconds_bucket[$__rate_interval])))',
          },
          'From the first message of an IKE SA to its authentication.',
        ),
        lines(
          'Rekeys',
          'ops',
          { '{{sa}} {{outcome}}': 'sum by (sa, outcome) (rate(ikemesh_rekeys_total[$__rate_interval]))' },
          'SAs that were replaced in time, and attempts that failed.',
        ),
        lines(
          'Signs of attacks',
          'ops',
          { '{{sign}}': 'sum by (sign) (rate(ikemesh_attack_signs_total[$__rate_interval]))' },
          'Messages that attacks would cause; the runbook explains each word.',
        ),
        lines(
          'Packets that kernels dropped',
          'pps',
          { '{{error}}': 'sum by (error) (rate(ikemesh_xfrm_errors_total[$__rate_interval]))' },
          "The kernels' error counters of IPsec, of all who use it on the nodes.",
        ),
        lines(
          'Agents by version',
          'none',
          { '{{version}} {{crypto}}': 'count by (version, crypto) (ikemesh_build_info)' },
          'Two at a time are an upgrade that goes on, or one that is stuck.',
        ),
      ],
    },
    {
      title: 'Operator',
      panels: [
        lines(
          'Duration of plans',
          's',
          {
            median:
              'histogram_quantile(0.5, sum by (le) (rate(ikemesh_operator_reconcile_duration_seconds_bucket[$__rate_interval])))',
            '99 %':
              'histogram_quantile(0.99, sum by (le) (rate(ikemesh_operator_reconcile_duration_seconds_bucket[$__rate_interval])))',
          },
          'How long it takes to plan what everything should be.',
        ),
        lines(
          'Writes by code',
          'ops',
          { '{{code}}': 'sum by (code) (rate(ikemesh_operator_writes_total[$__rate_interval]))' },
          'ok, the status of a refusal, or 0 where there was no answer.',
        ),
        lines(
          'Objects that wait',
          'none',
          { '{{pod}}': 'ikemesh_operator_work_queue_depth' },
          'To be written, those included that are tried again later.',
        ),
        lines(
          'Kinds that are watched',
          'bool_yes_no',
          { '{{kind}}': 'min by (kind) (ikemesh_operator_watch_up)' },
          'Of the worst operator. No: changes of the kind do not reach it.',
        ),
        lines(
          'Plans that failed',
          'ops',
          { failed: 'sum(rate(ikemesh_operator_reconcile_errors_total[$__rate_interval]))' },
          'Each is a defect; the log of the operator has it.',
        ),
        lines(
          'Lateness of timers',
          's',
          {
            '{{pod}}':
              'max by (pod) (nodejs_eventloop_lag_p99_seconds and on (job, instance) ikemesh_operator_build_info)',
          },
          'How late one timer of a hundred comes in the operator.',
        ),
      ],
    },
  ],
};
