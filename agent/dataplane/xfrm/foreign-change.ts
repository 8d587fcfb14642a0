import { decodeAttributes } from '../netlink/attributes.ts';
import type { NetlinkMessage } from '../netlink/message.ts';
import { isOurIndex } from '../ownership.ts';
import type { DataplaneEvent } from '../types.ts';
import { POLICY_ID_BYTES, POLICY_INFO_BYTES, policyIndexAt } from './policy-codec.ts';
import { XfrmAttribute, XfrmMessage, XfrmNotice } from './registry.ts';
import { SA_ID_BYTES, saIdentity } from './sa-codec.ts';

/** What somebody else has done to what is ours. */
export type ForeignChange =
  | Extract<DataplaneEvent, { kind: 'removed' }>
  /** A look at everything tells what it was. */
  | { readonly kind: 'unknown' };

/**
 * What a notice of groups SA and POLICY tells of objects of ours; undefined where it is about others. The kernel names in
 * it who gave the order, so that our own ones are left out before.
 */
export function foreignChange({ type, body }: NetlinkMessage): ForeignChange | undefined {
  switch (type) {
    case XfrmMessage.deleteSa:
      return deletedSa(body);
    case XfrmMessage.deletePolicy:
      return isOurDeletedPolicy(body) ? UNKNOWN : undefined;
    case XfrmNotice.flushedSas:
    case XfrmNotice.flushedPolicies:
      return UNKNOWN;
    default:
      return undefined;
  }
}

/** A xfrm_usersa_id, and behind it the SA as it was. */
function deletedSa(body: Uint8Array): ForeignChange | undefined {
  const info = decodeAttributes(body.subarray(SA_ID_BYTES)).get(XfrmAttribute.sa);
  const identity = info && saIdentity(info);
  return identity && { kind: 'removed', id: identity.id, reqid: identity.reqid };
}

/** A xfrm_userpolicy_id, and behind it the policy as it was. */
function isOurDeletedPolicy(body: Uint8Array): boolean {
  const info = decodeAttributes(body.subarray(POLICY_ID_BYTES)).get(XfrmAttribute.policy);
  return info !== undefined && info.length >= POLICY_INFO_BYTES && isOurIndex(policyIndexAt(info, 0));
}

const UNKNOWN: ForeignChange = { kind: 'unknown' };
