import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';

import { keyPem, pem, TestAuthority } from '../../pki/testing/authority.ts';

const DAY = 86_400_000;
const times = { notBeforeMs: Date.now() - DAY, notAfterMs: Date.now() + DAY };

/** Manifests of the node `a`, which is in a mesh with `b`, in a folder. */
export class NodeManifests {
  readonly folder: string;
  readonly #authority = TestAuthority.root('Mesh CA', 'ecdsaP256', times);

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Writes objects into a file that only its owner may read. */
  write(file: string, ...objects: readonly object[]): void {
    const path = join(this.folder, file);
    writeFileSync(path, objects.map((object) => stringify(object)).join('---\n'));
    chmodSync(path, 0o600);
  }

  /** What `a` is to do; `more` goes into the peering, `name` is another node's. */
  writeNodeConfig(more: object = {}, name = 'a', file = `ipsecnodeconfig-${name}.yaml`): void {
    this.write(file, nodeConfig(name, [{ ...testPeering, ...more }]));
  }

  /** What `a` is to do, in several peerings. */
  writePeerings(...more: readonly object[]): void {
    this.write(
      'ipsecnodeconfig-a.yaml',
      nodeConfig(
        'a',
        more.map((each) => ({ ...testPeering, ...each })),
      ),
    );
  }

  writeSlice(): void {
    this.write('slice.yaml', peerSlice());
  }

  /** A new certificate of `a`, as a person writes a Secret; answers its serial number in hexadecimal. */
  writeSecret(namespace = 'ikemesh-nodes'): string {
    const serial = BigInt(Math.floor(Math.random() * 1e9) + 1e9);
    const { der, key } = this.#authority.node('a.mesh.internal', { serial, ...times });
    this.write('secret.yaml', {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'ike-a', namespace },
      type: 'kubernetes.io/tls',
      stringData: { 'tls.crt': pem('CERTIFICATE', der), 'tls.key': keyPem(key) },
      data: { 'ca.crt': Buffer.from(pem('CERTIFICATE', this.#authority.der)).toString('base64') },
    });
    return serial.toString(16);
  }
}

/** An IPsecNodeConfig as it is written, without what an API server adds. */
export function nodeConfig(name: string, peerings: readonly object[]): object {
  const spec = { nodeUID: uidOf(name), identity: { fqdn: `${name}.mesh.internal` }, peerings };
  return { ...ours, kind: 'IPsecNodeConfig', metadata: { name }, spec };
}

/** The slice of the mesh of `a` and `b`; `more` goes into the entries of those that it names. */
export function peerSlice(more: Readonly<Record<string, object>> = {}): object {
  const peers = ['a', 'b'].map((name, index) => {
    const addresses = [`192.0.2.${index + 1}`];
    return { uid: uidOf(name), name, addresses, identity: { fqdn: `${name}.mesh.internal` }, ...more[name] };
  });
  const metadata = { name: 'cluster-0', labels: { 'ikemesh.io/peering': 'cluster' } };
  return { ...ours, kind: 'IPsecPeerSlice', metadata, peering: 'cluster', peers };
}

function uidOf(name: string): string {
  return `00000000-0000-4000-8000-00000000000${name}`;
}

const ours = { apiVersion: 'ikemesh.io/v1alpha1' };
/** The mesh of `a` and `b`, as an IPsecNodeConfig lists it. */
export const testPeering = {
  name: 'cluster',
  priority: 0,
  addresses: ['192.0.2.1'],
  remote: { mesh: {} },
  traffic: { scope: 'Nodes', mode: 'Auto' },
  enforcement: { outbound: 'Required', inbound: 'Optional' },
  authentication: { certificate: { secretName: 'ike-a' } },
  lifetimes: {},
  liveness: {},
  natTraversal: 'Auto',
  mssClamp: 'Disabled',
  initiation: 'Always',
};
