/** An address of each family, IPv4 first. */
export type DualStack = readonly [ipv4: string, ipv6: string];

/** Networks that pods and services get; private and unique local ones, routed nowhere else. */
export const networks = {
  pods: ['10.244.0.0/16', 'fd00:10:244::/48'],
  services: ['10.96.0.0/16', 'fd00:10:96::/112'],
} as const satisfies Readonly<Record<string, DualStack>>;

/** The first address of each service network is that of the API server's own service, `kubernetes`. */
export const apiServerService = ['10.96.0.1', 'fd00:10:96::1'] as const satisfies DualStack;

/** Where the machine of the control plane is on the network of the nodes; it is their router, too. */
export const controlPlaneAddresses = ['10.88.0.1', 'fd00:10:88::1'] as const satisfies DualStack;

/** Its address on the wire itself, of which no rule about the addresses of nodes and gateways speaks. */
export const controlPlaneLinkLocal = 'fe80::1';

/** The addresses of a node by its number, which no other node of the cluster has had. */
export function nodeAddresses(number: number): DualStack {
  if (!Number.isInteger(number) || number < 1 || number > maxNodeNumber) {
    throw new RangeError(`a cluster gives addresses to ${maxNodeNumber} nodes, and ${number} is none of them`);
  }
  const host = number + 10;
  return [`10.88.0.${host}`, `fd00:10:88::${host.toString(16)}`];
}

/** With the length of the prefix, as `ip address` takes it. */
export function withPrefix([ipv4, ipv6]: DualStack): readonly string[] {
  return [`${ipv4}/24`, `${ipv6}/64`];
}

/** A locally administered MAC address, by which captures name the sender. */
export function nodeMac(number: number): string {
  return `02:88:00:00:00:${(number + 10).toString(16).padStart(2, '0')}`;
}

const maxNodeNumber = 240;
