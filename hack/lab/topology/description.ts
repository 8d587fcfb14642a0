/** What a machine has beside its links. */
export interface NodeDescription {
  /** Forwards packets of both families. */
  readonly forwarding?: boolean;
  /** Addresses on its loopback, with prefix length: what is "behind" a gateway. */
  readonly loopback?: readonly string[];
  /** Words of `ip route add`, such as `10.2.0.0/16 via 10.0.0.2`; IPv6 is recognised by its colons. */
  readonly routes?: readonly string[];
  /** Kernel parameters, such as `net.ipv4.conf.all.send_redirects=0`. */
  readonly sysctls?: readonly string[];
}

/** One end of a link. */
export interface LinkEnd {
  readonly node: string;
  readonly interface: string;
  /** With prefix length. */
  readonly addresses: readonly string[];
}

/** A wire between two or more nodes. */
export interface LinkDescription {
  readonly ends: readonly LinkEnd[];
  readonly mtu?: number;
}

/** Nodes and the links between them, by name. */
export interface TopologyDescription<Node extends string, Wire extends string> {
  readonly nodes: Readonly<Record<Node, NodeDescription>>;
  readonly links: Readonly<Record<Wire, LinkDescription>>;
}
