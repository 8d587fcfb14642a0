import { type Dashboard, lines, stat } from './panel.ts';

const WHICH = '{node="$node",peer="$peer"}';

/** One tunnel, as one of its ends sees it. */
export const peer: Dashboard = {
  name: 'peer',
  title: 'Peer',
  description:
    'One peer of a node: the tunnel, its keys and its traffic. Needs the series of single peers (metrics.agent.peers).',
  choices: [
    { name: 'node', label: 'Node', series: 'ikemesh_peer_state' },
    { name: 'peer', label: 'Peer', series: 'ikemesh_peer_state{node="$node"}' },
  ],
  rows: [
    {
      title: 'Now',
      panels: [
        stat(
          'State',
          'none',
          `max(ikemesh_peer_state${WHICH})`,
          'encrypting: every Child SA is in the kernel and nothing says that it does not work; idle: the first packet makes SAs.',
          { thresholds: { yellow: 3, red: 2 }, words: ['down', 'connecting', 'established', 'encrypting', 'idle'] },
        ),
        stat(
          'IKE SA is up for',
          's',
          `max(ikemesh_ike_sa_established_seconds${WHICH})`,
          'Age of the newest established IKE SA.',
        ),
        stat('Heard', 's', `max(ikemesh_ike_sa_heard_seconds${WHICH})`, 'Time since the peer was heard last by IKE.', {
          thresholds: { yellow: 120, red: 300 },
        }),
        stat('IKE SA is rekeyed in', 's', `min(ikemesh_ike_sa_rekey_seconds${WHICH})`, 'Less than 0: it is due.'),
        stat(
          'Certificate ends in',
          's',
          `min(ikemesh_peer_certificate_expiration_timestamp_seconds${WHICH}) - time()`,
          'The certificate that the peer has proven itself by; peers with a pre-shared key have none.',
        ),
        stat(
          'Established',
          'none',
          `max(ikemesh_peer_establishments_total${WHICH})`,
          'How often since the agent started, rekeys and renewed proofs not counted.',
        ),
      ],
    },
    {
      title: 'Keys',
      panels: [
        lines(
          'Why the state is so',
          'none',
          { '{{reason}}': `max by (reason) (ikemesh_peer_reason${WHICH})` },
          'Proven: both ends count packets of the other; Unproven: no packet has shown yet that the SAs work.',
        ),
        lines(
          'Age of SAs',
          's',
          {
            IKE: `max(ikemesh_ike_sa_established_seconds${WHICH})`,
            '{{child}}': `max by (child) (ikemesh_child_sa_installed_seconds${WHICH})`,
          },
          'A saw tooth: each tooth is a rekey.',
        ),
        lines(
          'Time until rekeys',
          's',
          {
            IKE: `min(ikemesh_ike_sa_rekey_seconds${WHICH})`,
            '{{child}}': `min by (child) (ikemesh_child_sa_rekey_seconds${WHICH})`,
          },
          'When SAs are replaced.',
        ),
        lines(
          'Time until SAs expire',
          's',
          { '{{child}}': `min by (child) (ikemesh_child_sa_expiry_seconds${WHICH})` },
          'When the kernel removes them if nobody rekeys. It comes near 0 only where rekeys fail.',
        ),
        lines(
          'Path MTU',
          'bytes',
          {
            path: `min(ikemesh_path_mtu_bytes${WHICH})`,
            'through {{child}}': `min by (child) (ikemesh_child_sa_payload_mtu_bytes${WHICH})`,
          },
          'As the kernel knows it, and the longest packets that fit once they are encrypted.',
        ),
        lines(
          'Establishments',
          'none',
          { established: `sum(increase(ikemesh_peer_establishments_total${WHICH}[$__rate_interval]))` },
          'Many in an hour are a tunnel that flaps.',
        ),
        lines(
          'Proofs that were refused',
          'none',
          { 'by {{by}}': `sum by (by) (increase(ikemesh_authentication_failures_total${WHICH}[$__rate_interval]))` },
          'By us or by the peer.',
          { onlyAfter: 'a refused proof' },
        ),
        lines(
          'Time until the identity is proven anew',
          's',
          { IKE: `min(ikemesh_ike_sa_reauthentication_seconds${WHICH})` },
          'Absent where that is not planned.',
          { onlyAfter: 'a peering, or a peer, that asks for it' },
        ),
      ],
    },
    {
      title: 'Traffic',
      panels: [
        lines(
          'Bytes',
          'Bps',
          {
            '{{child}} {{direction}}': `sum by (child, direction) (rate(ikemesh_child_sa_bytes_total${WHICH}[$__rate_interval]))`,
          },
          'By the counters of the kernel.',
          { width: 12 },
        ),
        lines(
          'Packets',
          'pps',
          {
            '{{child}} {{direction}}': `sum by (child, direction) (rate(ikemesh_child_sa_packets_total${WHICH}[$__rate_interval]))`,
          },
          'In one direction only: the other side sends nothing, or what it sends does not arrive.',
          { width: 12 },
        ),
      ],
    },
  ],
};
