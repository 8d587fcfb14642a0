/*
 * Numbers of linux/xfrm.h, named as there; only those that are used. The messages that empty a whole table are among
 * those that are heard, and must not be sent: other programs keep SAs and policies, too.
 */

/** NETLINK_XFRM. */
export const XFRM_FAMILY = 6;

/** XFRM_MSG_* */
export const XfrmMessage = {
  newSa: 16,
  deleteSa: 17,
  getSa: 18,
  newPolicy: 19,
  deletePolicy: 20,
  getPolicy: 21,
  acquire: 23,
  expire: 24,
  updatePolicy: 25,
  updateSa: 26,
  mapping: 38,
} as const;

/** XFRM_MSG_* that the kernel tells of others; they are never sent. */
export const XfrmNotice = { flushedSas: 28, flushedPolicies: 29 } as const;

/** XFRMNLGRP_* */
export const XfrmGroup = { acquire: 1, expire: 2, sa: 3, policy: 4, mapping: 8 } as const;

/** XFRMA_* */
export const XfrmAttribute = {
  auth: 1,
  crypt: 2,
  encapsulation: 4,
  template: 5,
  sa: 6,
  policy: 7,
  policyType: 16,
  aead: 18,
  authTruncated: 20,
  mark: 21,
  replayEsn: 23,
  ifId: 31,
  /** Since 5.17. */
  mappingThreshold: 32,
  /** Since 6.10; older kernels ignore it without a word. */
  saDirection: 33,
  /** Since 6.11; older kernels ignore it without a word. */
  natKeepalive: 34,
} as const;

/** XFRM_STATE_* */
export const SaFlag = {
  /** The selector's family is left open: a tunnel may carry the other one. */
  unspecifiedFamily: 32,
  esn: 128,
} as const;

/** XFRM_SA_DIR_* */
export const SaDirection = { in: 1, out: 2 } as const;

/** XFRM_MODE_* */
export const XfrmMode = { transport: 0, tunnel: 1 } as const;

/** XFRM_POLICY_ALLOW and _BLOCK. */
export const PolicyAction = { allow: 0, block: 1 } as const;

/** XFRM_POLICY_TYPE_MAIN; sub policies are another type and not ours. */
export const POLICY_TYPE_MAIN = 0;

/** IPPROTO_ESP */
export const ESP = 50;

/** UDP_ENCAP_ESPINUDP, the form of RFC 3948. */
export const ESP_IN_UDP = 2;

/** AF_INET and AF_INET6. */
export const AddressFamily = { unspecified: 0, inet: 2, inet6: 10 } as const;

/** XFRM_INF: no limit. */
export const NO_LIMIT = 0xffffffffffffffffn;
