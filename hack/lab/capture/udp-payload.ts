/** What a UDP datagram carries. */
export interface UdpDatagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly data: Uint8Array;
}

/** The datagram in an Ethernet frame of UDP over unfragmented IPv4; undefined for any other. */
export function udpOverIpv4(frame: Uint8Array): UdpDatagram | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < 42 || view.getUint16(12) !== 0x0800 || frame[23] !== 17) return undefined;
  if ((view.getUint16(20) & 0x3fff) !== 0) return undefined;
  const udp = 14 + ((frame[14] ?? 0) & 15) * 4;
  if (udp + 8 > frame.length) return undefined;
  const end = udp + view.getUint16(udp + 4);
  return {
    sourcePort: view.getUint16(udp),
    destinationPort: view.getUint16(udp + 2),
    data: frame.subarray(udp + 8, Math.min(end, frame.length)),
  };
}
