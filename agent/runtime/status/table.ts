import type { Counts } from '../counters.ts';
import type { BypassReport } from './bypass-report.ts';
import type { ExemptionReport } from './exemption-report.ts';
import type { PathMtuReport } from './path-mtu-report.ts';
import type {
  ChildSaReport,
  Endpoint,
  HolderReport,
  IkeSaReport,
  MssClampReport,
  PeerCertificateReport,
  PeerReport,
  SaReport,
  StatusReport,
} from './report.ts';

/** A status for people: a line on the whole, then a block for each peer with its SAs, in the spirit of `swanctl --list-sas`. */
export function statusText(report: StatusReport): string {
  const lines = [
    summaryLine(report),
    ...report.peers.flatMap((peer) => ['', ...peerLines(peer)]),
    ...earlierLines(report.earlierSas),
    ...certificateLines(report),
    ...holderLines(report.holder),
    ...bypassLines(report.bypasses),
    ...countLines('dropped since start', report.dropped),
    ...countLines('not sent since start', report.unsent),
  ];
  if (report.halfOpen > 0) lines.push('', `${report.halfOpen} IKE SAs wait for the peer's proof`);
  if (report.demandsCookies) lines.push('', 'strangers have to prove their addresses first (cookies)');
  if (report.mssClampFailure !== undefined) lines.push('', `TCP segments are NOT CLAMPED: ${report.mssClampFailure}`);
  if (report.kernelFailure !== undefined) lines.push('', `no kernel counters: ${report.kernelFailure}`);
  return `${lines.join('\n')}\n`;
}

function summaryLine(report: StatusReport): string {
  const { peers } = report;
  const encrypting = peers.filter((peer) => peer.state === 'encrypting').length;
  const childSas = peers.flatMap((peer) => peer.ikeSas.flatMap((sa) => sa.children)).length;
  return (
    `${report.node}: ${counted(peers.length, 'peer')}, ${encrypting} encrypting, ${counted(childSas, 'Child SA')}, ` +
    `up ${duration(report.uptimeSeconds)} (ikemesh ${report.version}, ${report.cryptoProvider})`
  );
}

function holderLines(holder: HolderReport | undefined): readonly string[] {
  if (holder === undefined) return [];
  const { socket, seconds = 0, reason = '' } = holder;
  const text =
    holder.state === 'holding'
      ? `held by ${socket} since ${duration(seconds)}: they outlive this agent`
      : `this agent's alone, without a holder at ${socket} (${reason}): ESP in UDP is lost while no agent runs`;
  return ['', `sockets of port 4500: ${text}`];
}

function bypassLines(bypasses: readonly BypassReport[]): readonly string[] {
  if (bypasses.length === 0) return [];
  const lines = bypasses.map(({ traffic, policies, installed }) => {
    const missing = policies - installed;
    return `  ${traffic}${missing === 0 ? '' : `; ${missing} of ${policies} policies NOT IN THE KERNEL`}`;
  });
  return ['', 'never encrypted:', ...lines];
}

function peerLines(peer: PeerReport): readonly string[] {
  const lines = [
    `${peer.name}: ${peer.state.toUpperCase()} (${peer.reason}: ${peer.message})`,
    `  local  ${peer.localIdentity} @ ${peer.localAddress}`,
    `  remote ${peer.remoteIdentity} @ ${peer.remoteAddress}`,
    ...(peer.certificate === undefined ? [] : [peerCertificateLine(peer.certificate)]),
    ...(peer.mtu === undefined ? [] : [pathMtuLine(peer.mtu)]),
    ...(peer.mssClamps ?? []).map(mssClampLine),
    ...peer.ikeSas.flatMap(ikeSaLines),
    ...(peer.exempt ?? []).map(exemptionLine),
  ];
  if (peer.lastFailure !== undefined) {
    lines.push(`  last failure ${ago(peer.lastFailure.secondsAgo)}: ${peer.lastFailure.text}`);
  }
  if (peer.nextAttemptSeconds !== undefined) lines.push(`  next attempt ${due(peer.nextAttemptSeconds)}`);
  return lines;
}

function peerCertificateLine({ subject, issuer, serial, notAfter, secondsLeft }: PeerCertificateReport): string {
  const named = subject === '' ? 'certificate' : `certificate ${subject}`;
  return `    by ${named} of ${issuer}, serial ${serial}, until ${notAfter}, ${leftText(secondsLeft)}`;
}

function pathMtuLine({ link, path, probed, children }: PathMtuReport): string {
  const how = probed === undefined ? '' : probed > path ? ', though longer ones arrive' : ' (what arrives)';
  const way = path < link || probed !== undefined ? `, of the way ${path}${how}` : '';
  const through = children.map(({ name, payload, overhead }) => `${name} takes ${payload} (${overhead} for ESP)`);
  return `  MTU of the link ${link}${way}${through.length === 0 ? '' : `; ${through.join(', ')}`}`;
}

function mssClampLine({ name, ipv4, ipv6 }: MssClampReport): string {
  return `  TCP segments through ${name}: ${ipv4} at most by IPv4, ${ipv6} by IPv6`;
}

