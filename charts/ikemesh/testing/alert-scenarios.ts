/** Series by their names, each with its values minute by minute in promtool's notation. */
export type Series = Readonly<Record<string, string>>;

/** What happens, and the alert that it must raise. */
export interface AlertScenario {
  readonly alert: string;
  readonly series: Series;
  /** In minutes. */
  readonly silentAt?: number;
  readonly firesAt: number;
  /** What tells where it happens, without name and severity. */
  readonly labels: Readonly<Record<string, string>>;
}

/** One for each alert at least. */
export const ALERT_SCENARIOS: readonly AlertScenario[] = [
  {
    alert: 'IkemeshPeeringNotReady',
    series: { 'ikemesh_peering_condition{peering="cluster",type="Ready"}': '1x10 0x60' },
    silentAt: 20,
    firesAt: 30,
    labels: { peering: 'cluster' },
  },
  {
    alert: 'IkemeshPeeringNotReady',
    series: { 'ikemesh_peering_condition{peering="cluster",type="Ready"}': '-1x60' },
    firesAt: 30,
    labels: { peering: 'cluster' },
  },
  {
    alert: 'IkemeshTunnelsMissing',
    series: {
      'ikemesh_peering_tunnels{peering="cluster",state="expected"}': '6x60',
      'ikemesh_peering_tunnels{peering="cluster",state="established"}': '6x10 4x50',
    },
    silentAt: 20,
    firesAt: 30,
    labels: { peering: 'cluster' },
  },
  {
    alert: 'IkemeshNodeCutOff',
    series: {
      'ikemesh_peers{node="a",state="encrypting"}': '2x10 0x50',
      'ikemesh_peers{node="a",state="established"}': '0x60',
      'ikemesh_peers{node="a",state="connecting"}': '0x10 2x50',
      'ikemesh_peers{node="a",state="down"}': '0x60',
      // One that waits for traffic does not hide that all the others are gone.
      'ikemesh_peers{node="a",state="idle"}': '1x60',
      'ikemesh_peers{node="b",state="encrypting"}': '2x10 1x50',
      // Nothing is wrong with peers for which the first packet makes SAs.
      'ikemesh_peers{node="c",state="encrypting"}': '0x60',
      'ikemesh_peers{node="c",state="idle"}': '2x60',
    },
    silentAt: 14,
    firesAt: 18,
    labels: { node: 'a' },
  },
  {
    alert: 'IkemeshPeersDown',
    series: {
      'ikemesh_peers{node="a",state="encrypting"}': '2x10 1x50',
      'ikemesh_peers{node="a",state="connecting"}': '0x10 1x50',
      'ikemesh_peers{node="b",state="down"}': '0x60',
      'ikemesh_peers{node="b",state="idle"}': '2x60',
    },
    silentAt: 18,
    firesAt: 25,
    labels: { node: 'a' },
  },
  {
    alert: 'IkemeshPeersNotEncrypting',
    series: {
      'ikemesh_peers{node="a",state="encrypting"}': '2x10 1x50',
      'ikemesh_peers{node="a",state="established"}': '0x10 1x50',
      // An IKE SA that was just established has no Child SA for a moment.
      'ikemesh_peers{node="b",state="established"}': '0x12 2x5 0x41',
    },
    silentAt: 18,
    firesAt: 25,
    labels: { node: 'a' },
  },
  {
    alert: 'IkemeshSasMissing',
    series: { 'ikemesh_esp_sas{node="a",standing="missing"}': '0x10 2x50' },
    silentAt: 13,
    firesAt: 18,
    labels: { node: 'a' },
  },
  {
    alert: 'IkemeshKernelUnreadable',
    series: { 'ikemesh_kernel_up{node="a"}': '1x10 0x50' },
    silentAt: 13,
    firesAt: 18,
    labels: { node: 'a' },
  },
  {
    alert: 'IkemeshTunnelFlapping',
    series: { 'ikemesh_peer_establishments_total{node="a",peer="b-ipv4"}': '1x60 2+1x20' },
    silentAt: 60,
    firesAt: 70,
    labels: { node: 'a', peer: 'b-ipv4' },
  },
  {
    alert: 'IkemeshRekeysFailing',
    series: {
      'ikemesh_rekeys_total{node="a",sa="child",outcome="failed",reason="timeout",by="us"}': '0x10 1+1x5 6x50',
    },
    silentAt: 10,
    firesAt: 20,
    labels: { node: 'a', sa: 'child', reason: 'timeout' },
  },
  {
    alert: 'IkemeshSaExpiring',
    series: {
      'ikemesh_child_sa_expiry_seconds{node="a",peer="b-ipv4",child="default"}': '7200-60x119',
      'ikemesh_child_sa_rekey_seconds{node="a",peer="b-ipv4",child="default"}': '3600-60x119',
    },
    silentAt: 95,
    firesAt: 105,
    labels: { node: 'a', peer: 'b-ipv4', child: 'default' },
  },
  {
    alert: 'IkemeshSaExpired',
    series: { 'ikemesh_sa_expirations_total{node="a",limit="hard"}': '0x10 2x50' },
    silentAt: 10,
    firesAt: 13,
    labels: { node: 'a' },
  },
  {
    alert: 'IkemeshNegotiationsFailing',
    series: {
      'ikemesh_negotiations_total{node="a",outcome="failed",reason="timeout",by="peer"}': '0x10 0+0.25x120',
    },
    silentAt: 20,
    firesAt: 60,
    labels: { node: 'a', reason: 'timeout', by: 'peer' },
  },
  {
    alert: 'IkemeshAuthenticationFailing',
    series: {
      'ikemesh_negotiations_total{node="a",outcome="failed",reason="authenticationFailed",by="us"}': '0x10 0+1x60',
    },
    silentAt: 10,
    firesAt: 20,
    labels: { node: 'a', by: 'us' },
  },
  {
    alert: 'IkemeshCertificateExpiring',
    series: { 'ikemesh_certificate_expiration_timestamp_seconds{node="a",kind="own",name="a.test"}': '28800x480' },
    silentAt: 230,
    firesAt: 260,
    labels: { node: 'a', name: 'a.test' },
  },
  {
    alert: 'IkemeshCertificateExpired',
    series: { 'ikemesh_certificate_expiration_timestamp_seconds{node="a",kind="own",name="a.test"}': '3600x120' },
    silentAt: 59,
    firesAt: 61,
    labels: { node: 'a', name: 'a.test' },
  },
  {
    // The authority that certificates are of ends, and its successor is trusted already.
    alert: 'IkemeshAuthorityExpiring',
    series: {
      'ikemesh_certificate_expiration_timestamp_seconds{node="a",kind="authority",name="CN=old"}': '606600x120',
      'ikemesh_certificate_expiration_timestamp_seconds{node="a",kind="authority",name="CN=new"}': '9999999x120',
      'ikemesh_certificate_expiration_timestamp_seconds{node="a",kind="issuer",name="CN=old"}': '606600x120',
      'ikemesh_certificate_expiration_timestamp_seconds{node="a",kind="bundle",name="CN=new"}': '9999999x120',
      // Here it is trusted beside the new one, and nothing is of it any more.
      'ikemesh_certificate_expiration_timestamp_seconds{node="b",kind="authority",name="CN=old"}': '-5x120',
      'ikemesh_certificate_expiration_timestamp_seconds{node="b",kind="issuer",name="CN=new"}': '9999999x120',
      'ikemesh_certificate_expiration_timestamp_seconds{node="b",kind="bundle",name="CN=new"}': '9999999x120',
    },
    silentAt: 25,
    firesAt: 50,
    labels: { node: 'a', name: 'CN=old' },
  },
  {
    // Of two peerings with an issuer each.
    alert: 'IkemeshAuthorityExpiring',
    series: {
      'ikemesh_certificate_expiration_timestamp_seconds{node="a",kind="authority",name="CN=mesh"}': '9999999x120',
      'ikemesh_certificate_expiration_timestamp_seconds{node="a",kind="authority",name="CN=office"}': '606600x120',
      'ikemesh_certificate_expiration_timestamp_seconds{node="a",kind="bundle",name="CN=mesh"}': '9999999x120',
      'ikemesh_certificate_expiration_timestamp_seconds{node="a",kind="bundle",name="CN=office"}': '606600x120',
    },
    silentAt: 25,
    firesAt: 50,
    labels: { node: 'a', name: 'CN=office' },
  },
  {
    alert: 'IkemeshRevocationListStale',
    series: {
      'ikemesh_certificate_expiration_timestamp_seconds{node="a",kind="revocationList",name="CN=ca"}': '600x60',
    },
    silentAt: 20,
    firesAt: 30,
    labels: { node: 'a', name: 'CN=ca' },
  },
  {
    alert: 'IkemeshCredentialsHeldBack',
    series: { 'ikemesh_credentials_held_back{node="a"}': '0x10 1x50' },
    silentAt: 18,
    firesAt: 25,
    labels: { node: 'a' },
  },
  {
    alert: 'IkemeshTrafficBlocked',
    series: { 'ikemesh_xfrm_errors_total{node="a",error="XfrmOutNoStates"}': '5x10 5+600x50' },
    silentAt: 10,
    firesAt: 20,
    labels: { node: 'a', error: 'XfrmOutNoStates' },
  },
  {
    alert: 'IkemeshTrafficBlocked',
    series: { 'ikemesh_xfrm_errors_total{node="a",error="XfrmInTmplMismatch"}': '0+60x60' },
    firesAt: 20,
    labels: { node: 'a', error: 'XfrmInTmplMismatch' },
  },
  {
    alert: 'IkemeshDecryptionFailing',
    series: { 'ikemesh_xfrm_errors_total{node="a",error="XfrmInStateProtoError"}': '0x10 0+60x50' },
    silentAt: 10,
    firesAt: 20,
    labels: { node: 'a', error: 'XfrmInStateProtoError' },
  },
  {
    alert: 'IkemeshReplays',
    series: { 'ikemesh_xfrm_errors_total{node="a",error="XfrmInStateSeqError"}': '0x10 0+60x50' },
    silentAt: 10,
    firesAt: 20,
    labels: { node: 'a' },
  },
  {
    alert: 'IkemeshKernelRefusals',
    series: { 'ikemesh_kernel_refusals_total{node="a",command="addSa"}': '1+1x50' },
    silentAt: 3,
    firesAt: 20,
    labels: { node: 'a', command: 'addSa' },
  },
  {
    alert: 'IkemeshHalfOpenFlood',
    series: { 'ikemesh_cookies_demanded{node="a"}': '0x10 1x50' },
    silentAt: 11,
    firesAt: 15,
    labels: { node: 'a' },
  },
  ...['forgery', 'replay', 'downgrade', 'unknownSpi', 'unknownPeer'].map((sign) => ({
    alert: 'IkemeshAttackSigns',
    series: { [`ikemesh_attack_signs_total{node="a",sign="${sign}"}`]: '3x10 3+20x50' },
    silentAt: 10,
    firesAt: 20,
    labels: { node: 'a', sign },
  })),
  {
    alert: 'IkemeshAgentDown',
    series: { 'up{job="ikemesh-agents",node="a",instance="10.0.0.1:9917"}': '1x10 0x50' },
    silentAt: 18,
    firesAt: 25,
    labels: { node: 'a', job: 'ikemesh-agents', instance: '10.0.0.1:9917' },
  },
  {
    alert: 'IkemeshAgentMissing',
    series: {
      'ikemesh_peering_nodes{peering="cluster",state="selected"}': '2x60',
      'ikemesh_up{node="a"}': '1x60',
      'ikemesh_up{node="b"}': '1x10 _x50',
    },
    silentAt: 20,
    firesAt: 35,
    labels: {},
  },
  {
    alert: 'IkemeshAgentMissing',
    series: { 'ikemesh_peering_nodes{peering="cluster",state="selected"}': '2x60' },
    firesAt: 30,
    labels: {},
  },
  {
    alert: 'IkemeshAgentRestarting',
    series: { 'process_start_time_seconds{job="ikemesh-agents",node="a"}': '100x10 700 800 900x50' },
    silentAt: 11,
    firesAt: 15,
    labels: { node: 'a' },
  },
  {
    alert: 'IkemeshAgentNotReconciling',
    series: { 'ikemesh_reconcile_errors_total{node="a"}': '0x10 1+1x50' },
    silentAt: 15,
    firesAt: 25,
    labels: { node: 'a' },
  },
  {
    alert: 'IkemeshAgentSlow',
    series: {
      'ikemesh_event_loop_lag_seconds_bucket{node="a",le="0.25"}': '0+200x60',
      'ikemesh_event_loop_lag_seconds_bucket{node="a",le="1"}': '0+240x60',
      'ikemesh_event_loop_lag_seconds_bucket{node="a",le="+Inf"}': '0+240x60',
    },
    silentAt: 10,
    firesAt: 25,
    labels: { node: 'a' },
  },
  {
    alert: 'IkemeshOperatorMissing',
    series: { 'ikemesh_operator_leader{pod="one"}': '1x10 0x50', 'ikemesh_operator_leader{pod="two"}': '0x60' },
    silentAt: 18,
    firesAt: 25,
    labels: {},
  },
  { alert: 'IkemeshOperatorMissing', series: { 'ikemesh_up{node="a"}': '1x60' }, firesAt: 20, labels: {} },
  {
    alert: 'IkemeshOperatorPlanFailing',
    series: { 'ikemesh_operator_reconcile_errors_total{pod="one"}': '0x10 1x50' },
    silentAt: 10,
    firesAt: 12,
    labels: {},
  },
  {
    alert: 'IkemeshOperatorWritesFailing',
    series: {
      'ikemesh_operator_writes_total{pod="one",kind="Certificate",operation="apply",code="403"}': '1+1x60',
    },
    silentAt: 4,
    firesAt: 25,
    labels: { kind: 'Certificate', code: '403' },
  },
  {
    alert: 'IkemeshOperatorWatchDown',
    series: { 'ikemesh_operator_watch_up{pod="one",kind="Nodes"}': '1x10 0x50' },
    silentAt: 18,
    firesAt: 25,
    labels: { kind: 'Nodes' },
  },
  {
    alert: 'IkemeshOperatorQueueStuck',
    series: { 'ikemesh_operator_work_queue_depth{pod="one"}': '0x10 3x90' },
    silentAt: 50,
    firesAt: 60,
    labels: {},
  },
];

