/** Numbers of linux/netfilter/nfnetlink.h and nf_tables.h, only those in use. */

/** NETLINK_NETFILTER of linux/netlink.h. */
export const NETFILTER_FAMILY = 12;
/** NFNL_SUBSYS_NFTABLES. */
export const NFTABLES_SUBSYSTEM = 10;
/** NFPROTO_INET: both IP versions. */
export const INET = 1;

/** NFNL_MSG_BATCH_*: what stands between them comes into force in one go, or not at all. */
export const batchTypes = { begin: 0x10, end: 0x11 } as const;

/** NFT_MSG_*, in the range of their subsystem. */
export const nftTypes = {
  newTable: typeOf(0),
  getTable: typeOf(1),
  deleteTable: typeOf(2),
  newChain: typeOf(3),
  newRule: typeOf(6),
  getRule: typeOf(7),
  newSet: typeOf(9),
  newElements: typeOf(12),
  getElements: typeOf(13),
  newGeneration: typeOf(15),
  getGeneration: typeOf(16),
} as const;

/** NFTA_TABLE_* */
export const tableAttributes = { name: 1, flags: 2, userData: 6 } as const;
/** NFTA_CHAIN_*, and NFTA_HOOK_* of its hook. */
export const chainAttributes = { table: 1, name: 3, hook: 4, policy: 5, type: 7 } as const;
export const hookAttributes = { number: 1, priority: 2 } as const;
/** NFTA_RULE_* */
export const ruleAttributes = { table: 1, chain: 2, expressions: 4 } as const;
/** NFTA_SET_* */
export const setAttributes = {
  table: 1,
  name: 2,
  flags: 3,
  keyType: 4,
  keyBytes: 5,
  dataType: 6,
  dataBytes: 7,
  id: 10,
  userData: 13,
} as const;
/** NFTA_SET_ELEM_LIST_*, and NFTA_SET_ELEM_* of an element. */
export const elementListAttributes = { table: 1, set: 2, elements: 3, setId: 4 } as const;
export const elementAttributes = { key: 1, data: 2 } as const;
/** NFTA_DATA_*, and NFTA_VERDICT_* */
export const dataAttributes = { value: 1, verdict: 2 } as const;
export const verdictAttributes = { code: 1, chain: 2 } as const;
/** NFTA_LIST_ELEM */
export const LIST_ELEMENT = 1;
/** NFTA_EXPR_* */
export const expressionAttributes = { name: 1, data: 2 } as const;
/** NFTA_GEN_ID */
export const GENERATION_ID = 1;

function typeOf(message: number): number {
  return (NFTABLES_SUBSYSTEM << 8) | message;
}
