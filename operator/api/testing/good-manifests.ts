import {
  changed,
  gatewayManifest,
  type Manifest,
  meshManifest,
  nodeConfigManifest,
  sliceManifest,
  slicePeer,
} from './manifests.ts';

/** Manifests that must be accepted, by what is special about them. */
export const goodManifests: Readonly<Record<string, Manifest>> = {
  'a mesh of all nodes, by what must be written': meshManifest,
  'a gateway with a pre-shared key, by what must be written': gatewayManifest,
  'a mesh with every field': changed(meshManifest, 'spec', {
    priority: 10,
    nodes: {
      selector: {
        matchLabels: { 'node-restriction.kubernetes.io/mesh': 'yes', plain: '' },
        matchExpressions: [
          { key: 'kubernetes.io/arch', operator: 'In', values: ['amd64', 'arm64'] },
          { key: 'node-role.kubernetes.io/edge', operator: 'DoesNotExist' },
        ],
      },
      addressType: 'ExternalIP',
    },
    remote: { mesh: {} },
    traffic: {
      scope: 'NodesAndPods',
      mode: 'Tunnel',
      exempt: [
        { protocol: 'TCP', ports: [{ from: 6443 }], cidr: '10.0.0.0/24', direction: 'Outbound' },
        { protocol: 'UDP', ports: [{ from: 53, to: 53 }], cidr: '2001:db8::/32' },
        { protocol: 'ICMP', cidr: '192.0.2.0/28' },
        { protocol: 'TCP', ports: [{ from: 22 }], cidr: '0.0.0.0/0', direction: 'Inbound' },
      ],
    },
    enforcement: 'Required',
    authentication: {
      certificate: {
        issuerRef: { name: 'mesh-ca', kind: 'ClusterIssuer', group: 'awspca.cert-manager.io' },
        keyLocation: 'Secret',
        duration: '24h',
        renewBefore: '8h',
        privateKey: { algorithm: 'RSA', size: 3072 },
        usages: ['digital signature', 'ipsec tunnel', 'server auth', 'client auth'],
        trust: { configMapRef: { name: 'mesh-bundle', key: 'bundle.pem' } },
      },
    },
    proposals: {
      ike: ['aes256gcm16-prfsha384-ecp384', 'aes256-sha256-modp2048'],
      esp: ['aes256gcm16-esn', 'aes256gcm16-x25519-esn-noesn', 'chacha20poly1305', 'aes128-sha256'],
    },
    lifetimes: { ike: '24h', child: '1h30m', childBytes: '500M', maxAgentOutage: '0s', reauthentication: '168h' },
    liveness: { interval: '10s', timeout: '10s' },
    natTraversal: 'Never',
    mssClamp: 1360,
    initiation: 'OnDemand',
  }),
  'a gateway that may be anywhere and proves itself by certificate': changed(gatewayManifest, 'spec', {
    remote: {
      gateway: {
        address: 'any',
        identity: { dn: 'CN=vpn, O=Example' },
        selectors: [
          {
            local: 'PodCIDRs',
            remote: '192.0.2.0/24',
            protocol: 'TCP',
            ports: [{ from: 80 }, { from: 8000, to: 8080 }],
          },
          { local: '2001:db8:1::/48', remote: '2001:db8:2::/48' },
        ],
      },
    },
    enforcement: 'Required',
    authentication: { certificate: { issuerRef: { name: 'mesh-ca' }, privateKey: { algorithm: 'Ed25519' } } },
  }),
  'a gateway at an IPv6 address': changed(gatewayManifest, 'spec.remote.gateway.address', '2001:db8::1'),
  'a gateway known by its address': changed(gatewayManifest, 'spec.remote.gateway.identity', { ip: '192.0.2.1' }),
  'a gateway known by a mail address': changed(gatewayManifest, 'spec.remote.gateway.identity', {
    email: 'a@b.example',
  }),
  'a gateway known by bytes': changed(gatewayManifest, 'spec.remote.gateway.identity', { keyId: '0x0102ff' }),
  'transport mode to a gateway': changed(gatewayManifest, 'spec.traffic', { mode: 'Transport' }),
  'a number of bytes without unit': changed(meshManifest, 'spec.lifetimes', { childBytes: 1_073_741_824 }),
  'the name that is just short enough': changed(meshManifest, 'metadata.name', 'a'.repeat(63)),
  'a slice of one hundred nodes': changed(
    sliceManifest,
    'peers',
    Array.from({ length: 100 }, (_, index) => slicePeer(index + 1)),
  ),
  'a slice without nodes': changed(sliceManifest, 'peers', []),
  'what a node is to do': nodeConfigManifest,
  'a node that has nothing to do': changed(nodeConfigManifest, 'spec.peerings', []),
};
