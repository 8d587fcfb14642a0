import type { AgentChild, AgentIkeSa, AgentPeer, AgentReport, AgentSa } from '../diagnosis/agent-report.ts';
import { isIdle } from '../diagnosis/view.ts';
import { durationText } from '../text/duration.ts';
import type { Paint } from '../text/table.ts';

/** Every SA with a peer, in the form of `swanctl --list-sas`. */
export function sasLines(report: AgentReport, peers: readonly AgentPeer[], paint: Paint): readonly string[] {
  const lines = peers.flatMap((peer) => peerLines(peer, paint));
  const earlier = report.earlierSas.map(
    (sa) => `  to ${sa.destination ?? '?'} ${saText(sa)}, reqid ${sa.reqid ?? '?'}`,
  );
  return [
    ...lines,
    ...(earlier.length === 0 ? [] : [`ESP SAs of an earlier run:`, ...earlier]),
    ...(report.kernelFailure === undefined ? [] : [`no kernel counters: ${report.kernelFailure}`]),
  ];
}

function peerLines(peer: AgentPeer, paint: Paint): readonly string[] {
  const tone = peer.state === 'encrypting' ? 'good' : 'bad';
  const local = `  local  '${peer.localIdentity ?? '?'}' @ ${peer.localAddress ?? '?'}`;
  const remote = `  remote '${peer.remoteIdentity ?? '?'}' @ ${peer.remoteAddress ?? '?'}`;
  if (peer.ikeSas.length === 0) {
    const failure = peer.lastFailure;
    return [
      `${peer.name}: ${isIdle(peer) ? 'no IKE SA yet: the first packet makes one' : paint('no IKE SA', 'bad')}`,
      local,
      remote,
      ...(failure === undefined ? [] : [`  last failure ${durationText(failure.secondsAgo)} ago: ${failure.text}`]),
    ];
  }
  return peer.ikeSas.flatMap((sa) => [
    `${peer.name}: #${sa.number}, ${paint(sa.state.toUpperCase(), tone)}, IKEv2, ${spiText(sa)}`,
    `${local}${portText(sa.local)}`,
    `${remote}${portText(sa.remote)}`,
    ...(sa.suite === '' ? [] : [`  ${sa.suite}`]),
    `  ${ikeTiming(sa)}`,
    ...sa.children.flatMap(childLines),
  ]);
}

function spiText({ initiatorSpi, responderSpi, role }: AgentIkeSa): string {
  return `${initiatorSpi}_i${role === 'initiator' ? '*' : ''} ${responderSpi}_r${role === 'responder' ? '*' : ''}`;
}

function portText(endpoint: AgentIkeSa['local']): string {
  return endpoint === undefined ? '' : `[${endpoint.port}]`;
}

function ikeTiming({ state, ageSeconds, rekeySeconds, reauthenticationSeconds, lastHeardSeconds }: AgentIkeSa): string {
  return [
    `${state === 'established' ? 'established' : 'started'} ${seconds(ageSeconds)} ago`,
    ...(rekeySeconds === undefined ? [] : [`rekeying in ${seconds(rekeySeconds)}`]),
    ...(reauthenticationSeconds === undefined ? [] : [`reauth in ${seconds(reauthenticationSeconds)}`]),
    ...(lastHeardSeconds === undefined ? [] : [`heard ${seconds(lastHeardSeconds)} ago`]),
  ].join(', ');
}

function childLines(child: AgentChild): readonly string[] {
  const encapsulation = child.udpEncapsulation ? '-in-UDP' : '';
  const timing = [
    `installed ${seconds(child.ageSeconds)} ago`,
    ...(child.rekeySeconds === undefined ? [] : [`rekeying in ${seconds(child.rekeySeconds)}`]),
    ...(child.expirySeconds === undefined ? [] : [`expires in ${seconds(child.expirySeconds)}`]),
  ];
  return [
    `  ${child.name}: reqid ${child.reqid ?? '?'}, ${child.state.toUpperCase()}, ${(child.mode ?? '?').toUpperCase()}${encapsulation}, ESP:${child.suite ?? '?'}`,
    `    ${timing.join(', ')}`,
    `    in  ${saText(child.inbound)}`,
    `    out ${saText(child.outbound)}`,
    `    local  ${child.localSelectors.join(' ')}`,
    `    remote ${child.remoteSelectors.join(' ')}`,
  ];
}

function saText({ spi, installed, bytes = 0, packets = 0, firstUsedSecondsAgo }: AgentSa): string {
  if (!installed) return `${spi}, NOT IN THE KERNEL`;
  const used = firstUsedSecondsAgo === undefined ? '' : `, first used ${seconds(firstUsedSecondsAgo)} ago`;
  return `${spi}, ${String(bytes).padStart(10)} bytes, ${String(packets).padStart(7)} packets${used}`;
}

function seconds(count: number | undefined): string {
  return count === undefined ? '?' : `${Math.max(0, count)}s`;
}
