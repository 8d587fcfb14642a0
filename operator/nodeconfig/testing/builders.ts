import { type IpsecPeering, ipsecPeering } from '../../api/ipsec-peering.ts';
import { changed, gatewayManifest, type Manifest, meshManifest } from '../../api/testing/manifests.ts';
import { type Given, ImaginedCluster, type Workers } from '../../offline/imagined-cluster.ts';
import type { ClusterSettings, Moment, NodeObject } from '../observed.ts';

/** What holds for the clusters of tests. */
export const settings: ClusterSettings = {
  trustDomain: 'mesh.test',
  namespace: 'ikemesh-nodes',
  issuersRestricted: false,
};

/** A moment, `seconds` after the tests begin. */
export function atSecond(seconds: number): Moment {
  const milliseconds = 1_800_000_000_000 + seconds * 1_000;
  return { milliseconds, timestamp: new Date(milliseconds).toISOString().replace('.000', '') };
}

/** A Linux node with one address of each family; `fields` replaces what it is about. */
export function nodeOf(number: number, fields: { readonly [path: string]: unknown } = {}): NodeObject {
  const base: Manifest = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: `node-${number}`, uid: `uid-${number}`, labels: { 'kubernetes.io/os': 'linux' } },
    spec: { podCIDRs: [`10.${number >> 8}.${number & 255}.0/24`, `fd01:0:0:${number.toString(16)}::/64`] },
    status: {
      addresses: [
        { type: 'Hostname', address: `node-${number}` },
        { type: 'InternalIP', address: `192.168.${number >> 8}.${number & 255}` },
        { type: 'InternalIP', address: `fd00::${number.toString(16)}` },
      ],
      nodeInfo: { operatingSystem: 'linux' },
    },
  };
  return Object.entries(fields).reduce((made, [path, value]) => changed(made, path, value), base) as NodeObject;
}

/** Nodes with consecutive numbers from 1. */
export function nodesOf(count: number): readonly NodeObject[] {
  return Array.from({ length: count }, (_, index) => nodeOf(index + 1));
}

/** A mesh of all nodes; `fields` replaces what it is about. */
export function meshOf(name: string, fields: { readonly [path: string]: unknown } = {}): IpsecPeering {
  return peeringOf(meshManifest, name, fields);
}

/** A peering of all nodes with a gateway, by pre-shared key. */
export function gatewayOf(name: string, fields: { readonly [path: string]: unknown } = {}): IpsecPeering {
  return peeringOf(gatewayManifest, name, fields);
}

/** A cluster in which everybody works, unless told otherwise. */
export function clusterOf(given: Given, workers: Partial<Workers> = {}): ImaginedCluster {
  return new ImaginedCluster(given, settings, { issues: () => true, hasAgent: () => true, ...workers });
}

function peeringOf(base: Manifest, name: string, fields: { readonly [path: string]: unknown }): IpsecPeering {
  const named = changed(base, 'metadata', { name, uid: `uid-of-${name}` });
  return ipsecPeering.schema.parse(
    Object.entries(fields).reduce((made, [path, value]) => changed(made, path, value), named),
  );
}
