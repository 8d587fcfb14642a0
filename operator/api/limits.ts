/** Bounds of the API, each with its reason. CEL rules are only accepted over values that have one. */

/** The name of a peering is the value of a label (Kubernetes allows 63 characters). */
export const MAX_PEERING_NAME = 63;

/** Names of Kubernetes objects and DNS names. */
export const MAX_NAME = 253;

/** `kind`, `key` and other words that Kubernetes limits like a DNS label. */
export const MAX_WORD = 63;

/** A label's key: a DNS name, a slash and a name. */
export const MAX_LABEL_KEY = 317;

/** Parts of a label selector; what people write has three. */
export const MAX_SELECTOR_PARTS = 16;
export const MAX_SELECTOR_VALUES = 32;

/** UIDs are UUIDs. */
export const MAX_UID = 36;

/** The longest text of an IPv6 address, and of an IPv6 network. */
export const MAX_ADDRESS = 45;
export const MAX_CIDR = 49;

/** A node is known by one address of each IP family. */
export const MAX_ADDRESSES = 2;

/** Kubernetes gives a node one pod CIDR of each family; some providers add ranges. */
export const MAX_POD_CIDRS = 8;

/** A peer list of this length stays near 30 kB, so that writing one peer moves little. */
export const MAX_SLICE_PEERS = 100;

/** As many connections to gateways and meshes as one node may have; each costs policies in the kernel. */
export const MAX_PEERINGS = 64;

/** The longest packets of all, jumbograms of IPv6 left out: the MTU of a loopback interface. */
export const MAX_PACKET_BYTES = 65_536;

/** As many as an agent offers for each side of a Child SA. */
export const MAX_SELECTORS = 32;
export const MAX_PORT_RANGES = 16;

/** Exemptions are policies of their own on every node, in both directions. */
export const MAX_EXEMPTIONS = 32;

/** Servers that a cluster cannot be without: seven control-plane nodes of two families, and room. */
export const MAX_ESSENTIAL_SERVERS = 16;

/** The API server, kubelets, DNS by UDP and by TCP, NTP. */
export const ESSENTIALS_PER_SERVER = 5;

/** While exemptions give way to others a node has both. */
export const MAX_STAGED_EXEMPTIONS = 2 * (MAX_EXEMPTIONS + ESSENTIALS_PER_SERVER * MAX_ESSENTIAL_SERVERS);

/** Half of what an agent considers of a peer's offer. */
export const MAX_PROPOSALS = 8;
export const MAX_PROPOSAL = 256;

/** Identities as they go into IKE messages, which should fit into one datagram. */
export const MAX_EMAIL = 255;
export const MAX_DISTINGUISHED_NAME = 255;
export const MAX_KEY_ID = 255;

/** `99999h59999m59999s` fits. */
export const MAX_DURATION = 20;

/** MSS of TCP: what every host takes in (RFC 9293 §3.7.1), and what the longest IPv4 packet has room for. */
export const MIN_SEGMENT_BYTES = 536;
export const MAX_SEGMENT_BYTES = 65_495;

/** Every word and every number of bytes fits. */
export const MAX_MSS_CLAMP = 'Disabled'.length;

/** `999999999999999Gi` fits. */
export const MAX_QUANTITY = 20;

/** As Kubernetes limits its own conditions. */
export const MAX_CONDITIONS = 16;
export const MAX_CONDITION_TYPE = 316;
export const MAX_REASON = 1_024;
export const MAX_MESSAGE = 32_768;

/** Key usages that cert-manager knows and that make sense for IPsec. */
export const MAX_USAGES = 16;

/** Kinds of packets that no peering encrypts, and what they are called. */
export const MAX_BYPASSES = 16;
export const MAX_WORDS = 128;

/** Peers in trouble that a node names; a node that reaches nobody says so by its counts. */
export const MAX_TROUBLED_PEERS = 50;
export const MAX_TROUBLE_MESSAGE = 1_024;

/** A version such as 1.23.4-rc.1+build. */
export const MAX_VERSION = 64;

/** A certificate's serial number in hexadecimal has 40 digits at most (RFC 5280 §4.1.2.2). */
export const MAX_SERIAL_NUMBER = 64;

/** No rule of ours outranks another by more, and the numbers stay readable. */
export const MAX_PRIORITY = 1_000;

/** No cluster has more nodes, and a number has to end somewhere. */
export const MAX_COUNT = 1_000_000_000;
