/** Bounds of what an agent takes from the API server and keeps, each with its reason. */

/** An object of the API server has at most 1.5 MiB in etcd; as JSON with what the server adds a little more. */
export const MAX_OBJECT_BYTES = 2 * 1024 * 1024;

/** Objects that are asked for at a time: slices of a hundred peers have some 40 kB, so that a page stays below a megabyte. */
export const LIST_PAGE = 20;

/** An answer: a page of the largest slices there can be. */
export const MAX_RESPONSE_BYTES = 8 * 1024 * 1024;

/** Pages of one list, so that it ends: twice what 5,000 peers take. */
export const MAX_PAGES = 10;

/** An answer that has not come by then will not come: the API server itself gives up after 60 s. */
export const REQUEST_TIMEOUT_MS = 30_000;

/** How long the API server keeps a watch open; the actual time is drawn up to twice this, so that not all end together. */
export const WATCH_SECONDS = 300;

/** A watch of which nothing has come for so long is dead: the server sends a bookmark each minute. */
export const WATCH_SILENCE_MS = 90_000;

/** A connection on which nothing comes is probed after this, ten times with a second between (TCP keepalive). */
export const KEEPALIVE_MS = 15_000;

/** Pauses after failures: the first, and the longest, before jitter. */
export const FIRST_PAUSE_MS = 1_000;
export const LONGEST_PAUSE_MS = 30_000;

/** All agents hear at the same time that their resource versions are too old; they are not to list at the same time. */
export const RELIST_SPREAD_MS = 5_000;

/** What a server may ask us to wait (Retry-After). */
export const LONGEST_RETRY_AFTER_MS = 120_000;

/** Tokens are some 1.5 kB. */
export const MAX_TOKEN_BYTES = 64 * 1024;

/** How long the token of the node's own ServiceAccount is good for; the API server refuses less than ten minutes. */
export const NODE_TOKEN_SECONDS = 3_600;

/** A token that was just asked for in vain is not asked for again before this. */
export const TOKEN_RETRY_MS = 5_000;

/** A peer that is in no slice any more is dropped after this: one that is moved between slices is in none for a moment. */
export const PEER_ABSENCE_MS = 30_000;

/** Peers of a node, as many as the configuration file may have. */
export const MAX_PEERS = 5_000;

/** The kept configuration: 64 peerings and 5,000 peers as JSON take a third of this. */
export const MAX_KEPT_BYTES = 4 * 1024 * 1024;

/** A file with manifests: the largest Secret, or hundreds of slices, take less. */
export const MAX_MANIFEST_BYTES = 8 * 1024 * 1024;

/** Files of one node: its IPsecNodeConfig, fifty slices of each of a few meshes, its Secrets and ConfigMaps. */
export const MAX_MANIFEST_FILES = 1_000;

/** Between two looks at the files; what was found twice in a row is read. */
export const MANIFEST_LOOK_MS = 1_000;
