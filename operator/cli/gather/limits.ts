/** Bounds of a bundle, each with its reason. */

/** Objects of a kind: the largest clusters in the field have 5,000 nodes; what comes after is left out and said. */
export const MAX_OBJECTS = 10_000;

/** Agents and hosts that are asked, unless nodes are named: a second each, eight at a time. */
export const MAX_NODES = 100;

/** Lines of a log, from its end. */
export const MAX_LOG_LINES = 2_000;

/** Bytes of a log; its lines are mostly shorter than 500. */
export const MAX_LOG_BYTES = 1024 * 1024;

/** Everything together, before it is compressed to a tenth: more is not sent by mail. */
export const MAX_BUNDLE_BYTES = 128 * 1024 * 1024;
