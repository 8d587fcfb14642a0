import type { Neighbour } from '../hack/cluster/nodes/neighbour.ts';
import type { Section } from '../hack/lab/strongswan/settings.ts';
import type { Manifest } from '../operator/api/testing/manifests.ts';
import { PLACES } from '../operator/testing/operator-cluster.ts';
import type { Certificates } from './certificates.ts';
import { type InstalledCluster, trustDomain } from './installed-cluster.ts';
import { StrongswanGateway } from './strongswan-gateway.ts';

/** A gateway outside of the cluster, with a peering for it. */
export interface OutsideGateway {
  /** Of the peering. */
  readonly name: string;
  readonly identity: string;
  /** Where it is on the wires of the nodes. */
  readonly address: string;
  /** In the network behind it. */
  readonly inside: string;
  readonly peering: Manifest;
}

/** Two gateways on one machine, by pre-shared key and by certificate, and the strongSwan that is both. */
export interface OutsideGateways {
  readonly all: readonly OutsideGateway[];
  readonly strongswan: StrongswanGateway;
  /** Makes the Secret with the key, of the type for that unless another one is given. */
  makeSecret(type?: string): Promise<void>;
}

/** Starts strongSwan beside the cluster, and makes what the peerings with it need: a Secret and an authority of its own. */
export async function startGateways(
  installed: InstalledCluster,
  machine: Neighbour,
  certificates: Certificates,
): Promise<OutsideGateways> {
  const all = gatewaysOn(machine);
  await machine.ip(
    'link add behind type dummy',
    'link set behind up',
    ...all.map(({ inside }) => `address add ${inside}/24 dev behind`),
    ...all.slice(1).map(({ address }) => `address add ${address}/24 dev eth0`),
  );
  await certificates.makeAuthority(AUTHORITY);
  const own = await certificates.issue('gateway', AUTHORITY, identityOf(BY_CERTIFICATE));
  const makeSecret = (type = 'ikemesh.io/pre-shared-key') => {
    const metadata = { name: SECRET, namespace: PLACES.nodesNamespace };
    return installed.apply({ apiVersion: 'v1', kind: 'Secret', metadata, type, stringData: { psk: KEY } });
  };
  await makeSecret();
  const strongswan = await StrongswanGateway.start(machine, {
    swanctl: swanctlConf(all, [...installed.cluster.nodes.keys()]),
    files: { 'x509/own.pem': own.certificate, 'private/own.pem': own.key, 'x509ca/ca.pem': own.authority },
  });
  return { all, strongswan, makeSecret };
}

function gatewaysOn({ addresses: [address] }: Neighbour): readonly OutsideGateway[] {
  const second = address.replace(/\d+$/, (last) => `${Number(last) + 100}`);
  return [
    gateway(BY_KEY, address, '192.0.2', { preSharedKey: { secretRef: { name: SECRET } } }),
    gateway(BY_CERTIFICATE, second, '198.51.100', { certificate: { issuerRef: { name: AUTHORITY } } }),
  ];
}

function gateway(name: string, address: string, network: string, authentication: object): OutsideGateway {
  const identity = identityOf(name);
  const selectors = [{ local: 'NodeAddresses', remote: `${network}.0/24` }];
  const remote = { gateway: { address, identity: { fqdn: identity }, selectors } };
  const spec = { remote, enforcement: 'Required', authentication };
  const peering = { apiVersion: 'ikemesh.io/v1alpha1', kind: 'IPsecPeering', metadata: { name }, spec };
  return { name, identity, address, inside: `${network}.1`, peering };
}

function identityOf(name: string): string {
  return `${name}.gateway.example`;
}

/** It answers only, and takes every node of the cluster. */
function swanctlConf(all: readonly OutsideGateway[], nodes: readonly string[]): Section {
  const connection = ({ name, identity, address, inside }: OutsideGateway): Section => {
    const auth = name === BY_KEY ? { auth: 'psk' } : { auth: 'pubkey' };
    return {
      version: 2,
      local_addrs: address,
      local: { ...auth, id: identity, ...(name === BY_KEY ? {} : { certs: 'own.pem' }) },
      remote: { ...auth, id: `*.${trustDomain}` },
      proposals: 'aes256gcm16-prfsha384-ecp384',
      children: {
        net: {
          mode: 'tunnel',
          esp_proposals: 'aes256gcm16-esn',
          local_ts: inside.replace(/1$/, '0/24'),
          remote_ts: 'dynamic',
        },
      },
    };
  };
  const ids = [identityOf(BY_KEY), ...nodes.map((node) => `${node}.${trustDomain}`)];
  return {
    connections: Object.fromEntries(all.map((each) => [each.name, connection(each)])),
    secrets: { 'ike-nodes': { ...Object.fromEntries(ids.map((id, index) => [`id-${index}`, id])), secret: KEY } },
  };
}

const BY_KEY = 'office-key';
const BY_CERTIFICATE = 'office-certificate';
const AUTHORITY = 'gateway-ca';
const SECRET = 'office-psk';
const KEY = 'a key of the end-to-end tests';
