/** A manifest, or a part of one. */
export type Manifest = { readonly [field: string]: unknown };

/** A peering of all nodes with one another, as short as one can be. */
export const meshManifest: Manifest = {
  apiVersion: 'ikemesh.io/v1alpha1',
  kind: 'IPsecPeering',
  metadata: { name: 'cluster' },
  spec: {
    remote: { mesh: {} },
    enforcement: 'Permissive',
    authentication: { certificate: { issuerRef: { name: 'mesh-ca' } } },
  },
};

/** A peering with a gateway, as short as one can be. */
export const gatewayManifest: Manifest = {
  apiVersion: 'ikemesh.io/v1alpha1',
  kind: 'IPsecPeering',
  metadata: { name: 'office' },
  spec: {
    remote: {
      gateway: {
        address: 'vpn.example.com',
        identity: { fqdn: 'vpn.example.com' },
        selectors: [{ local: 'NodeAddresses', remote: '192.0.2.0/24' }],
      },
    },
    enforcement: 'Required',
    authentication: { preSharedKey: { secretRef: { name: 'office-psk' } } },
  },
};

/** A slice with one node. */
export const sliceManifest: Manifest = {
  apiVersion: 'ikemesh.io/v1alpha1',
  kind: 'IPsecPeerSlice',
  metadata: { name: 'cluster-x-0' },
  peering: 'cluster',
  peers: [slicePeer(1)],
};

/** What one node is to do. */
export const nodeConfigManifest: Manifest = {
  apiVersion: 'ikemesh.io/v1alpha1',
  kind: 'IPsecNodeConfig',
  metadata: { name: 'node-a' },
  spec: {
    nodeUID: '11111111-2222-3333-4444-555555555555',
    identity: { fqdn: 'node-a.ikemesh.internal' },
    podCIDRs: ['10.1.0.0/24', 'fd01::/64'],
    peerings: [
      {
        name: 'cluster',
        priority: 0,
        addresses: ['192.0.2.1', '2001:db8::1'],
        remote: { mesh: {} },
        traffic: { scope: 'Nodes', mode: 'Auto' },
        enforcement: { outbound: 'Optional', inbound: 'Optional' },
        authentication: { certificate: { secretName: 'ike-node-a-0123456789' } },
      },
    ],
  },
};

/** An entry of a slice. */
export function slicePeer(number: number): Manifest {
  return {
    uid: `11111111-2222-3333-4444-${String(number).padStart(12, '0')}`,
    name: `node-${number}`,
    addresses: [`192.0.2.${number % 256}`, `2001:db8::${number.toString(16)}`],
    podCIDRs: [`10.${number % 256}.0.0/24`],
    identity: { fqdn: `node-${number}.ikemesh.internal` },
  };
}

/** `manifest` with `value` at a path such as `spec.remote.gateway.selectors[0].local`; undefined takes the field away. */
export function changed(manifest: Manifest, path: string, value: unknown): Manifest {
  const copy = structuredClone(manifest) as Record<string, unknown>;
  const parts = path.replaceAll('[', '.').replaceAll(']', '').split('.');
  const last = parts.pop() ?? '';
  let place = copy;
  for (const part of parts) {
    place[part] ??= {};
    place = place[part] as Record<string, unknown>;
  }
  if (value === undefined) delete place[last];
  else place[last] = value;
  return copy;
}
