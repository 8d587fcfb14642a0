import type { PlainPacket } from '../dataplane/memory/packet.ts';
import type { Path } from '../ike/types.ts';
import type { RandomStream } from './random-stream.ts';
import type { Flow } from './topology.ts';

/** How often flows send, and the longest that each does and does not by turns; without the latter they always do. */
export interface TrafficPlan {
  readonly packetEveryMs: number;
  readonly longestTurnMs?: number;
}

/** Sends packets of every flow at irregular intervals, all the time or by turns. */
export function startTraffic(
  flows: readonly Flow[],
  { packetEveryMs: everyMs, longestTurnMs }: TrafficPlan,
  random: RandomStream,
  after: (delayMs: number, callback: () => void) => void,
  send: (flow: Flow) => void,
): void {
  for (const flow of flows) {
    let sends = true;
    const turn = (longestMs: number): void => {
      sends = !sends;
      after(random.between(1, longestMs), () => turn(longestMs));
    };
    const next = (): void => {
      if (sends) send(flow);
      after(random.between(1, 2 * everyMs), next);
    };
    if (longestTurnMs !== undefined) after(random.between(1, longestTurnMs), () => turn(longestTurnMs));
    after(random.between(1, 2 * everyMs), next);
  }
}

/** An IKE datagram as the sender's kernel sees it. */
export function udpPacketOf(path: Path, bytes: Uint8Array): PlainPacket {
  return {
    kind: 'plain',
    source: path.localAddress,
    destination: path.remoteAddress,
    protocol: UDP,
    sourcePort: path.localPort,
    destinationPort: path.remotePort,
    payloadBytes: bytes.length + UDP_HEADER_BYTES,
  };
}

/** The same datagram's path, seen from its receiver. */
export function reversedPath(path: Path): Path {
  return {
    localAddress: path.remoteAddress,
    localPort: path.remotePort,
    remoteAddress: path.localAddress,
    remotePort: path.localPort,
  };
}

const UDP = 17;
const UDP_HEADER_BYTES = 8;
