import type { SegmentSizes } from '../../ports.ts';
import { type Attribute, decodeAttributeList, decodeAttributes } from '../netlink/attributes.ts';
import { hostUint32, hostUint32Bytes } from '../netlink/host-order.ts';
import {
  NETFILTER_HEAD_BYTES,
  nestedAttribute,
  netfilterBody,
  textAttribute,
  uint32Attribute,
} from './attribute-values.ts';
import {
  compareByte,
  loadMeta,
  loadReqid,
  loadTransportByte,
  lookUpVerdict,
  maskByte,
  setSegmentSize,
} from './expressions.ts';
import {
  chainAttributes,
  dataAttributes,
  elementAttributes,
  elementListAttributes,
  hookAttributes,
  nftTypes,
  ruleAttributes,
  setAttributes,
  tableAttributes,
  verdictAttributes,
} from './registry.ts';

/*
 * The table, as `nft list table inet ikemesh` shows it (testdata/nft.json has the whole text, and what nft sends for it):
 *
 *     map ipv4 { typeof ipsec in reqid : verdict; elements = { 0x60000001 : goto mss-1360 } }
 *     chain prerouting { type filter hook prerouting priority -150;
 *       meta nfproto ipv4 tcp flags & (syn|rst) == syn ipsec in reqid vmap @ipv4 … }
 *     chain postrouting { … ipsec out reqid vmap @ipv4 … }
 *     chain mss-1360 { tcp option maxseg size set 1360 }
 *
 * Before routing packets have been decrypted, whether they are for this host or to be forwarded; after it they are not yet
 * encrypted, whether they are its own or forwarded. So one end is enough for both directions of a connection. A packet that
 * is no SYN ends at the third step, and a SYN is looked up once, however many peers there are.
 */

/** A message of a batch. */
export interface NftMessage {
  readonly type: number;
  readonly body: Uint8Array;
}

/** The table with all that is in it, for a kernel that has none of that name. */
export function tableMessages(sizes: ReadonlyMap<number, SegmentSizes>): readonly NftMessage[] {
  const chains = distinctSizes(sizes);
  return [
    newTable(),
    ...HOOKS.map(newHookedChain),
    ...chains.map((size) => newChain(chainName(size))),
    ...SETS.map(newVerdictMap),
    ...chains.map((size) => newRule(chainName(size), setSegmentSize(size))),
    ...HOOKS.flatMap(({ chain, direction }) => SETS.map((set) => newRule(chain, synRule(direction, set)))),
    ...SETS.flatMap((set) =>
      newElements(
        set,
        [...sizes].map(([reqid, each]) => [reqid, each[set.name]] as const),
      ),
    ),
  ];
}

/** Has a batch make the table if it is not there, and take it away. */
export function removalMessages(): readonly NftMessage[] {
  return [
    newTable(),
    { type: nftTypes.deleteTable, body: netfilterBody([textAttribute(tableAttributes.name, TABLE)]) },
  ];
}

/** How many rules the table has. */
export function ruleCount(sizes: ReadonlyMap<number, SegmentSizes>): number {
  return HOOKS.length * SETS.length + distinctSizes(sizes).length;
}

/** Asks for the table. */
export function tableRequest(): Uint8Array {
  return netfilterBody([textAttribute(tableAttributes.name, TABLE)]);
}

/** Asks for its rules. */
export function rulesRequest(): Uint8Array {
  return netfilterBody([textAttribute(ruleAttributes.table, TABLE)]);
}

/** Asks for the elements of one of its maps. */
export function elementsRequest(set: SetName): Uint8Array {
  const { table, set: name } = elementListAttributes;
  return netfilterBody([textAttribute(table, TABLE), textAttribute(name, set)]);
}

/** Whether a table of that name is ours. */
export function isOurTable(body: Uint8Array): boolean {
  const comment = decodeAttributes(body.subarray(NETFILTER_HEAD_BYTES)).get(tableAttributes.userData);
  const ours = commentBytes();
  return comment?.length === ours.length && ours.every((byte, index) => comment[index] === byte);
}

