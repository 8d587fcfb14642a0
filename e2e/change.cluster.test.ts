import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { err } from '../agent/result.ts';
import type { ClusterNode } from '../hack/cluster/nodes/cluster-node.ts';
import { whyNoNodes } from '../hack/cluster/nodes/why-no-nodes.ts';
import { waitUntil } from '../hack/lab/runner/wait-until.ts';
import { expectPing } from '../hack/lab/traffic/counted-pings.ts';
import { addForeignObjects, foreignText, type KernelText, kernelText } from '../hack/lab/xfrm/foreign-objects.ts';
import { dumpPolicies } from '../hack/lab/xfrm/xfrm-dump.ts';
import { isLongForm } from '../hack/test/long-form.ts';
import { changed, type Manifest, meshManifest } from '../operator/api/testing/manifests.ts';
import { PLACES } from '../operator/testing/operator-cluster.ts';
import { agentStatus } from './agent-status.ts';
import { bootUnit } from './boot-unit.ts';
import { Certificates } from './certificates.ts';
import { earlierRelease } from './earlier-release.ts';
import { type OutsideGateways, startGateways } from './gateways.ts';
import { InstalledCluster, namespace } from './installed-cluster.ts';
import { type CountedEvent, whileTrafficFlows } from './mesh-traffic.ts';
import { encryptingStreams, trafficWorkloads } from './pod-streams.ts';
import { allPairsEncrypt } from './sas.ts';
import { upgrades } from './upgrades.ts';

const reason = await whyNoNodes();
if (reason !== undefined) process.stdout.write(`tests with nodes are skipped: ${reason}\n`);

const earlier = isLongForm() ? earlierRelease() : err('only the long form upgrades');
if (!earlier.ok) process.stdout.write(`no upgrade is tested: ${earlier.error}\n`);

