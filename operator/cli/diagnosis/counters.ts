import type { AgentChild, AgentPeer } from './agent-report.ts';
import { type Finding, finding } from './finding.ts';
import { mirrorOf, peerName } from './negotiation.ts';
import { childrenOf, hasSettled } from './sas.ts';
import type { Pair } from './view.ts';

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
  const received = new Map(childrenOf(receiver).map((child) => [child.inbound.spi, child]));
  for (const child of childrenOf(sender)) {
    const { outbound, udpEncapsulation } = child;
    const other = received.get(outbound.spi);
    if (other === undefined || !isComparable(child, other)) continue;
    const arrived = other.inbound;
    if (arrived.packets === undefined || outbound.packets === undefined) continue;
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
  for (const { name, inbound, outbound } of childrenOf(connection).filter(hasSettled)) {
    if ((outbound.packets ?? 0) < MIN_COMPARED || inbound.packets !== 0) continue;
    return finding(
      'NothingComesBack',
      `${own} has sent ${outbound.packets} packets through Child ${name} of ${gateway}, and none came back`,
      `see at ${gateway} whether they arrive and whether it has a route back; open IP protocol 50, or set spec.natTraversal: Always`,
    );
  }
  return undefined;
}

/** Both ends are asked at different moments, whose distance the age tells: what is sent between them is not lost. */
function isComparable(one: AgentChild, other: AgentChild): boolean {
  const apart = Math.abs((one.ageSeconds ?? 0) - (other.ageSeconds ?? 0));
  return hasSettled(one) && hasSettled(other) && apart <= MAX_APART_SECONDS;
}

/** Less than a tenth of the age of a pair that is compared. */
const MAX_APART_SECONDS = 2;
const MIN_SENT = 5;
const MIN_COMPARED = 200;
const MIN_SHARE = 0.8;
