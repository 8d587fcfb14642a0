/**
 * Bounds on what is decoded, each with its reason. A count that its own field already bounds (a one-octet count of
 * transforms or selectors) needs no constant.
 */

/** Bytes of a message: what one UDP datagram carries over IPv4. */
export const MAX_MESSAGE_BYTES = 65_507;

/** Payloads outside of SK. Real first messages have some 15; an unbounded chain has overrun fixed tables elsewhere. */
export const MAX_OUTER_PAYLOADS = 64;

/** Payloads inside of SK: a long certificate chain, many CERTREQs and some dozens of notifies fit several times. */
export const MAX_INNER_PAYLOADS = 256;

/** Proposals of one SA payload. Proposal Num is one octet; the longest lists seen in the field have about 10. */
export const MAX_PROPOSALS = 64;

/** Attributes of one transform. The registry has one attribute type, Key Length. */
export const MAX_TRANSFORM_ATTRIBUTES = 8;

/** SPIs of one Delete payload: far more Child SAs than one IKE SA is allowed to have. */
export const MAX_DELETE_SPIS = 1024;

/** Attributes of one Configuration payload: addresses, DNS servers and split-tunnel subnets of a large gateway. */
export const MAX_CFG_ATTRIBUTES = 256;

/** Bytes of an SPI: 8 for an IKE SA is the longest that IKEv2 knows; Notify may carry up to this of an unknown protocol. */
export const MAX_SPI_BYTES = 16;

/** Nonce lengths (RFC 7296 §3.9). */
export const MIN_NONCE_BYTES = 16;
export const MAX_NONCE_BYTES = 256;

/** Cookie lengths (RFC 7296 §2.6); COOKIE2 has at least 8 (RFC 4555 §4.2.5). */
export const MAX_COOKIE_BYTES = 64;
export const MIN_COOKIE2_BYTES = 8;

/**
 * Fragments of one message. Peers have been seen to send 29; 255 fragments of the smallest sensible size already
 * exceed MAX_MESSAGE_BYTES.
 */
export const MAX_FRAGMENTS = 255;
