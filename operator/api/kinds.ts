import { ipsecNodeConfig } from './ipsec-node-config.ts';
import { ipsecPeerSlice } from './ipsec-peer-slice.ts';
import { ipsecPeering } from './ipsec-peering.ts';
import type { Resource } from './resource.ts';

/** All kinds of the API, the one that people write first. */
export const kinds: readonly Resource[] = [ipsecPeering, ipsecNodeConfig, ipsecPeerSlice];
