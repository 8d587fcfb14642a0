import type { PlainPacket } from '../dataplane/memory/packet.ts';
import type { Path } from '../ike/types.ts';
import type { RandomStream } from './random-stream.ts';
import type { Flow } from './topology.ts';

/** Sends packets of every flow, all the time, at irregular intervals. */
export function startTraffic(
  flows: readonly Flow[],
  everyMs: number,
  random: RandomStream,
  after: (delayMs: number, callback: () => void) => void,
  send: (flow: Flow) => void,
): void {
  for (const flow of flows) {
    const next = (): void => {
      send(flow);
      after(random.between(1, 2 * everyMs), next);
    };
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
