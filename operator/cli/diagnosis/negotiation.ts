import type { AgentPeer } from './agent-report.ts';
import { clockDifference } from './clock.ts';
import { type Finding, finding, remedyIn } from './finding.ts';
import { isIdle, type Pair } from './view.ts';

/** Whether there is an IKE SA, and if not, why. */
export function negotiationFault(pair: Pair): Finding | undefined {
  const { own, connections } = pair;
  const hung = hungFault(pair);
  if (hung !== undefined) return hung;
  if (connections === undefined) return troubledFault(pair);
  const name = peerName(pair);
  if (connections.length === 0) return notTold(pair);
  const down = connections.find(
    (connection) => !isIdle(connection) && !connection.ikeSas.some(({ state }) => state === 'established'),
  );
  if (down === undefined) return silenceFault(pair, connections);
  const mirror = mirrorOf(pair, down);
  const text = down.lastFailure?.text ?? '';
  const theirs = mirror?.lastFailure?.text ?? '';
  // The refused side knows only that it was refused; why is known to the one that did.
  const told =
    /does not accept us|refused IKE_AUTH|refused IKE_SA_INIT/.test(text) && theirs !== '' ? theirs : text || theirs;
  return (
    proofFault(pair, told) ??
    agreementFault(pair, told) ??
    reachFault(pair, down, mirror, text) ??
    finding(
      'NotEstablished',
      `${own.name} and ${name} have no IKE SA${told === '' ? '' : `: ${told}`}`,
      remedyIn(told, `see the logs of the agents of ${own.name} and ${name}`),
    )
  );
}

/** An agent that answers nobody: neither its peer nor whoever asks its Pod. */
function hungFault({ own, peer, connections, mirror }: Pair): Finding | undefined {
  if (peer.kind === 'gateway') return undefined;
  const seen = [
    { end: own, by: peer.end, connections: mirror },
    { end: peer.end, by: own, connections },
  ];
  for (const { end, by, connections: theirs = [] } of seen) {
    if (end.agent?.known !== false || end.agent.lack.kind !== 'unanswered') continue;
    const silent = theirs.find(({ state, reason }) => state !== 'encrypting' && reason === 'PeerSilent');
    if (silent === undefined) continue;
    const { namespace = '', name = '' } = end.pod ?? {};
    return finding(
      'AgentSilent',
      `the agent of ${end.name} answers nobody: ${end.agent.lack.text}, and ${by.name} finds that ${silent.message}`,
      `see its log, and have its Pod replaced, which takes over what is in the kernel: kubectl --namespace ${namespace} delete pod ${name}`,
    );
  }
  return undefined;
}

/** What the status alone says, where the agent itself could not be asked. */
function troubledFault({ own, peer }: Pair): Finding | undefined {
  const name = peer.kind === 'node' ? peer.end.name : peer.name;
  const trouble = own.config?.status?.troubledPeers?.find((each) => each.name === name);
  if (trouble === undefined || trouble.reason === 'NoChildSA') return undefined;
  return finding(
    trouble.reason,
    `${own.name} does not encrypt with ${name} since ${trouble.since}: ${trouble.message}`,
    remedyIn(trouble.message, `kubectl ikemesh why ${name}`),
  );
}

function notTold(pair: Pair): Finding {
  const { own, peer, peerings } = pair;
  const name = peerName(pair);
  const trouble = own.config?.status?.troubledPeers?.find((each) => each.name === name);
  if (trouble?.reason === 'Conflict') {
    return finding(
      'Conflict',
      `${own.name} cannot have ${name} as a peer: ${trouble.message}`,
      remedyIn(trouble.message, 'give each node addresses of its own'),
    );
  }
  const byCertificate = peerings.some(({ spec }) => spec.authentication.certificate !== undefined);
  const reason = byCertificate ? ', which becomes one when its agent has loaded its certificate' : '';
  return finding(
    'PeerNotKnown',
    `the agent of ${own.name} does not know ${name} as a peer yet${reason}`,
    peer.kind === 'gateway'
      ? `wait a minute; where it stays so, see the log of the agent of ${own.name}`
      : `wait a minute; where it stays so: kubectl ikemesh why ${name}, and kubectl get ipsecpeerslices --output yaml`,
  );
}

