import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { changed, gatewayManifest, type Manifest, meshManifest } from '../api/testing/manifests.ts';
import { PEERING_LABEL } from '../nodeconfig/names.ts';
import { countsOf, readAuditLog, writesOf } from '../testing/audit-log.ts';
import { joinNode, meshAuthority, reportAs } from '../testing/cluster-nodes.ts';
import { type AnyObject, OperatorCluster, PLACES, until } from '../testing/operator-cluster.ts';
import { RunningOperator } from '../testing/running-operator.ts';

const OPERATOR = 'system:serviceaccount:ikemesh:ikemesh-operator';

describe('the operator in a cluster with cert-manager', () => {
  let cluster: OperatorCluster;
  let running: RunningOperator;
  const pods = new Map<string, string>();

  beforeAll(async () => {
    cluster = await OperatorCluster.start({ controllers: true, certManager: true });
    await cluster.apply(...meshAuthority());
    for (const number of [1, 2, 3]) pods.set(`node-${number}`, await joinNode(cluster, number));
    running = await RunningOperator.start(cluster);
  });
  afterAll(async () => {
    await running?.stop();
    await cluster?.close();
  });

  const report = async () => Promise.all([...pods].map(([node, pod]) => reportAs(cluster, node, pod)));
  const apply = (manifest: Manifest) => cluster.apply(manifest as unknown as AnyObject);
  /** Agents report until a condition says what is wanted. */
  const untilCondition = (peering: string, type: string, wanted: RegExp) =>
    until(`${type} of ${peering} is ${wanted}`, async () => {
      await report();
      const said = await cluster.condition(peering, type);
      return wanted.test(said) || said;
    });
  const secretOf = async (node: string, peering = 'cluster') => {
    const config = (await cluster.nodeConfigs()).find(({ metadata }) => metadata.name === node);
    return config?.spec.peerings.find(({ name }) => name === peering)?.authentication.certificate?.secretName ?? '';
  };
  /** Of the mesh; the slices of a peering that was deleted go when the garbage collector comes to them. */
  const peersOf = async () => {
    const ofMesh = (await cluster.slices()).filter(({ metadata }) => metadata.labels?.[PEERING_LABEL] === 'cluster');
    return ofMesh.flatMap(({ peers }) => peers);
  };
  const inNodes = (kind: string, name: string) => cluster.find<AnyObject>(kind, name, PLACES.nodesNamespace);

  it('brings up a mesh of three nodes: configuration, identity, certificate, slice, and conditions that are true', async () => {
    await apply(meshManifest);
    await until('all have told that they have a certificate', async () => {
      const done = await report();
      return (done.length === 3 && done.every(Boolean)) || done;
    });
    await untilCondition('cluster', 'Ready', /^True Ready/);

    const configs = await cluster.nodeConfigs();
    expect(configs.map(({ metadata }) => metadata.name)).toEqual(['node-1', 'node-2', 'node-3']);
    expect(configs[0]?.spec.identity).toEqual({ fqdn: 'node-1.mesh.test' });
    const [first] = await peersOf();
    expect(first?.addresses).toHaveLength(2);
    expect((await peersOf()).map(({ name }) => name).toSorted()).toEqual(['node-1', 'node-2', 'node-3']);
    expect((await cluster.peering('cluster'))?.status).toMatchObject({
      observedGeneration: 1,
      nodes: { selected: 3, ready: 3 },
      tunnels: { expected: 3, established: 3, encrypting: 3 },
    });
    const role = await inNodes('Role', 'node-node-1');
    expect(role?.['rules']).toEqual([
      expect.objectContaining({ resources: ['secrets'], resourceNames: [await secretOf('node-1')] }),
    ]);
    await until('Events tell of each condition', async () => {
      const events = await cluster.list<AnyObject>('Event', 'default');
      const reasons = new Set(events.map((event) => event['reason']));
      const missing = ['Accepted', 'Issued', 'Programmed', 'Encrypting', 'Ready'].filter((each) => !reasons.has(each));
      return missing.length === 0 || missing;
    });
  });

  it('writes nothing while nothing changes', async () => {
    await until('everything is written', async () => running.operator.isSettled);
    const { end } = await readAuditLog(cluster.controlPlane.auditLog);
    running.forward(3_600);
    await report();
    // That nothing is written has no sign of its own; a plan of three nodes begins 50 ms after a change.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const { requests } = await readAuditLog(cluster.controlPlane.auditLog, end);
    const own = requests.filter(({ user, resource }) => user === OPERATOR && resource !== 'leases');
    expect(own.filter(({ verb }) => !['get', 'list', 'watch'].includes(verb))).toEqual([]);
  });

  it('follows the addresses and pod CIDRs of a node', async () => {
    await cluster.patchStatus('Node', 'node-1', { addresses: [{ type: 'InternalIP', address: '192.168.7.7' }] });
    await until('its peers know', async () => {
      const found = (await peersOf()).find(({ name }) => name === 'node-1')?.addresses;
      return found?.join() === '192.168.7.7' || found;
    });
    const [config] = await cluster.nodeConfigs();
    expect(config?.spec.peerings[0]?.addresses).toEqual(['192.168.7.7']);
  });

  it('keeps the peering that was first by priority and name where two overlap, and says so; a deleted one is gone', async () => {
    const second = changed(meshManifest, 'metadata', { name: 'second' });
    await apply(second);
    await untilCondition('second', 'Accepted', /^False Overlapped: peering cluster/);
    await apply(changed(second, 'spec.priority', 5));
    await untilCondition('cluster', 'Accepted', /^False Overlapped: peering second/);
    const names = async () =>
      (await cluster.nodeConfigs()).map(({ spec }) => spec.peerings.map(({ name }) => name).join());
    await until('nodes have both', async () => (await names()).every((each) => each === 'second,cluster'));
    await cluster.remove('IPsecPeering', 'second');
    await until('nodes have the other', async () => {
      const found = await names();
      return found.every((each) => each === 'cluster') || found;
    });
    await untilCondition('cluster', 'Ready', /^True Ready/);
  });

  it("says why cert-manager's issuer refuses, in its words", async () => {
    const issuerRef = { group: 'issuers.example.com', kind: 'VaultIssuer', name: 'vault' };
    const manifest = changed(gatewayManifest, 'metadata', { name: 'refused' });
    await apply(
      changed(
        changed(manifest, 'spec.authentication', { certificate: { issuerRef } }),
        'spec.enforcement',
        'Permissive',
      ),
    );
    running.forward(61);
    await untilCondition('refused', 'CertificatesReady', /^False Issuing: 3 certificates being issued/);
    const at = new Date().toISOString();
    for (const { metadata } of await cluster.list<AnyObject>('CertificateRequest', PLACES.nodesNamespace)) {
      const { spec } = (await inNodes('CertificateRequest', metadata.name)) as unknown as RequestObject;
      if (spec.issuerRef.name !== 'vault') continue;
      const refusal = { status: 'False', message: 'not a name of this house', lastTransitionTime: at };
      const conditions = [{ ...refusal, type: 'Ready', reason: 'Failed' }];
      await cluster.patchStatus(
        'CertificateRequest',
        metadata.name,
        { conditions, failureTime: at },
        PLACES.nodesNamespace,
      );
    }
    await untilCondition('refused', 'CertificatesReady', /^False IssuingFailed: .*Failed: .*not a name of this house/);
    expect(await cluster.condition('refused', 'Ready')).toMatch(/^False IssuingFailed/);
    await cluster.remove('IPsecPeering', 'refused');
    await until('its certificates are gone', async () => (await cluster.certificates()).length === 4);
  });

  it('tells whoever may create peerings nothing of Secrets, and never shows a key', async () => {
    const secret = 'Xk2-never-shown';
    const said: string[] = [];
    const psk = (type: string, key: string): AnyObject => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'office-psk', namespace: PLACES.nodesNamespace },
      type,
      stringData: { [key]: secret },
    });
    await apply(gatewayManifest);
    await untilCondition('office', 'Accepted', /^False PreSharedKeyUnusable/);
    said.push(await cluster.condition('office', 'Accepted'));
    for (const [type, key] of [
      ['Opaque', 'psk'],
      ['ikemesh.io/pre-shared-key', 'other'],
    ] as const) {
      await cluster.apply(psk(type, key));
      running.operator.wake();
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      said.push(await cluster.condition('office', 'Accepted'));
      await cluster.remove('Secret', 'office-psk', PLACES.nodesNamespace);
    }
    expect(new Set(said).size).toBe(1);
    await cluster.apply(psk('ikemesh.io/pre-shared-key', 'psk'));
    await untilCondition('office', 'Accepted', /^True Accepted/);
    const written = [
      ...running.logged,
      ...(await cluster.list('Event')),
      ...(await cluster.nodeConfigs()),
      await cluster.peering('office'),
    ];
    const shown = written.map((each) => JSON.stringify(each)).filter((text) => text.includes(secret));
    expect(shown.concat(written.filter((each) => JSON.stringify(each).includes(btoa(secret))) as string[])).toEqual([]);
    await cluster.remove('IPsecPeering', 'office');
  });

  it('gives a node that is re-created under its name another key, and takes the old one away after five minutes', async () => {
    const before = await secretOf('node-2');
    const { end } = await readAuditLog(cluster.controlPlane.auditLog);
    expect(await inNodes('Secret', before)).toBeDefined();
    await cluster.remove('Pod', 'agent-node-2', PLACES.ownNamespace);
    await cluster.remove('Node', 'node-2');
    pods.set('node-2', await joinNode(cluster, 2));
    await until('it has another Secret', async () => (await secretOf('node-2')) !== before);
    await until('its peers know the new one', async () => {
      await report();
      const uids = (await peersOf()).filter(({ name }) => name === 'node-2').map(({ uid }) => uid);
      const node = await cluster.find<AnyObject>('Node', 'node-2');
      return (uids.length === 1 && uids[0] === node?.metadata.uid) || uids;
    });
    expect(await inNodes('Secret', before)).toBeDefined();
    // What a certificate costs beside the operator's one write: cert-manager's own.
    const { requests } = await readAuditLog(cluster.controlPlane.auditLog, end);
    const issuing = writesOf(requests, /cert-manager/).filter(
      ({ resource, code }) => resource !== 'leases' && code < 400,
    );
    process.stderr.write(`cert-manager's own writes for a certificate: ${JSON.stringify(countsOf(issuing))}\n`);
    expect(issuing.length).toBeGreaterThan(3);
    expect(issuing.length).toBeLessThanOrEqual(25);
    running.forward(301);
    await until('the old key is gone', async () => {
      await report();
      running.operator.wake();
      return (await inNodes('Secret', before)) === undefined;
    });
    expect(await inNodes('Secret', await secretOf('node-2'))).toBeDefined();
  });

  it('keeps all of a node that is gone for five minutes, and then takes everything away', async () => {
    const secret = await secretOf('node-3');
    pods.delete('node-3');
    await cluster.remove('Pod', 'agent-node-3', PLACES.ownNamespace);
    const uid = (await cluster.find<AnyObject>('Node', 'node-3'))?.metadata.uid ?? '';
    await cluster.remove('Node', 'node-3');
    await until('the operator knows', async () => running.logged.some((line) => line.includes(uid)));
    running.forward(290);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect((await cluster.nodeConfigs()).map(({ metadata }) => metadata.name)).toContain('node-3');
    expect((await peersOf()).map(({ name }) => name)).toContain('node-3');
    running.forward(11);
    await until('nothing of it is left', async () => {
      running.operator.wake();
      const left = [
        await cluster.find('IPsecNodeConfig', 'node-3'),
        await inNodes('Certificate', secret),
        await inNodes('Secret', secret),
        await inNodes('ServiceAccount', 'node-node-3'),
        await inNodes('Role', 'node-node-3'),
        await inNodes('RoleBinding', 'node-node-3'),
        (await peersOf()).find(({ name }) => name === 'node-3'),
      ];
      return left.every((each) => each === undefined) || left.map((each) => each !== undefined);
    });
    await untilCondition('cluster', 'Ready', /^True Ready/);
  });

  it('asks for nothing that its roles do not grant, and throws nothing', async () => {
    const { requests } = await readAuditLog(cluster.controlPlane.auditLog);
    const refused = requests.filter(({ user, code, dryRun }) => user === OPERATOR && code === 403 && !dryRun);
    // The role of the agents is guarded by a policy, whose refusal is how the operator finds that it is in force.
    expect(refused).toEqual([]);
    expect(running.logged.filter((line) => /"level":(50|60)/.test(line))).toEqual([]);
  });
});

interface RequestObject {
  readonly spec: { readonly issuerRef: { readonly name: string } };
}