function exemptionLine({ traffic, stage, policies, installed }: ExemptionReport): string {
  const missing = policies - installed;
  const fault = missing === 0 ? '' : `; ${missing} of ${counted(policies, 'policy', 'policies')} NOT IN THE KERNEL`;
  return `  in plaintext: ${traffic}, ${stage === 'Send' ? 'sent and received' : 'received, not sent yet'}${fault}`;
}

function ikeSaLines(sa: IkeSaReport): readonly string[] {
  const own = (role: IkeSaReport['role']): string => (sa.role === role ? '*' : '');
  const timing = [
    `${sa.state === 'connecting' ? 'started' : 'established'} ${ago(sa.ageSeconds)}`,
    ...(sa.rekeySeconds === undefined ? [] : [`rekey ${due(sa.rekeySeconds)}`]),
    ...(sa.reauthenticationSeconds === undefined ? [] : [`reauthentication ${due(sa.reauthenticationSeconds)}`]),
    `peer heard ${ago(sa.lastHeardSeconds)}`,
  ];
  return [
    `  IKE SA #${sa.number}: ${sa.state.toUpperCase()}, IKEv2, ${sa.initiatorSpi}_i${own('initiator')} ${sa.responderSpi}_r${own('responder')}`,
    `    ${endpoint(sa.local)} to ${endpoint(sa.remote)}${natText(sa.nat)}`,
    ...(sa.suite === '' ? [] : [`    ${sa.suite}`]),
    `    ${timing.join(', ')}`,
    ...sa.children.flatMap(childLines),
  ];
}

function childLines(child: ChildSaReport): readonly string[] {
  const timing = [
    `installed ${ago(child.ageSeconds)}`,
    ...(child.rekeySeconds === undefined ? [] : [`rekey ${due(child.rekeySeconds)}`]),
    ...(child.expirySeconds === undefined ? [] : [`expires ${due(child.expirySeconds)}`]),
  ];
  const encapsulation = child.udpEncapsulation ? ' in UDP' : '';
  return [
    `    ${child.name}: ${child.state.toUpperCase()}, ${child.mode.toUpperCase()}, reqid ${child.reqid}, ESP${encapsulation}: ${child.suite}`,
    `      ${timing.join(', ')}`,
    `      in  ${saText(child.inbound)}`,
    `      out ${saText(child.outbound)}`,
    `      local  ${child.localSelectors.join(' ')}`,
    `      remote ${child.remoteSelectors.join(' ')}`,
  ];
}

function saText(sa: SaReport): string {
  if (!sa.installed) return `${sa.spi}  NOT IN THE KERNEL`;
  const used = sa.firstUsedSecondsAgo === undefined ? 'never used' : `first used ${ago(sa.firstUsedSecondsAgo)}`;
  const failed = sa.undecryptable === undefined ? '' : `, ${sa.undecryptable} NOT DECRYPTED`;
  return `${sa.spi}  ${sa.bytes ?? 0} bytes, ${sa.packets ?? 0} packets, ${used}${failed}`;
}

function earlierLines(sas: readonly SaReport[]): readonly string[] {
  if (sas.length === 0) return [];
  const lines = sas.map((sa) => `  to ${sa.destination} ${saText(sa)}, reqid ${sa.reqid}`);
  return ['', `${counted(sas.length, 'ESP SA')} of an earlier run:`, ...lines];
}

function certificateLines({ certificates, heldBack }: StatusReport): readonly string[] {
  const lines = certificates.map(({ kind, name, file, until, secondsLeft }) => {
    return `  ${CERTIFICATES[kind]} ${name}, until ${until}, ${leftText(secondsLeft)} (${file})`;
  });
  const held = heldBack.map((text) => `  NOT IN USE: ${text}`);
  return lines.length + held.length === 0 ? [] : ['', 'certificates:', ...lines, ...held];
}

function leftText(secondsLeft: number): string {
  return secondsLeft > 0 ? `${duration(secondsLeft)} left` : 'ENDED';
}

function countLines(title: string, counts: Counts): readonly string[] {
  const entries = Object.entries(counts).sort(([left], [right]) => (left < right ? -1 : 1));
  if (entries.length === 0) return [];
  return ['', `datagrams ${title}: ${entries.map(([name, count]) => `${name} ${count}`).join(', ')}`];
}

function natText(nat: IkeSaReport['nat']): string {
  if (nat.local && nat.remote) return ', both behind NAT';
  if (nat.local) return ', this node behind NAT';
  return nat.remote ? ', peer behind NAT' : '';
}

function endpoint({ address, port }: Endpoint): string {
  return `${address}[${port}]`;
}

function ago(seconds: number): string {
  return `${duration(seconds)} ago`;
}

function due(seconds: number): string {
  return seconds > 0 ? `in ${duration(seconds)}` : 'now';
}

/** The two largest units that are not zero: `3h59m`, `12s`. */
function duration(seconds: number): string {
  let rest = Math.max(0, seconds);
  const parts: string[] = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0 || (parts.length === 0 && size === 1)) parts.push(`${count}${unit}`);
    else if (parts.length > 0) break;
  }
  return parts.slice(0, 2).join('');
}

function counted(count: number, noun: string, nouns = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : nouns}`;
}

const CERTIFICATES = { own: 'ours, for', authority: 'authority', revocationList: 'revocation list of' } as const;
const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
] as const;
