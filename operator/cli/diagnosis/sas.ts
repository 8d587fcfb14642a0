import type { AgentChild, AgentPeer } from './agent-report.ts';
import { type Finding, finding, remedyIn } from './finding.ts';
import { mirrorOf, peerName } from './negotiation.ts';
import type { Pair } from './view.ts';

/** Whether every Child SA is in both kernels. */
export function saFault(pair: Pair): Finding | undefined {
  const { own, peer, connections } = pair;
  const name = peerName(pair);
  if (connections === undefined) {
    const trouble = own.config?.status?.troubledPeers?.find((each) => each.name === name);
    if (trouble?.reason !== 'NoChildSA') return undefined;
    return (
      childFault(pair, trouble.message) ?? finding('NoChildSA', `${own.name} and ${name}: ${trouble.message}`, OF_LOGS)
    );
  }
  const kernelFailure = own.agent?.known === true ? own.agent.value.kernelFailure : undefined;
  if (kernelFailure !== undefined) {
    return finding(
      'KernelSilent',
      `the kernel of ${own.name} does not tell its SAs: ${kernelFailure}`,
      remedyIn(kernelFailure, OF_LOGS),
    );
  }
  for (const connection of connections) {
    const missing = childrenOf(connection).find(({ inbound, outbound }) => !inbound.installed || !outbound.installed);
    if (missing !== undefined) {
      return finding(
        'SaRemoved',
        `the kernel of ${own.name} lacks SAs of Child ${missing.name} with ${name} that were installed: another program removed them`,
        '"ip xfrm state flush" or another IPsec program does that: stop it; the agent makes new ones at the next rekey, or at once after: kubectl delete pod of the agent',
      );
    }
    const mismatch = mismatchOf(connection, mirrorOf(pair, connection));
    if (mismatch !== undefined) {
      const peerText = peer.kind === 'node' ? peer.end.name : peer.name;
      return finding(
        'SasDiffer',
        `${own.name} sends ${peerText} ESP with SPI ${mismatch}, which ${peerText} does not have: it drops everything`,
        `wait for the liveness check to notice (spec.liveness), or replace the agent of ${peerText}: kubectl delete pod`,
      );
    }
    if (connection.state !== 'encrypting' && !LATER_STAGES.has(connection.reason ?? '')) {
      const told = toldOf(connection, mirrorOf(pair, connection));
      return (
        childFault(pair, told) ??
        finding(
          'NoChildSA',
          `${own.name} and ${name} have an IKE SA, but not every Child SA${told === '' ? '' : `: ${told}`}`,
          remedyIn(told, OF_LOGS),
        )
      );
    }
  }
  return undefined;
}

/** The refused side knows only that it was refused; why is known to the one that did. */
function toldOf({ lastFailure }: AgentPeer, mirror: AgentPeer | undefined): string {
  const [text, theirs] = [lastFailure?.text ?? '', mirror?.lastFailure?.text ?? ''];
  return /answered .* with/.test(text) && theirs !== '' ? theirs : text || theirs;
}

function childFault({ own }: Pair, told: string): Finding | undefined {
  if (/asks for \w+ mode|or not its mode/.test(told) && !/ESP proposals/.test(told)) {
    return finding('ModesDiffer', told, 'set spec.traffic.mode alike on both sides');
  }
  if (/none of our ESP proposals|no common ESP algorithms|with NO_PROPOSAL_CHOSEN/.test(told)) {
    return finding(
      'EspProposalsDiffer',
      told,
      'give both sides an ESP algorithm in common (spec.proposals.esp), and the same mode',
    );
  }
  if (/traffic selectors|with TS_UNACCEPTABLE/.test(told)) {
    return finding(
      'SelectorsDiffer',
      told,
      'have both sides name the same networks: spec.remote.gateway.selectors, spec.traffic.scope',
    );
  }
  if (/belongs to another program/.test(told)) return undefined;
  if (/the kernel (says|refused)/.test(told)) {
    return finding(
      'KernelRefuses',
      `the kernel of ${own.name} refuses an SA: ${told}`,
      remedyIn(told, 'see dmesg of the node'),
    );
  }
  return undefined;
}

/** The SPI of what we send, where the peer was asked at the same time and has none like it. */
function mismatchOf(connection: AgentPeer, mirror: AgentPeer | undefined): string | undefined {
  if (mirror === undefined) return undefined;
  const theirs = new Set(childrenOf(mirror).map(({ inbound }) => inbound.spi));
  if (theirs.size === 0) return undefined;
  if (![...childrenOf(connection), ...childrenOf(mirror)].every(hasSettled)) return undefined;
  const ours = childrenOf(connection).filter(({ state }) => state === 'installed');
  const strange = ours.filter(({ outbound }) => !theirs.has(outbound.spi));
  // While SAs are replaced, one of several may not be there yet, or no more.
  return strange.length === ours.length ? strange[0]?.outbound.spi : undefined;
}

export function childrenOf({ ikeSas }: AgentPeer): readonly AgentChild[] {
  return ikeSas.flatMap(({ children }) => children);
}

/** Whether both ends knew of a pair of SAs when they were asked, which is not at the same moment. */
export function hasSettled({ ageSeconds = Number.POSITIVE_INFINITY }: AgentChild): boolean {
  return ageSeconds >= SETTLED_SECONDS;
}

/** Hundreds of agents are asked in less. */
const SETTLED_SECONDS = 30;
const OF_LOGS = 'see the logs of both agents';
/** No fault of the SAs: what is wrong is named by the stages behind this one, and where there was no traffic nothing is. */
const LATER_STAGES: ReadonlySet<string> = new Set([
  'WaitingForTraffic',
  'PolicyMissing',
  'NotArriving',
  'CannotDecrypt',
  'PeerCannotDecrypt',
  'PeerSilent',
]);
