import type { Attribute } from '../netlink/attributes.ts';
import { nestedAttribute, textAttribute, uint32Attribute } from './attribute-values.ts';
import { dataAttributes, expressionAttributes, LIST_ELEMENT } from './registry.ts';

/* The steps of a rule, each as nft has it: `nft --debug=netlink` prints them in these words. All use one register. */

/** `meta load nfproto => reg 1`, or of the protocol above IP. */
export function loadMeta(key: 'nfproto' | 'l4proto'): Attribute {
  const number = key === 'nfproto' ? NFT_META_NFPROTO : NFT_META_L4PROTO;
  // NFTA_META_KEY, NFTA_META_DREG
  return expression('meta', [uint32Attribute(2, number), uint32Attribute(1, REGISTER)]);
}

/** `cmp eq reg 1 …`: the rule ends here where it is another byte. */
export function compareByte(byte: number): Attribute {
  // NFTA_CMP_SREG, NFTA_CMP_OP (NFT_CMP_EQ), NFTA_CMP_DATA
  return expression('cmp', [uint32Attribute(1, REGISTER), uint32Attribute(2, 0), value(3, Uint8Array.of(byte))]);
}

/** `payload load 1b @ transport header + …`. */
export function loadTransportByte(offset: number): Attribute {
  // NFTA_PAYLOAD_DREG, _BASE (NFT_PAYLOAD_TRANSPORT_HEADER), _OFFSET, _LEN
  const fields = [REGISTER, 2, offset, 1].map((field, index) => uint32Attribute(index + 1, field));
  return expression('payload', fields);
}

/** `bitwise reg 1 = ( reg 1 & … ) ^ 0`, of one byte. */
export function maskByte(mask: number): Attribute {
  return expression('bitwise', [
    // NFTA_BITWISE_SREG, _DREG, _OP (NFT_BITWISE_MASK_XOR), _LEN, _MASK, _XOR
    uint32Attribute(1, REGISTER),
    uint32Attribute(2, REGISTER),
    uint32Attribute(6, 0),
    uint32Attribute(3, 1),
    value(4, Uint8Array.of(mask)),
    value(5, Uint8Array.of(0)),
  ]);
}

/** `xfrm load in 0 reqid => reg 1`: of the SA that a packet came by, or is to leave by. The rule ends where there is none. */
export function loadReqid(direction: 'in' | 'out'): Attribute {
  return expression('xfrm', [
    // NFTA_XFRM_KEY (NFT_XFRM_KEY_REQID), _DIR (XFRM_POLICY_*), _SPNUM, _DREG
    uint32Attribute(2, NFT_XFRM_KEY_REQID),
    { type: 3, value: Uint8Array.of(direction === 'in' ? 0 : 1) },
    uint32Attribute(4, 0),
    uint32Attribute(1, REGISTER),
  ]);
}

/** `lookup reg 1 set … dreg 0`: goes to the chain that a verdict map has for it. */
export function lookUpVerdict(set: { readonly name: string; readonly id: number }): Attribute {
  // NFTA_LOOKUP_SREG, _DREG, _SET, _SET_ID
  return expression('lookup', [
    uint32Attribute(2, REGISTER),
    uint32Attribute(3, NFT_REG_VERDICT),
    textAttribute(1, set.name),
    uint32Attribute(4, set.id),
  ]);
}

/** `immediate reg 1 …` and `exthdr write tcpopt reg 1 => 2b @ 2 + 2`: makes the MSS of a TCP header so much, never more than it was. */
export function setSegmentSize(bytes: number): readonly Attribute[] {
  return [
    // NFTA_IMMEDIATE_DREG, _DATA
    expression('immediate', [uint32Attribute(1, REGISTER), value(2, Uint8Array.of(bytes >>> 8, bytes & 0xff))]),
    expression('exthdr', [
      // NFTA_EXTHDR_SREG, _TYPE, _OFFSET, _LEN, _OP (NFT_EXTHDR_OP_TCPOPT)
      uint32Attribute(7, REGISTER),
      { type: 2, value: Uint8Array.of(TCPOPT_MSS) },
      uint32Attribute(3, 2),
      uint32Attribute(4, 2),
      uint32Attribute(6, 1),
    ]),
  ];
}

function expression(name: string, data: readonly Attribute[]): Attribute {
  const { name: nameType, data: dataType } = expressionAttributes;
  return nestedAttribute(LIST_ELEMENT, [textAttribute(nameType, name), nestedAttribute(dataType, data)]);
}

function value(type: number, bytes: Uint8Array): Attribute {
  return nestedAttribute(type, [{ type: dataAttributes.value, value: bytes }]);
}

/** NFT_REG_1 */
const REGISTER = 1;
const NFT_REG_VERDICT = 0;
const NFT_META_NFPROTO = 15;
const NFT_META_L4PROTO = 16;
const NFT_XFRM_KEY_REQID = 5;
/** RFC 9293 §3.1. */
const TCPOPT_MSS = 2;