/**
 * A day of three nodes in which all is well and much goes on: certificates are renewed, SAs rekeyed every hour, agents
 * replaced by an upgrade at noon, one node rebooted for four minutes in the afternoon, some packets lost on the way.
 */
export function healthyDay(): Series {
  const days = ['a', 'b', 'c'].flatMap((node, index) => Object.entries(healthyNode(node, `10.0.0.${index + 1}:9917`)));
  return { ...Object.fromEntries(days), ...HEALTHY_OPERATOR };
}

function healthyNode(node: string, instance: string): Series {
  const reboots = node === 'c';
  // From noon on another pod is scraped; the last one answers for the first minute of it.
  const morning = `node="${node}",instance="${instance}",pod="${node}-1",job="ikemesh-agents"`;
  const evening = `node="${node}",instance="${instance}",pod="${node}-2",job="ikemesh-agents"`;
  const all = (name: string, labels: string, before: string, after: string): Series => ({
    [`${name}{${morning}${labels}}`]: before,
    [`${name}{${evening}${labels}}`]: `_x720 ${after}`,
  });
  const steady = (name: string, labels: string, value: number) =>
    all(name, labels, `${value}x720`, reboots ? `${value}x179 _x3 ${value}x537` : `${value}x719`);
  const counted = (name: string, labels: string, perMinute: number) =>
    all(name, labels, `0+${perMinute}x720`, `0+${perMinute}x719`);
  const peers = ['a', 'b', 'c'].filter((each) => each !== node);
  const away = reboots ? '2x179 _x3 0x1 2x535' : '2x179 1x4 2x536';
  const coming = reboots ? '0x179 _x3 2x1 0x535' : '0x179 1x4 0x536';
  return {
    ...all('up', '', '1x720', reboots ? '1x179 0x3 1x537' : '1x719'),
    ...steady('ikemesh_up', '', 1),
    ...steady('ikemesh_kernel_up', '', 1),
    ...all('ikemesh_peers', ',state="encrypting"', '2x720', away),
    ...steady('ikemesh_peers', ',state="established"', 0),
    ...all('ikemesh_peers', ',state="connecting"', '0x720', coming),
    ...steady('ikemesh_peers', ',state="down"', 0),
    // A gateway with which there is no traffic all day.
    ...steady('ikemesh_peers', ',state="idle"', 1),
    ...all('ikemesh_esp_sas', ',standing="missing"', '0x720', reboots ? '0x180 _x3 0x535' : '0x179 2x1 0x539'),
    ...Object.assign(
      {},
      ...peers.map((peer) => ({
        // Counted from one again by the upgrade of its own end; once more by the reboot of the other.
        ...all('ikemesh_peer_establishments_total', `,peer="${peer}"`, '1x720', '1x181 2x539'),
        ...all(
          'ikemesh_child_sa_expiry_seconds',
          `,peer="${peer}",child="default"`,
          Array(12).fill('7200-60x59').join(' '),
          // From noon on an agent may be away for ten minutes only.
          Array(12).fill('4200-60x59').join(' '),
        ),
        ...all(
          'ikemesh_child_sa_rekey_seconds',
          `,peer="${peer}",child="default"`,
          Array(12).fill('3600-60x59').join(' '),
          Array(12).fill('3600-60x59').join(' '),
        ),
      })),
    ),
    ...counted('ikemesh_rekeys_total', ',sa="child",outcome="rekeyed",reason="",by="us"', 0.03),
    ...all('ikemesh_rekeys_total', ',sa="child",outcome="failed",reason="timeout",by="us"', '0x720', '0x181 1x538'),
    ...all('ikemesh_sa_expirations_total', ',limit="hard"', '0x720', '0x719'),
    ...counted('ikemesh_sa_expirations_total', ',limit="soft"', 0.06),
    ...all('ikemesh_negotiations_total', ',outcome="failed",reason="timeout",by="peer"', '0x720', '0x181 1x538'),
    ...all('ikemesh_negotiations_total', ',outcome="failed",reason="authenticationFailed",by="peer"', '0x720', '0x719'),
    // 24 h of lifetime, renewed 8 h before their end.
    ...all(
      'ikemesh_certificate_expiration_timestamp_seconds',
      `,kind="own",name="${node}.test"`,
      '57600x480 115200x240',
      '115200x720',
    ),
    ...Object.assign(
      {},
      ...['authority', 'issuer', 'bundle'].map((kind) =>
        steady('ikemesh_certificate_expiration_timestamp_seconds', `,kind="${kind}",name="CN=ca"`, 315_360_000),
      ),
    ),
    // It is trusted still, and nothing is of it any more.
    ...steady('ikemesh_certificate_expiration_timestamp_seconds', ',kind="authority",name="CN=before"', 3_600),
    ...steady('ikemesh_credentials_held_back', '', 0),
    // What came in the moment between an old SA and a new one, when a node was rebooted.
    ...all('ikemesh_xfrm_errors_total', ',error="XfrmInNoStates"', '0x720', '0x182 40x537'),
    ...all('ikemesh_xfrm_errors_total', ',error="XfrmOutNoStates"', '0x720', '0x179 0+15x4 60x536'),
    ...all('ikemesh_xfrm_errors_total', ',error="XfrmInTmplMismatch"', '2x720', '2x719'),
    ...counted('ikemesh_xfrm_errors_total', ',error="XfrmInStateSeqError"', 1),
    ...all('ikemesh_kernel_refusals_total', ',command="removeSa"', '1x720', '1x719'),
    ...steady('ikemesh_cookies_demanded', '', 0),
    ...counted('ikemesh_attack_signs_total', ',sign="unknownSpi"', 0.1),
    ...all('ikemesh_attack_signs_total', ',sign="unknownPeer"', '0x720', '12x719'),
    ...all('process_start_time_seconds', '', '1000x720', reboots ? '44000x182 54000x537' : '44000x719'),
    ...all('ikemesh_reconcile_errors_total', '', '0x720', '0x720'),
    ...counted('ikemesh_event_loop_lag_seconds_bucket', ',le="0.25"', 239),
    ...counted('ikemesh_event_loop_lag_seconds_bucket', ',le="0.5"', 240),
    ...counted('ikemesh_event_loop_lag_seconds_bucket', ',le="+Inf"', 240),
  };
}

