import { err, ok, type Result } from '../../../agent/result.ts';

/** One packet as tcpdump saved it. */
export interface SavedPacket {
  /** Seconds since 1970. */
  readonly at: number;
  /** The frame, cut at the snapshot length. */
  readonly bytes: Uint8Array;
  /** Its length on the wire. */
  readonly wireLength: number;
}

/** A capture file: all its packets have the same link type. */
export interface PcapFile {
  /** A LINKTYPE_ value: 1 Ethernet, 101 raw IP. */
  readonly linkType: number;
  readonly packets: readonly SavedPacket[];
  /** The file ends within a packet, as one that is still written does. */
  readonly truncated: boolean;
}

/** Reads a classic pcap file, of either byte order, with microseconds or nanoseconds. */
export function parsePcap(file: Uint8Array): Result<PcapFile, string> {
  if (file.length < headerLength) return err('the file is shorter than a pcap header');
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const format = formats.get(view.getUint32(0));
  if (format === undefined) return err('the file does not begin with a pcap magic number');
  const { little, fraction } = format;
  const packets: SavedPacket[] = [];
  let at = headerLength;
  while (at + packetHeaderLength <= file.length) {
    const saved = view.getUint32(at + 8, little);
    const start = at + packetHeaderLength;
    if (saved > maxSnapshot) return err(`a packet of ${saved} bytes at offset ${at}`);
    if (start + saved > file.length) break;
    packets.push({
      at: view.getUint32(at, little) + view.getUint32(at + 4, little) / fraction,
      bytes: file.subarray(start, start + saved),
      wireLength: view.getUint32(at + 12, little),
    });
    at = start + saved;
  }
  return ok({ linkType: view.getUint32(20, little) & 0xffff, packets, truncated: at < file.length });
}

const headerLength = 24;
const packetHeaderLength = 16;
// libpcap's own MAXIMUM_SNAPLEN.
const maxSnapshot = 262_144;
const formats: ReadonlyMap<number, { readonly little: boolean; readonly fraction: number }> = new Map([
  [0xa1b2c3d4, { little: false, fraction: 1e6 }],
  [0xd4c3b2a1, { little: true, fraction: 1e6 }],
  [0xa1b23c4d, { little: false, fraction: 1e9 }],
  [0x4d3cb2a1, { little: true, fraction: 1e9 }],
]);