describe.skipIf(reason !== undefined)('a mesh and two gateways, of which everything is changed', () => {
  let installed: InstalledCluster;
  let certificates: Certificates;
  let gateways: OutsideGateways;
  let nodes: readonly ClusterNode[] = [];
  let oldAuthority = '';

  beforeAll(async () => {
    installed = await InstalledCluster.start(['a', 'b'], say, undefined, earlier.ok ? earlier.value : undefined);
    nodes = [...installed.cluster.nodes.values()];
    certificates = new Certificates(installed);
    oldAuthority = await certificates.makeAuthority(ISSUER);
    await trust(oldAuthority);
    const machine = await installed.cluster.addNeighbour('gateway', 'strongswan');
    gateways = await startGateways(installed, machine, certificates);
    await installed.apply(...trafficWorkloads, mesh, ...gateways.all.map(({ peering }) => peering));
    await installed.kubectl('rollout', 'status', 'daemonset/traffic', '--timeout=90s');
    await allPairsEncrypt(nodes);
  }, 400_000);
  afterAll(() => installed?.close());

  describe.skipIf(!earlier.ok)('and that begin as the minor version before', () => upgrades(() => installed));

  it('lose no packet while their authority is replaced: both trusted, certificates of the new one, the old one out', async () => {
    const before = await serialNumbers();
    const newAuthority = await certificates.makeAuthority(NEW_AUTHORITY);
    await flowing(
      async () => {
        await trust(oldAuthority + newAuthority);
        await everyAgent('to trust both authorities', async (node) => (await trusted(node)).length === 2);
        await certificates.replaceAuthority(ISSUER, NEW_AUTHORITY);
        await certificates.renewAll(ISSUER);
        await everyAgent('to have proofs by the new authority', async (node) => {
          const peers = await meshPeersOf(node);
          return peers.length > 0 && peers.every(({ certificate }) => certificate?.issuer === `CN=${NEW_AUTHORITY}`);
        });
        await trust(newAuthority);
        await everyAgent('to trust the new authority only', async (node) => {
          return (await trusted(node)).join() === `CN=${NEW_AUTHORITY}`;
        });
        // Until what was replaced has gone.
        await delay(8_000);
      },
      { event: 'cluster-authority-rolled' },
    );
    const after = await serialNumbers();
    for (const [node, serial] of before) expect(after.get(node), node).not.toBe(serial);
    for (const { name } of nodes) {
      for (const { state, certificate } of await meshPeersOf(name)) {
        expect(state).toBe('encrypting');
        expect([...after.values()]).toContain(certificate?.serial);
      }
    }
  }, 300_000);

  it('stay Required, and lose no packet, while a peering takes the mesh over by its priority, and while it is deleted', async () => {
    await ready('cluster');
    const successor = changed(changed(mesh, 'metadata.name', 'successor'), 'spec.priority', 10);
    const levels = await levelsDuring(() =>
      flowing(async () => {
        await installed.apply(successor);
        await ready('successor');
        await says('cluster', 'Accepted', /peering successor is about all of the same traffic and wins/);
        await installed.kubectl('delete', 'ipsecpeering', 'cluster');
        await delay(SETTLES_MS);
        await installed.apply(mesh);
        await says('cluster', 'Accepted', /peering successor is about all of the same traffic and wins/);
        await installed.kubectl('delete', 'ipsecpeering', 'successor');
        await ready('cluster');
        await delay(SETTLES_MS);
      }),
    );
    expect(levels).toEqual(['in required', 'out required']);
  }, 300_000);

  it('reach strongSwan outside of the cluster, and it them, by pre-shared key and by certificate', async () => {
    const { all, strongswan } = gateways;
    const wire = await installed.cluster.capture();
    await reachable();
    const { packets, bySender } = await wire.stop();
    const own = new Set<string | undefined>(all.flatMap(({ address, inside }) => [address, inside]));
    const seen = packets.filter(({ source, destination }) => own.has(source) || own.has(destination));
    expect(seen.filter(({ kind }) => kind === 'plaintext').map(({ summary }) => summary)).toEqual([]);
    // Of each ping it sends the question or the answer.
    expect(bySender.get(strongswan.machine.name)?.esp).toBe(2 * PINGS * all.length * nodes.length);
    await Promise.all(all.map(({ name }) => ready(name)));
    const sas = (await strongswan.listSas()).map(({ name, state, remoteId }) => `${name} ${state} ${remoteId}`);
    for (const { name } of all) {
      for (const node of nodes) expect(sas.join('\n')).toContain(`${name} ESTABLISHED ${node.name}.`);
    }
  }, 200_000);

  it('keep their tunnels when a change is for the worse, and say which object it is and what to do', async () => {
    await ready('cluster');
    const [byKey, byCertificate] = gateways.all.map(({ peering }) => peering) as [Manifest, Manifest];
    await flowing(async () => {
      const misspelt = changed(mesh, 'spec.proposals', { ike: ['aes256gcm17-prfsha384-ecp384'] });
      await expect(installed.apply(misspelt)).rejects.toThrow(/spec.proposals.ike/);
      const issuer = changed(mesh, 'spec.authentication.certificate.issuerRef', { name: 'nobody' });
      const bundle = { configMapRef: { name: 'no-trust' } };
      await installed.apply(issuer, changed(byCertificate, 'spec.authentication.certificate.trust', bundle));
      await installed.kubectl('delete', 'secret', 'office-psk', IN_NODES);
      const unusable = /Secret office-psk cannot be used: it must be in the namespace of the nodes, of type ikemesh/;
      await says('office-key', 'Accepted', unusable);
      await says(
        'office-certificate',
        'Programmed',
        /the ConfigMap no-trust is not there: make it in the namespace of/,
      );
      await says(
        'cluster',
        'CertificatesReady',
        /being issued: a and b.*look at Issuer nobody if that stays so; certificates in use stay/,
      );
      await gateways.makeSecret('Opaque');
      await delay(5_000);
      await says('office-key', 'Accepted', unusable);
      await reachable();
    });
    await installed.kubectl('delete', 'secret', 'office-psk', IN_NODES);
    await gateways.makeSecret();
    await installed.apply(mesh, byKey, byCertificate);
    await Promise.all(['cluster', ...gateways.all.map(({ name }) => name)].map(ready));
    await reachable();
  }, 300_000);

  bootUnit(() => installed);

  it('leave nothing behind when the chart goes, enforced as they are and their namespace gone before', async () => {
    const [a, b] = nodes as [ClusterNode, ClusterNode];
    const end = ({ addresses: [ipv4, ipv6] }: ClusterNode) => ({ ipv4, ipv6 });
    for (const [local, remote] of [
      [a, b],
      [b, a],
    ] as const) {
      await addForeignObjects(local, { local: end(local), remote: end(remote) });
    }
    const foreign = await Promise.all(nodes.map(foreignText));
    await installed.kubectl('delete', 'namespace', PLACES.nodesNamespace, '--timeout=60s');
    await installed.helm.succeed('uninstall', 'ikemesh', `--namespace=${namespace}`, '--timeout=5m');
    expect(await kernels()).toEqual(foreign);
    expect(await installed.kubectl('get', 'ipsecpeerings', '--output=name')).toContain('cluster');
    await waitUntil('everything else to be gone', async () => (await leftovers()).length === 0, { timeoutMs: 60_000 });
  }, 300_000);

  /** Streams between all nodes while something happens: nothing is lost, nothing in plaintext. */
  function flowing(happens: () => Promise<unknown>, counted?: CountedEvent): Promise<void> {
    return whileTrafficFlows({ cluster: installed.cluster, nodes }, happens, counted);
  }

  /** Pings between every node and what is behind each gateway, both ways. */
  async function reachable(): Promise<void> {
    for (const node of nodes) {
      for (const { inside } of gateways.all) {
        await expectPing(node, inside, { count: PINGS });
        await expectPing(gateways.strongswan.machine, node.addresses[0], { count: PINGS, from: inside });
      }
    }
  }

  /** What the kernels demand of packets between the nodes while something happens: `out required`, `in use`. */
  async function levelsDuring(happens: () => Promise<void>): Promise<readonly string[]> {
    const between = new Set(nodes.flatMap(({ addresses: [ipv4, ipv6] }) => [`${ipv4}/32`, `${ipv6}/128`]));
    const seen = new Set<string>();
    const end = new AbortController();
    const look = async (): Promise<void> => {
      const policies = (await Promise.all(nodes.map(dumpPolicies))).flat();
      for (const { source, destination, direction, templates } of policies) {
        const isOfMesh = between.has(source) && between.has(destination) && direction !== 'fwd';
        if (isOfMesh && templates.length > 0) seen.add(`${direction} ${templates[0]?.level}`);
      }
    };
    const watch = async (): Promise<void> => {
      while (!end.signal.aborted) {
        await look();
        await delay(LOOKS_MS);
      }
    };
    await Promise.all([happens().finally(() => end.abort()), watch()]);
    return [...seen].sort();
  }

  async function ready(peering: string): Promise<void> {
    await installed.kubectl('wait', '--for=condition=Ready', '--timeout=150s', `ipsecpeering/${peering}`);
  }

  /** Waits until a condition does not hold and says something. */
  async function says(peering: string, type: string, what: RegExp): Promise<void> {
    const path = `{range .status.conditions[?(@.type=="${type}")]}{.status} {.message}{end}`;
    let last = '';
    const isSo = async () => {
      last = await installed.kubectl('get', 'ipsecpeering', peering, `--output=jsonpath=${path}`);
      return last.startsWith('False') && what.test(last);
    };
    await waitUntil(`${peering} to say ${what}`, isSo, { timeoutMs: 60_000, intervalMs: 1_000 }).catch(
      (error: Error) => {
        throw new Error(`${error.message}; it says: ${last}`);
      },
    );
  }

  /** Has the nodes believe in these authorities. */
  function trust(bundle: string): Promise<void> {
    const metadata = { name: TRUST, namespace: PLACES.nodesNamespace };
    return installed.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'ca.crt': bundle } });
  }

  async function everyAgent(what: string, is: (node: string) => Promise<boolean>): Promise<void> {
    const wait = { timeoutMs: 90_000, intervalMs: 1_000 };
    await Promise.all(nodes.map(({ name }) => waitUntil(`the agent of ${name} ${what}`, () => is(name), wait)));
  }

  /** The subjects of the authorities in the bundle of the mesh. */
  async function trusted(node: string): Promise<readonly string[]> {
    const { certificates: all } = await agentStatus(installed, node);
    return all.filter(({ kind, file }) => kind === 'authority' && file.includes(TRUST)).map(({ name }) => name);
  }

  async function meshPeersOf(node: string) {
    return (await agentStatus(installed, node)).peers.filter(({ name }) => !name.startsWith('gateway'));
  }

  /** Of the certificates that the nodes use in the mesh, by the node's name. */
  async function serialNumbers(): Promise<ReadonlyMap<string, string>> {
    const own = '{.status.peerings[?(@.name=="cluster")].certificate.serialNumber}';
    const path = `{range .items[*]}{.metadata.name} ${own}{"\\n"}{end}`;
    const lines = (await installed.kubectl('get', 'ipsecnodeconfigs', `--output=jsonpath=${path}`)).trim().split('\n');
    return new Map(lines.map((line) => line.split(' ') as [string, string]));
  }

  /** Everything in the kernels of the nodes. */
  function kernels(): Promise<readonly KernelText[]> {
    return Promise.all(nodes.map(kernelText));
  }

  /** Objects of the release but for what it keeps, and whatever waits for its end. */
  async function leftovers(): Promise<readonly string[]> {
    const fields = '{.kind} {.metadata.name} {.metadata.deletionTimestamp}';
    const line = `{range .items[*]}${fields} {.metadata.annotations.helm\\.sh/resource-policy}{"\\n"}{end}`;
    const ofRelease = await installed.kubectl(
      ...['get', INSTALLED_KINDS, '--all-namespaces', '--selector=app.kubernetes.io/instance=ikemesh'],
      `--output=jsonpath=${line}`,
    );
    const ending = await installed.kubectl('get', KEPT_KINDS, '--all-namespaces', `--output=jsonpath=${line}`);
    return [
      ...ofRelease.split('\n').filter((each) => each !== '' && !each.endsWith(' keep')),
      ...ending.split('\n').filter((each) => /\d{4}-\d\d-\d\dT/.test(each)),
    ];
  }
});

function say(line: string): void {
  process.stdout.write(`    ${line}\n`);
}

const PINGS = 5;
/** How long agents have to carry out what nobody tells of in a condition. */
const SETTLES_MS = 5_000;
const LOOKS_MS = 300;
const ISSUER = 'mesh-ca';
const NEW_AUTHORITY = 'new-ca';
const TRUST = 'mesh-trust';
const IN_NODES = `--namespace=${PLACES.nodesNamespace}`;
const authentication = { certificate: { issuerRef: { name: ISSUER }, trust: { configMapRef: { name: TRUST } } } };
const mesh = encryptingStreams(
  changed(changed(meshManifest, 'spec.enforcement', 'Required'), 'spec.authentication', authentication),
);
const INSTALLED_KINDS =
  'deployments,daemonsets,jobs,pods,serviceaccounts,configmaps,roles,rolebindings,clusterroles,clusterrolebindings,' +
  'poddisruptionbudgets,validatingadmissionpolicies,validatingadmissionpolicybindings';
const KEPT_KINDS = 'namespaces,customresourcedefinitions,ipsecpeerings,ipsecnodeconfigs,ipsecpeerslices,pods';