const HEALTHY_OPERATOR: Series = {
  // The other one takes over while the first is replaced.
  'ikemesh_operator_leader{pod="one"}': '1x720 0x720',
  'ikemesh_operator_leader{pod="two"}': '0x722 1x718',
  'ikemesh_operator_watch_up{pod="one",kind="Nodes"}': '1x300 0x2 1x1138',
  'ikemesh_operator_work_queue_depth{pod="one"}': '0x600 3x10 0x830',
  'ikemesh_operator_reconcile_errors_total{pod="one"}': '0x1440',
  'ikemesh_operator_writes_total{pod="one",kind="Certificate",operation="apply",code="ok"}': '0+1x1440',
  'ikemesh_operator_writes_total{pod="one",kind="IPsecNodeConfig",operation="applyStatus",code="409"}': '0+1x1440',
  'ikemesh_operator_writes_total{pod="one",kind="IPsecPeering",operation="applyStatus",code="0"}': '0x400 3x1040',
  'ikemesh_peering_condition{peering="cluster",type="Ready"}': '1x900 0x5 1x535',
  'ikemesh_peering_nodes{peering="cluster",state="selected"}': '3x1440',
  'ikemesh_peering_tunnels{peering="cluster",state="expected"}': '3x1440',
  'ikemesh_peering_tunnels{peering="cluster",state="established"}': '3x900 1x5 3x535',
};
