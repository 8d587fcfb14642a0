import { clockDifference } from './clock.ts';
import { type Finding, finding } from './finding.ts';
import { peerName } from './negotiation.ts';
import type { End, Pair } from './view.ts';

/** What is wrong between two nodes although everything works. */
export function pathFault(pair: Pair): Finding | undefined {
  return silenceFault(pair) ?? mtuFault(pair) ?? clockFault(pair) ?? encapsulationFault(pair);
}

function silenceFault(pair: Pair): Finding | undefined {
  const timeout = Math.max(120, ...pair.peerings.map(({ spec }) => seconds(spec.liveness?.timeout)));
  for (const { ikeSas, localAddress, remoteAddress } of pair.connections ?? []) {
    const heard = ikeSas.flatMap(({ lastHeardSeconds }) => lastHeardSeconds ?? []);
    if (heard.length === 0 || Math.min(...heard) <= timeout) continue;
    return finding(
      'PeerSilent',
      `${pair.own.name} has heard nothing of ${peerName(pair)} for ${Math.min(...heard)} s`,
      `see that it runs, and that UDP 500 and 4500 are open between ${localAddress} and ${remoteAddress}`,
    );
  }
  return undefined;
}

function mtuFault({ own, peer, connections = [] }: Pair): Finding | undefined {
  if (peer.kind === 'gateway') return undefined;
  for (const { localAddress, remoteAddress } of connections) {
    const [ours, theirs] = [mtuOf(own, localAddress), mtuOf(peer.end, remoteAddress)];
    if (ours === undefined || theirs === undefined || ours === theirs) continue;
    return finding(
      'MtusDiffer',
      `the interface of ${localAddress} on ${own.name} has MTU ${ours}, that of ${remoteAddress} on ${peer.end.name} ${theirs}: longer packets are lost where ICMP is filtered`,
      'give both the same MTU, and let ICMP "fragmentation needed" and "packet too big" pass',
    );
  }
  return undefined;
}

function clockFault(pair: Pair): Finding | undefined {
  const difference = clockDifference(pair);
  if (difference === undefined) return undefined;
  return finding(
    'ClocksDiffer',
    `${difference}: certificates that are renewed may not be believed`,
    'set the clocks right: see to NTP on the nodes',
  );
}

/** ESP in UDP is lost while no agent runs, where nobody else holds the sockets. */
function encapsulationFault({ own, connections = [] }: Pair): Finding | undefined {
  if (own.agent?.known !== true || own.agent.value.holder?.state !== 'absent' || own.pod === undefined)
    return undefined;
  const encapsulated = connections.some(({ ikeSas }) =>
    ikeSas.some(({ children }) => children.some((each) => each.udpEncapsulation)),
  );
  if (!encapsulated || own.pod.restarts < MANY_RESTARTS) return undefined;
  return finding(
    'NoHolder',
    `ESP in UDP is lost on ${own.name} whenever its agent is started again, which was ${own.pod.restarts} times`,
    'set agent.holder.enabled in the chart, see that the holder of the node runs, and why the agent ends',
  );
}

function mtuOf({ host }: End, address: string | undefined): number | undefined {
  if (host?.known !== true || address === undefined) return undefined;
  const found = host.value.interfaces.find(({ addresses }) => addresses.includes(address));
  return found === undefined || found.mtu === 0 ? undefined : found.mtu;
}

/** `1h30m` */
function seconds(duration: string | undefined): number {
  const units = { h: 3_600, m: 60, s: 1 } as const;
  return [...(duration ?? '').matchAll(/(\d+)([hms])/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * units[unit as keyof typeof units],
    0,
  );
}

const MANY_RESTARTS = 3;
