import type { AgentPeer } from './agent-report.ts';
import { type Finding, finding } from './finding.ts';
import { mirrorOf, peerName } from './negotiation.ts';
import { childrenOf } from './sas.ts';
import type { End, Pair } from './view.ts';

/** Whether what one side encrypts is decrypted at the other, by the counters of both kernels. */
export function counterFault(pair: Pair): Finding | undefined {
  const { own, peer, connections = [] } = pair;
  const name = peerName(pair);
  for (const connection of connections) {
    const told = toldFault(own.name, name, connection);
    if (told !== undefined) return told;
    const mirror = mirrorOf(pair, connection);
    if (mirror === undefined) {
      const fault = peer.kind === 'gateway' ? oneSidedFault(own.name, name, connection) : undefined;
      if (fault !== undefined) return fault;
      continue;
    }
    const fault = lossFault(own.name, name, connection, mirror) ?? lossFault(name, own.name, mirror, connection);
    if (fault !== undefined) return fault;
  }
  const ends = [own, ...(peer.kind === 'node' ? [peer.end] : [])];
  for (const end of ends) {
    const fault = kernelFault(end);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** What agents have found by the counters of both kernels, of each pair of SAs by itself. */
function toldFault(own: string, name: string, connection: AgentPeer): Finding | undefined {
  const { reason, message = '', localAddress, remoteAddress } = connection;
  const way = `from ${localAddress} to ${remoteAddress}`;
  if (reason === 'NotArriving') {
    const inUdp = childrenOf(connection).every(({ udpEncapsulation }) => udpEncapsulation);
    return finding(
      inUdp ? 'EspInUdpBlocked' : 'EspBlocked',
      `${own} encrypts for ${name}, and nothing arrives: ${message}`,
      inUdp ? `open UDP 4500 ${way}` : `open IP protocol 50 (ESP) ${way}: firewalls, security groups`,
    );
  }
  if (reason !== 'CannotDecrypt' && reason !== 'PeerCannotDecrypt') return undefined;
  const [sender, receiver] = reason === 'CannotDecrypt' ? [name, own] : [own, name];
  return finding(
    'CannotDecrypt',
    `${receiver} cannot decrypt what ${sender} sends: ${message}`,
    `the agents replace such a pair within seconds; where it stays, another program changes SAs: stop it on ${sender} and ${receiver}`,
  );
}

/** What `from` sends to `to` and does not get there. */
function lossFault(from: string, to: string, sender: AgentPeer, receiver: AgentPeer): Finding | undefined {
  const received = new Map(childrenOf(receiver).map(({ inbound }) => [inbound.spi, inbound]));
  for (const { outbound, udpEncapsulation } of childrenOf(sender)) {
    const arrived = received.get(outbound.spi);
    if (arrived?.packets === undefined || outbound.packets === undefined) continue;
    const counts = `${outbound.packets} packets sent, ${arrived.packets} received (SPI ${outbound.spi})`;
    const way = `from ${sender.localAddress} to ${sender.remoteAddress}`;
    if (outbound.packets >= MIN_SENT && arrived.packets === 0) {
      return udpEncapsulation
        ? finding(
            'EspInUdpBlocked',
            `${from} encrypts for ${to}, and nothing arrives: ${counts}`,
            `open UDP 4500 ${way}`,
          )
        : finding(
            'EspBlocked',
            `${from} encrypts for ${to}, and nothing arrives: ${counts}; IKE passes, so ESP is blocked on the way`,
            `open IP protocol 50 (ESP) ${way}: firewalls, security groups; or spec.natTraversal: Always, which has ESP in UDP 4500`,
          );
    }
    if (outbound.packets >= MIN_COMPARED && arrived.packets < outbound.packets * MIN_SHARE) {
      return finding(
        'PacketsLost',
        `a good part of what ${from} encrypts for ${to} is lost: ${counts}`,
        `see for loss and MTU on the path ${way}: ping -M do -s 1300, and the kernel's counters in /proc/net/xfrm_stat`,
      );
    }
  }
  return undefined;
}

/** A gateway cannot be asked: what it does not answer is all that there is. */
function oneSidedFault(own: string, gateway: string, connection: AgentPeer): Finding | undefined {
  for (const { name, inbound, outbound } of childrenOf(connection)) {
    if ((outbound.packets ?? 0) < MIN_COMPARED || inbound.packets !== 0) continue;
    return finding(
      'NothingComesBack',
      `${own} has sent ${outbound.packets} packets through Child ${name} of ${gateway}, and none came back`,
      `see at ${gateway} whether they arrive and whether it has a route back; open IP protocol 50, or set spec.natTraversal: Always`,
    );
  }
  return undefined;
}

function kernelFault({ name, host }: End): Finding | undefined {
  if (host?.known !== true) return undefined;
  for (const [counter, text, remedy] of ERRORS) {
    const added = host.value.errors[counter]?.added ?? 0;
    if (added === 0) continue;
    return finding(counter, `the kernel of ${name} ${text}: ${counter} grew by ${added} within a second`, remedy);
  }
  return undefined;
}

/** The kernel's IPsec errors (Documentation/networking/xfrm_proc.rst) that tell of a fault, the gravest first. */
const ERRORS: readonly (readonly [counter: string, text: string, remedy: string])[] = [
  [
    'XfrmInStateProtoError',
    'gets ESP that it cannot decrypt',
    'something on the path changes packets, or SAs have other keys: replace the agent of the peer',
  ],
  ['XfrmInStateModeError', 'gets ESP of another mode', 'set spec.traffic.mode alike on both sides'],
  [
    'XfrmInTmplMismatch',
    'drops packets that came without the encryption that policy demands',
    'somebody sends plaintext, or by an SA of other traffic: see whether all nodes have the same peerings',
  ],
  [
    'XfrmInNoPols',
    'drops plaintext that policy forbids',
    'a node sends plaintext: kubectl ikemesh status shows which is not ready',
  ],
  [
    'XfrmInNoStates',
    'gets ESP for SAs that it does not have',
    'a peer uses an SA that is gone here: kubectl ikemesh why for the peers; it ends with the liveness check',
  ],
  ['XfrmInStateSeqError', 'drops packets as replayed or too late', 'the network reorders or repeats packets'],
  [
    'XfrmOutNoStates',
    'drops packets because there is no SA yet',
    'a tunnel of a Required peering is not up: kubectl ikemesh why for the peers',
  ],
  ['XfrmOutPolBlock', 'drops packets because a policy blocks them', 'see ip xfrm policy for action block'],
  ['XfrmInPolBlock', 'drops received packets because a policy blocks them', 'see ip xfrm policy for action block'],
];
const MIN_SENT = 5;
const MIN_COMPARED = 200;
const MIN_SHARE = 0.8;
