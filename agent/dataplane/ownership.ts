import type { DataplaneEvent, PolicyDirection, PolicySpec } from './types.ts';

/*
 * How an object in the kernel is known as ours, after a restart too: a policy by its index, an SA by its reqid. Marks
 * and interface IDs cannot serve, because a policy that has one no longer matches ordinary packets.
 *
 * The range is one for both: 0x60000000 to 0x7fffffff. The kernel numbers the policies of other programs upwards from
 * 0 in steps of 8 and would need 201 million of them to get there; the IKE daemons in use number reqids from 1 or from
 * 16384; the range of manual keying ends at 0x3fff.
 *
 * Rules of the kernel that were tried out (6.12 and 6.18):
 * - The low three bits of an index are the direction, or the policy is refused.
 * - An index that another policy has already is replaced, without a word, by one that the kernel makes up. Whoever
 *   creates a policy reads the index back.
 * - Replacing a policy keeps its old index, whatever index the new one asks for.
 */

/** A number of our range, counted from 0: the number that `ownIndex` or `ownReqid` was made of. */
export const OWN_SEQUENCES = 0x4000000;

/** So many sequences at the end of the range are those of policies that belong to no connection and are the same on all hosts. */
export const BYPASS_SEQUENCES = 32;

/**
 * So many sequences below the middle of the range are those of policies that belong to addresses of this host. Not at its
 * end: a version that knows nothing of these numbers its own policies from the highest that it finds upwards, and there is
 * room for that.
 */
export const ADDRESS_BYPASS_SEQUENCES = 4096;
export const ADDRESS_BYPASS_END: number = OWN_SEQUENCES / 2;

/** The policy index of `sequence`, 0 to OWN_SEQUENCES - 1; larger numbers start again from 0. */
export function ownIndex(sequence: number, direction: PolicyDirection): number {
  return RANGE_START + (sequence % OWN_SEQUENCES) * 8 + directionNumber(direction);
}

/** The sequence number that `ownIndex` made this index of; undefined if the index is not ours. */
export function ownIndexSequence(index: number): number | undefined {
  return isOurIndex(index) ? (index - RANGE_START) >>> 3 : undefined;
}

/** Whether a policy with this index is ours. */
export function isOurIndex(index: number): boolean {
  return index >= RANGE_START && index <= RANGE_END;
}

/** The reqid of `sequence`, 0 to OWN_REQIDS - 1; larger numbers start again from 0. */
export function ownReqid(sequence: number): number {
  return RANGE_START + (sequence % OWN_REQIDS);
}

/** Whether a policy is ours and belongs to no connection: the way of IKE itself. */
export function isBypassPolicy({ index, priority }: Pick<PolicySpec, 'index' | 'priority'>): boolean {
  const sequence = ownIndexSequence(index) ?? 0;
  if (sequence >= OWN_SEQUENCES - BYPASS_SEQUENCES) return true;
  const isOfAddress = sequence < ADDRESS_BYPASS_END && sequence >= ADDRESS_BYPASS_END - ADDRESS_BYPASS_SEQUENCES;
  // A version that does not know these sequences may have given some to policies of connections.
  return isOfAddress && priority < CONNECTION_PRIORITIES;
}

/** Whether an SA with this reqid is ours. */
export function isOurReqid(reqid: number): boolean {
  return reqid >= RANGE_START && reqid <= RANGE_END;
}

/** Whether an event is about an object of ours: the kernel tells every listener everything. */
export function concernsUs(event: DataplaneEvent): boolean {
  switch (event.kind) {
    case 'expire':
    case 'mapping':
    case 'removed':
      return isOurReqid(event.reqid);
    case 'acquire':
      return isOurIndex(event.policyIndex);
    case 'counters':
    case 'survey':
    case 'resync':
      return true;
  }
}

/** XFRM_POLICY_IN, _OUT and _FWD of linux/xfrm.h. */
export function directionNumber(direction: PolicyDirection): 0 | 1 | 2 {
  return direction === 'in' ? 0 : direction === 'out' ? 1 : 2;
}

const RANGE_START = 0x60000000;
const RANGE_END = 0x7fffffff;
/** Policies with a priority below belong to no connection, and take precedence over all that do. */
const CONNECTION_PRIORITIES = 10_000;

/** How many reqids there are. */
export const OWN_REQIDS = RANGE_END - RANGE_START + 1;