/** Which MSS the elements of an answer stand for, by their reqid. */
export function readElements(body: Uint8Array): readonly (readonly [reqid: number, size: number])[] {
  const list = decodeAttributes(body.subarray(NETFILTER_HEAD_BYTES)).get(elementListAttributes.elements);
  return decodeAttributeList(list ?? NOTHING).flatMap(({ value }) => {
    const element = decodeAttributes(value);
    const key = decodeAttributes(element.get(elementAttributes.key) ?? NOTHING).get(dataAttributes.value);
    const data = decodeAttributes(element.get(elementAttributes.data) ?? NOTHING).get(dataAttributes.verdict);
    const chain = decodeAttributes(data ?? NOTHING).get(verdictAttributes.chain);
    const reqid = hostUint32(key ?? NOTHING);
    const size = Number(CHAIN_NAME.exec(new TextDecoder().decode(chain ?? NOTHING))?.[1]);
    return reqid === undefined || Number.isNaN(size) ? [] : [[reqid, size] as const];
  });
}

/** The names of the maps, one for each IP version of what is encrypted. */
export const SET_NAMES = ['ipv4', 'ipv6'] as const;
export type SetName = (typeof SET_NAMES)[number];

function distinctSizes(sizes: ReadonlyMap<number, SegmentSizes>): readonly number[] {
  return [...new Set([...sizes.values()].flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]))];
}

function newTable(): NftMessage {
  const { name, flags, userData } = tableAttributes;
  const attributes = [textAttribute(name, TABLE), uint32Attribute(flags, 0), { type: userData, value: commentBytes() }];
  return { type: nftTypes.newTable, body: netfilterBody(attributes) };
}

/** NFTNL_UDATA_TABLE_COMMENT: type, length and text with a zero, which nft shows as the comment. */
function commentBytes(): Uint8Array {
  const text = new TextEncoder().encode(`${COMMENT}\0`);
  return Uint8Array.of(0, text.length, ...text);
}

function newHookedChain({ chain, number }: Hook): NftMessage {
  const { table, name, hook, policy, type } = chainAttributes;
  const attributes = [
    textAttribute(table, TABLE),
    textAttribute(name, chain),
    uint32Attribute(policy, NF_ACCEPT),
    textAttribute(type, 'filter'),
    nestedAttribute(hook, [
      uint32Attribute(hookAttributes.number, number),
      uint32Attribute(hookAttributes.priority, NF_IP_PRI_MANGLE),
    ]),
  ];
  return { type: nftTypes.newChain, body: netfilterBody(attributes) };
}

function newChain(name: string): NftMessage {
  const attributes = [textAttribute(chainAttributes.table, TABLE), textAttribute(chainAttributes.name, name)];
  return { type: nftTypes.newChain, body: netfilterBody(attributes) };
}

function newVerdictMap({ name, id }: VerdictMap): NftMessage {
  const attributes = [
    textAttribute(setAttributes.table, TABLE),
    textAttribute(setAttributes.name, name),
    uint32Attribute(setAttributes.flags, NFT_SET_MAP),
    uint32Attribute(setAttributes.keyType, NFT_TYPE_INTEGER),
    uint32Attribute(setAttributes.keyBytes, 4),
    uint32Attribute(setAttributes.dataType, NFT_DATA_VERDICT),
    uint32Attribute(setAttributes.dataBytes, 0),
    uint32Attribute(setAttributes.id, id),
    { type: setAttributes.userData, value: TYPE_OF_REQID },
  ];
  return { type: nftTypes.newSet, body: netfilterBody(attributes) };
}

function newRule(chain: string, expressions: readonly Attribute[]): NftMessage {
  const attributes = [
    textAttribute(ruleAttributes.table, TABLE),
    textAttribute(ruleAttributes.chain, chain),
    nestedAttribute(ruleAttributes.expressions, expressions),
  ];
  return { type: nftTypes.newRule, body: netfilterBody(attributes) };
}

