import { hostView } from '../netlink/host-order.ts';

/**
 * The classic BPF program that lets through packets for this host which carry ESP with an SPI, in IP or in UDP, and no
 * others. Offset 0 is the IP header. Of a packet in fragments the first one has the SPI and would be of no use alone.
 */
export function espFilter(spi: number): Uint8Array {
  const program: readonly Instruction[] = [
    /*  0 */ [LOAD_BYTE, 0, 0, PACKET_TYPE],
    /*  1 */ [IF_EQUAL, 0, 22, PACKET_HOST],
    /*  2 */ [LOAD_BYTE, 0, 0, 0],
    /*  3 */ [AND, 0, 0, 0xf0],
    /*  4 */ [IF_EQUAL, 8, 0, 0x40],
    /*  5 */ [IF_EQUAL, 0, 18, 0x60],
    /*  6 */ [LOAD_BYTE, 0, 0, IPV6_NEXT_HEADER],
    /*  7 */ [IF_EQUAL, 0, 2, ESP],
    /*  8 */ [LOAD_WORD, 0, 0, IPV6_HEADER_BYTES],
    /*  9 */ [GO, 0, 0, 12],
    /* 10 */ [IF_EQUAL, 0, 13, UDP],
    /* 11 */ [LOAD_WORD, 0, 0, IPV6_HEADER_BYTES + UDP_HEADER_BYTES],
    /* 12 */ [GO, 0, 0, 9],
    /* 13 */ [LOAD_HALF, 0, 0, IPV4_FRAGMENT],
    /* 14 */ [IF_ANY, 9, 0, MORE_OR_LATER_FRAGMENTS],
    /* 15 */ [X_IS_IPV4_HEADER_BYTES, 0, 0, 0],
    /* 16 */ [LOAD_BYTE, 0, 0, IPV4_PROTOCOL],
    /* 17 */ [IF_EQUAL, 0, 2, ESP],
    /* 18 */ [LOAD_WORD_FROM_X, 0, 0, 0],
    /* 19 */ [GO, 0, 0, 2],
    /* 20 */ [IF_EQUAL, 0, 3, UDP],
    /* 21 */ [LOAD_WORD_FROM_X, 0, 0, UDP_HEADER_BYTES],
    /* 22 */ [IF_EQUAL, 0, 1, spi],
    /* 23 */ [RETURN, 0, 0, WHOLE_PACKET],
    /* 24 */ [RETURN, 0, 0, 0],
  ];
  return encoded(program);
}

/** The program that lets through the first bytes of packets that leave this host, and of no others. */
export function outgoingFilter(headerBytes: number): Uint8Array {
  return encoded([
    [LOAD_BYTE, 0, 0, PACKET_TYPE],
    [IF_EQUAL, 0, 1, PACKET_OUTGOING],
    [RETURN, 0, 0, headerBytes],
    [RETURN, 0, 0, 0],
  ]);
}

type Instruction = readonly [code: number, yes: number, no: number, operand: number];

function encoded(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * INSTRUCTION_BYTES);
  const view = hostView(bytes);
  for (const [index, [code, yes, no, operand]] of program.entries()) {
    const at = index * INSTRUCTION_BYTES;
    view.setUint16(at, code);
    bytes[at + 2] = yes;
    bytes[at + 3] = no;
    view.setUint32(at + 4, operand);
  }
  return bytes;
}

// linux/filter.h, linux/bpf_common.h
const INSTRUCTION_BYTES = 8;
const LOAD_BYTE = 0x30;
const LOAD_HALF = 0x28;
const LOAD_WORD = 0x20;
const LOAD_WORD_FROM_X = 0x40;
const X_IS_IPV4_HEADER_BYTES = 0xb1;
const AND = 0x54;
const GO = 0x05;
const IF_EQUAL = 0x15;
const IF_ANY = 0x45;
const RETURN = 0x06;
/** SKF_AD_OFF + SKF_AD_PKTTYPE, and what it is of packets for this host. */
const PACKET_TYPE = 0xfffff004;
const PACKET_HOST = 0;
const PACKET_OUTGOING = 4;
const WHOLE_PACKET = 0x40000;

const IPV4_FRAGMENT = 6;
const MORE_OR_LATER_FRAGMENTS = 0x3fff;
const IPV4_PROTOCOL = 9;
const IPV6_NEXT_HEADER = 6;
const IPV6_HEADER_BYTES = 40;
const UDP_HEADER_BYTES = 8;
const UDP = 17;
const ESP = 50;
