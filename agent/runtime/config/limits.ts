/** Bounds of the configuration file, each with its reason. Times are milliseconds. */

/** 5,000 peers as people write them take about this; anything larger is not a configuration. */
export const MAX_FILE_BYTES = 1024 * 1024;

/** Five times the largest clusters in the field; each peer costs kernel policies and some kilobytes. */
export const MAX_PEERS = 5_000;

/** One socket for each address and port. */
export const MAX_ADDRESSES = 64;

/** As many as the core accepts for one IKE SA. */
export const MAX_CHILDREN = 64;

/** As many as the core considers for each side of a Child SA. */
export const MAX_SELECTORS = 32;

/** Half of what the core considers of a peer's offer, so that ours fits into anybody's. */
export const MAX_PROPOSALS = 16;

/** IP packets that IKE messages are sent in: what every host must take in (RFC 791), and the longest there is. */
export const MIN_FRAGMENT_BYTES = 576;
export const MAX_FRAGMENT_BYTES = 65_535;

/** MSS of TCP: what every host takes in (RFC 9293 §3.7.1), and what the longest IPv4 packet has room for. */
export const MIN_SEGMENT_BYTES = 536;
export const MAX_SEGMENT_BYTES = 65_495;

/** Port ranges of one selector; each is a traffic selector of its own. */
export const MAX_PORT_RANGES = 16;

/** What is exempt from encryption: each takes kernel policies for every peer. As many as an IPsecNodeConfig may have of a peering, since those that end overlap with those that begin. */
export const MAX_EXEMPTIONS = 224;

/** A pre-shared key of more bytes than this is some other file. */
export const MAX_SECRET_BYTES = 4_096;

/** Below this a key can be guessed offline from one recorded handshake with an active attacker: 128 bits of text. */
export const WEAK_SECRET_BYTES = 16;

/** Own certificates to choose from for one peer: one for each authority that peers ask for. */
export const MAX_CREDENTIALS = 8;

/** Trust bundles and revocation lists of one peer, and authorities in all its bundles. */
export const MAX_BUNDLES = 16;
export const MAX_REVOCATION_LISTS = 64;
export const MAX_ANCHORS = 200;

/** Extended key usages that are accepted; there are some forty in all. */
export const MAX_EXTENDED_KEY_USAGES = 32;

/** A chain of eight certificates in PEM has less; the bundle of all public authorities has a fifth of this. */
export const MAX_CERTIFICATE_FILE_BYTES = 128 * 1024;
export const MAX_BUNDLE_FILE_BYTES = 1024 * 1024;

/** As many entries as are read (200,000), and some. */
export const MAX_CRL_FILE_BYTES = 16 * 1024 * 1024;

/** Faults that are printed; after that only their number. */
export const MAX_FAULTS_SHOWN = 100;

/** How long the names of a file may take to resolve: who starts or reloads waits for it, and what is late is asked for again. */
export const RESOLVE_TIMEOUT_MS = 5_000;

/** How long an answer that came too late is good for: names are asked for again within 30 s. */
export const LATE_ANSWER_MS = 60_000;

/** Bounds of what the file may set: keys older than a week are no policy but an oversight. */
export const MIN_LIFETIME_MS = 10_000;
export const MAX_LIFETIME_MS = 7 * 24 * 3_600_000;
export const MIN_LIVENESS_MS = 1_000;
export const MAX_LIVENESS_MS = 3_600_000;