function synRule(direction: 'in' | 'out', set: VerdictMap): readonly Attribute[] {
  return [
    loadMeta('nfproto'),
    compareByte(set.family),
    loadMeta('l4proto'),
    compareByte(IPPROTO_TCP),
    loadTransportByte(TCP_FLAGS_OFFSET),
    maskByte(TCP_SYN | TCP_RST),
    compareByte(TCP_SYN),
    loadReqid(direction),
    lookUpVerdict(set),
  ];
}

/** As many messages as it takes: the length of an attribute has 16 bits. */
function newElements(
  { name, id }: VerdictMap,
  elements: readonly (readonly [reqid: number, size: number])[],
): readonly NftMessage[] {
  const messages: NftMessage[] = [];
  for (let start = 0; start < elements.length; start += ELEMENTS_PER_MESSAGE) {
    const some = elements.slice(start, start + ELEMENTS_PER_MESSAGE);
    const attributes = [
      textAttribute(elementListAttributes.table, TABLE),
      textAttribute(elementListAttributes.set, name),
      uint32Attribute(elementListAttributes.setId, id),
      nestedAttribute(
        elementListAttributes.elements,
        some.map(([reqid, size], index) => newElement(index + 1, reqid, size)),
      ),
    ];
    messages.push({ type: nftTypes.newElements, body: netfilterBody(attributes) });
  }
  return messages;
}

function newElement(number: number, reqid: number, size: number) {
  const verdict = [
    uint32Attribute(verdictAttributes.code, NFT_GOTO),
    textAttribute(verdictAttributes.chain, chainName(size)),
  ];
  return nestedAttribute(number, [
    nestedAttribute(elementAttributes.key, [{ type: dataAttributes.value, value: hostUint32Bytes(reqid) }]),
    nestedAttribute(elementAttributes.data, [nestedAttribute(dataAttributes.verdict, verdict)]),
  ]);
}

function chainName(size: number): string {
  return `mss-${size}`;
}

interface VerdictMap {
  readonly name: SetName;
  /** By which the messages of a batch mean it. */
  readonly id: number;
  /** NFPROTO_IPV4, NFPROTO_IPV6. */
  readonly family: number;
}

interface Hook {
  readonly chain: string;
  /** NF_INET_PRE_ROUTING, NF_INET_POST_ROUTING. */
  readonly number: number;
  readonly direction: 'in' | 'out';
}

const TABLE = 'ikemesh';
const COMMENT = 'kept by the ikemesh agent';
const SETS: readonly VerdictMap[] = [
  { name: 'ipv4', id: 1, family: 2 },
  { name: 'ipv6', id: 2, family: 10 },
];
const HOOKS: readonly Hook[] = [
  { chain: 'prerouting', number: 0, direction: 'in' },
  { chain: 'postrouting', number: 4, direction: 'out' },
];
const CHAIN_NAME = /^mss-([0-9]{1,5})\0?$/;
const NOTHING = new Uint8Array(0);
/** Some 50 bytes each. */
const ELEMENTS_PER_MESSAGE = 1_000;
const NF_ACCEPT = 1;
const NF_IP_PRI_MANGLE = -150;
const NFT_SET_MAP = 8;
const NFT_GOTO = -4;
const NFT_DATA_VERDICT = 0xffffff00;
/** Of nft, for its own use. */
const NFT_TYPE_INTEGER = 4;
/** That a key is a `typeof ipsec in reqid`, as nft notes it down for itself: without, it could not show the map. */
const TYPE_OF_REQID = Uint8Array.of(
  ...[0, 4, 1, 0, 0, 0, 1, 4, 0, 0, 0, 0, 3, 0x1a, 0, 4, 0x1b, 0, 0, 0, 1, 0x12, 0, 4, 5, 0, 0, 0],
  ...[1, 4, 0, 0, 0, 0, 2, 4, 0, 0, 0, 0, 4, 8, 0, 4, 1, 0, 0, 0, 1, 0, 6, 4, 0, 0, 0, 0],
);
const IPPROTO_TCP = 6;
/** RFC 9293 §3.1. */
const TCP_FLAGS_OFFSET = 13;
const TCP_SYN = 0x02;
const TCP_RST = 0x04;