function proofFault(pair: Pair, told: string): Finding | undefined {
  if (/has another pre-shared key/.test(told)) {
    return finding(
      'KeysDiffer',
      `the pre-shared keys differ: ${told}`,
      'give both sides the same key (Secret of spec.authentication.preSharedKey)',
    );
  }
  // Whoever refuses a proof does not say why (RFC 7296 §2.21.2).
  if (/does not accept us/.test(told) && /pre-shared keys/.test(told)) {
    return finding(
      'KeysOrIdentitiesDiffer',
      `the pre-shared keys or the identities differ: ${told}`,
      'give both sides the same key (Secret of spec.authentication.preSharedKey), and each the identity that the other is configured for',
    );
  }
  if (/pre-shared key, configured is a certificate|configured is a pre-shared key/.test(told)) {
    return finding('MethodsDiffer', told, 'have both sides prove themselves the same way: spec.authentication');
  }
  if (/leads to no trusted authority/.test(told)) {
    return finding(
      'AuthorityNotTrusted',
      told,
      'have both sides trust the authority of the other: spec.authentication.certificate.trust, or one Issuer for both',
    );
  }
  if (/is not valid before|has expired at/.test(told)) {
    const clocks = clockDifference(pair);
    if (clocks !== undefined) {
      return finding(
        'ClockWrong',
        `${told}; ${clocks}`,
        'set the clocks right: see to NTP (chrony, systemd-timesyncd) on the nodes',
      );
    }
    return finding('CertificateTime', told, 'renew the certificate, or set the clock of the node right');
  }
  if (/revoked|revocation list/.test(told))
    return finding('CertificateRevoked', told, 'issue a new certificate, or a new revocation list');
  if (/says it is .* configured for|names .* configured|not for this identity/.test(told)) {
    return finding('IdentityDiffers', told, 'correct spec.remote.gateway.identity, or the identity at the other side');
  }
  if (/certificate|signature/.test(told))
    return finding('CertificateRefused', told, remedyIn(told, 'look at the certificate with openssl x509 -text'));
  return undefined;
}

function agreementFault({ own }: Pair, told: string): Finding | undefined {
  if (/none of our IKE proposals|no common algorithms/.test(told)) {
    return finding(
      'ProposalsDiffer',
      `${own.name} and its peer have no IKE algorithms in common: ${told}`,
      'give both sides one in common: spec.proposals.ike',
    );
  }
  if (/does not resolve/.test(told))
    return finding('NameUnresolved', told, remedyIn(told, 'write the address, or mend DNS'));
  return undefined;
}

function reachFault(pair: Pair, down: AgentPeer, mirror: AgentPeer | undefined, text: string): Finding | undefined {
  const { own } = pair;
  const name = peerName(pair);
  const path = `${down.localAddress} and ${down.remoteAddress}`;
  if (/has stopped answering/.test(text)) {
    return finding(
      'PeerSilent',
      `${name} was reached before and answers no more: ${text}`,
      `see that it runs, and that UDP 500 and 4500 are open between ${path}`,
    );
  }
  if (/does not answer IKE_AUTH/.test(text)) {
    return finding(
      'LargePacketsLost',
      `${name} answers the first IKE message of ${own.name} (UDP 500) but not the second: UDP 4500 is blocked, or large packets are lost`,
      `open UDP 4500 between ${path}; see the MTU of the path, and let ICMP "fragmentation needed" pass`,
    );
  }
  if (!/does not answer/.test(text)) return undefined;
  const halfOpen = mirror?.ikeSas.some(({ state, role }) => state !== 'established' && role === 'responder') === true;
  if (halfOpen) {
    return finding(
      'AnswersLost',
      `${name} gets the IKE messages of ${own.name}, but its answers do not come back`,
      `open UDP 500 and 4500 from ${down.remoteAddress} to ${down.localAddress}: firewalls, security groups, NetworkPolicies of hosts`,
    );
  }
  return finding(
    'UdpBlocked',
    `${name} gets no IKE message of ${own.name}: UDP ports 500 and 4500 are blocked between them, or it does not listen`,
    `open UDP 500 and 4500 and IP protocol 50 (ESP) between ${path}: firewalls, security groups`,
  );
}

/** There is an IKE SA, and its peer has ceased to answer. What its kernel does with packets is another question. */
function silenceFault({ own }: Pair, connections: readonly AgentPeer[]): Finding | undefined {
  const silent = connections.find(({ state, reason }) => state !== 'encrypting' && reason === 'PeerSilent');
  if (silent === undefined) return undefined;
  const path = `${silent.localAddress} and ${silent.remoteAddress}`;
  return finding(
    'PeerSilent',
    `${own.name} and ${silent.name}: ${silent.message}`,
    `see that it runs, and that UDP 500 and 4500 are open between ${path}`,
  );
}

/** The same connection as the peer sees it. */
export function mirrorOf({ mirror }: Pair, connection: AgentPeer): AgentPeer | undefined {
  return mirror?.find(({ remoteAddress }) => remoteAddress === connection.localAddress);
}

export function peerName({ peer }: Pair): string {
  return peer.kind === 'node' ? peer.end.name : peer.name;
}
