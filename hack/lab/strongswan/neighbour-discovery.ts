import type { Section } from './settings.ts';

/** ICMPv6 types (RFC 4861 §4); a selector has the type in the upper half of its port. */
const types = { solicitation: 135, advertisement: 136 } as const;

/**
 * Children of swanctl.conf that let neighbour discovery pass. Without, charon encrypts its answers to neighbour
 * solicitations in transport mode and drops the peer's, which are not encrypted.
 */
export const neighbourDiscoveryShunts: Section = Object.fromEntries(
  Object.values(types).map((type) => {
    const selector = `2001:db8::/64[ipv6-icmp/${type << 8}]`;
    return [`nd-${type}`, { mode: 'pass', local_ts: selector, remote_ts: selector, start_action: 'trap' }];
  }),
);
