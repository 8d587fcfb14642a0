import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';

import { changed, type Manifest, meshManifest } from '../api/testing/manifests.ts';
import { joinNode, reportAs } from '../testing/cluster-nodes.ts';
import { type AnyObject, OperatorCluster, PLACES, until } from '../testing/operator-cluster.ts';
import { RunningOperator } from '../testing/running-operator.ts';
import { type PluginRun, runPlugin } from './testing/run-plugin.ts';

const run = promisify(execFile);

describe('kubectl ikemesh, with a real API server', () => {
  let cluster: OperatorCluster;
  let running: RunningOperator;
  let folder: string;
  const pods = new Map<string, string>();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'plugin-'));
    cluster = await OperatorCluster.start({});
    for (const number of [1, 2]) pods.set(`node-${number}`, await joinNode(cluster, number));
    for (const name of pods.keys()) await goOn(name);
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'office-psk', namespace: PLACES.nodesNamespace },
      type: 'ikemesh.io/pre-shared-key',
      stringData: { psk: PLANTED[0] },
    } as AnyObject);
    running = await RunningOperator.start(cluster);
    await cluster.apply(meshManifest as unknown as AnyObject);
    running.forward(61);
    await until('both are told', async () => (await cluster.nodeConfigs()).filter(isTold).length === 2);
    for (const { metadata, spec } of await cluster.nodeConfigs()) {
      const name = spec.peerings[0]?.authentication.certificate?.secretName ?? '';
      await cluster.apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: PLACES.nodesNamespace } });
      await reportAs(cluster, metadata.name, pods.get(metadata.name) ?? '');
    }
    await until('both are in the slice', async () => (await cluster.slices())[0]?.peers.length === 2);
    for (const [name, uid] of pods) await reportAs(cluster, name, uid);
    await until('everything is written', async () => running.operator.isSettled);
  });
  afterAll(async () => {
    await running?.stop();
    await cluster?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const plugin = (...words: readonly string[]): Promise<PluginRun> => {
    return runPlugin(...words, `--kubeconfig=${cluster.controlPlane.kubeconfig}`, `--namespace=${PLACES.ownNamespace}`);
  };
  const label = (kind: string, name: string, component: string) => {
    const labels = ['app.kubernetes.io/part-of=ikemesh', `app.kubernetes.io/component=${component}`];
    return cluster.controlPlane.kubectl(['label', kind, name, `--namespace=${PLACES.ownNamespace}`, ...labels]);
  };

  /** What a kubelet would say, and the chart. */
  const goOn = async (node: string) => {
    await cluster.patchStatus('Node', node, {
      conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }],
    });
    await label('pod', `agent-${node}`, 'agent');
    await cluster.patchStatus('Pod', `agent-${node}`, { phase: 'Running' }, PLACES.ownNamespace);
  };

  it('status shows the mesh as a table, and the same for programs', async () => {
    const { stdout, stderr } = await plugin('status');
    expect(stdout).toMatch(/^PEERING {3}READY +ENFORCEMENT +NODES +TUNNELS +STATUS\ncluster/);
    expect(stdout).toMatch(/node-1 +Encrypting +1\/1/);
    expect(stderr).not.toMatch(/ {4}at /);
    const whole = parse((await plugin('status', '--output=yaml')).stdout) as {
      nodes: { name: string; state: string }[];
    };
    expect(whole.nodes.map(({ name, state }) => `${name} ${state}`)).toEqual([
      'node-1 Encrypting',
      'node-2 Encrypting',
    ]);
    expect(JSON.parse((await plugin('status', '-o', 'json')).stdout)).toMatchObject(whole);
  });

  it('status puts first what is worst, and why names its cause', async () => {
    const uid = await joinNode(cluster, 3);
    await goOn('node-3');
    running.forward(61);
    await until('node-3 is told', async () => (await cluster.nodeConfigs()).filter(isTold).length === 3);
    const { code, stdout } = await plugin('status');
    expect(code).toBe(1);
    const nodes = stdout.slice(stdout.indexOf('\nNODE'));
    expect(nodes.split('\n')[2]).toMatch(/^node-3 +Wrong .*AgentSilent/);
    expect(stdout).toContain('kubectl ikemesh why node-3');
    const why = await plugin('why', 'node-3', 'node-1');
    expect(why.code).toBe(1);
    expect(why.stdout).toMatch(/configuration +WRONG +the agent of node-3 has said nothing yet/);
    expect(why.stdout).toMatch(/remedy +see its log: kubectl --namespace ikemesh logs agent-node-3/);
    await reportAs(cluster, 'node-3', uid);
    await cluster.remove('Pod', 'agent-node-3', PLACES.ownNamespace);
    expect((await plugin('why', 'node-3')).stdout).toMatch(/cause +AgentsMissing|cause +AgentMissing/);
  });

  it('why and sas say that an agent does not answer, and show what is known without it', async () => {
    // There is no kubelet that would run anything.
    const why = await plugin('why', 'node-1', 'node-2', '--request-timeout=2s');
    expect(why.stderr).toMatch(/not known: the agent of node-1: Pod ikemesh\/agent-node-1 does not answer/);
    expect(why.stdout).toMatch(/configuration +ok +node-1 carries out cluster by agent-node-1/);
    expect(why.stdout).toContain('nothing wrong was seen, but not everything could be looked at');
    expect(why.code).toBe(5);
    const sas = await plugin('sas', 'node-1', '--request-timeout=2s');
    expect(sas).toMatchObject({
      code: 5,
      stdout: expect.stringMatching(/its status says:\n {2}cluster: \d of \d peers encrypting/),
    });
  });

  it('verify says of nodes whose agents do not answer that nothing is proven of them', async () => {
    const { code, stdout, stderr } = await plugin('verify', '--request-timeout=2s');
    expect(code).toBe(5);
    expect(stdout).toMatch(/\nnode-1 - node-2 +unknown /);
    expect(stdout).toMatch(/\nnode-1 - node-2 {2}NotTried: the agent of node-1: Pod .* does not answer/);
    expect(stdout).toMatch(/\n0 of \d+ encrypted: /);
    expect(stderr).toMatch(/not known: the agent of node-1: Pod ikemesh\/agent-node-1 does not answer/);
    expect((await plugin('verify', 'node-9')).stdout).toContain('there is no Node node-9');
    expect(await plugin('verify', '--probes=1000')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('a whole number from 1 to 100 is wanted'),
    });
  });

  it('preflight says what is known of nodes whose agents do not answer, and names the rest', async () => {
    const { code, stdout, stderr } = await plugin('preflight', '--request-timeout=2s');
    expect(code).toBe(5);
    expect(stdout).toMatch(/^kubernetes +ok +Kubernetes 1\.\d+/);
    expect(stdout).toMatch(/\nnode-1 +\? +Ready /);
    expect(stdout).toMatch(
      /\? +esp of node-1, node-2: whether its kernel has ESP is known to its agent only, which did not answer/,
    );
    expect(stderr).toMatch(/not known: the agent of node-1: Pod ikemesh\/agent-node-1 does not answer/);
    const whole = JSON.parse((await plugin('preflight', 'node-2', '-o', 'json', '--request-timeout=2s')).stdout);
    expect(whole).toMatchObject({
      cluster: { 'cert-manager': { state: 'doubtful' } },
      nodes: [{ name: 'node-2', state: 'unknown', checks: { node: { state: 'ok' }, mtu: { state: 'unknown' } } }],
    });
    const strange = await plugin('preflight', 'node-9');
    expect(strange).toMatchObject({ code: 1, stdout: expect.stringContaining('there is no Node node-9') });
  });

  it('render tells which nodes are told what, and writes nothing', async () => {
    const file = join(folder, 'peering.yaml');
    await writeFile(file, stringify(changed(meshManifest, 'spec.enforcement', 'Required')));
    const before = (await cluster.nodeConfigs()).map(({ metadata }) => metadata.generation);
    const { code, stdout } = await plugin('render', '-f', file);
    expect(code).toBe(0);
    expect(stdout).toContain('spec.enforcement: Permissive → Required');
    expect(stdout).toMatch(/node-1 +cluster: enforcement.outbound: Optional → Required/);
    expect(stdout).toMatch(/by \d steps/);
    expect((await cluster.nodeConfigs()).map(({ metadata }) => metadata.generation)).toEqual(before);
    expect((await cluster.peering('cluster'))?.spec.enforcement).toBe('Permissive');
  });

  it('render refuses what the API server would refuse, in its words', async () => {
    const file = join(folder, 'bad.yaml');
    await writeFile(file, stringify(changed(meshManifest, 'spec.enforcment', 'Required')));
    expect(await plugin('render', '-f', file)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('spec.enforcment is unknown'),
    });
    const gateway: Manifest = {
      gateway: {
        address: '192.0.2.1',
        identity: { ip: '192.0.2.1' },
        selectors: [{ local: 'NodeAddresses', remote: '192.0.2.1/32' }],
      },
    };
    await writeFile(file, stringify(changed(meshManifest, 'spec.remote', gateway)));
    expect(await plugin('render', '-f', file)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('a mesh cannot become a gateway'),
    });
  });

  it('gather takes no secret with it, wherever one was put', async () => {
    const [, inEnvironment, inArguments, inAnnotation, inMessage] = PLANTED;
    const containers = [
      {
        name: 'operator',
        image: 'x',
        env: [{ name: 'HTTPS_PROXY', value: inEnvironment }],
        args: [`--proxy-password=${inArguments}`],
      },
    ];
    const labels = { 'app.kubernetes.io/part-of': 'ikemesh', 'app.kubernetes.io/component': 'operator' };
    const metadata = {
      name: 'operator',
      namespace: PLACES.ownNamespace,
      labels,
      annotations: { note: `token: ${inAnnotation}` },
    };
    const spec = { containers, automountServiceAccountToken: false, serviceAccountName: PLACES.agentAccount };
    await cluster.apply({ apiVersion: 'v1', kind: 'Pod', metadata, spec } as AnyObject);
    await cluster.patchStatus('Pod', 'operator', { message: `got ${inMessage}` }, PLACES.ownNamespace);
    const out = join(folder, 'support.tar.gz');
    const { code, stdout, stderr } = await plugin('gather', `--out=${out}`, '--request-timeout=2s');
    expect(stdout).toContain('keys, passwords and tokens were taken out');
    // There is no kubelet that has logs.
    expect([code, stderr]).toEqual([5, expect.stringContaining('the log of Pod ikemesh/agent-node-1')]);
    await run('tar', ['--extract', '--gzip', `--file=${out}`, `--directory=${folder}`]);
    const { stdout: all } = await run('grep', ['--recursive', '', join(folder, 'support')], {
      maxBuffer: 64 * 1024 * 1024,
    });
    for (const secret of PLANTED) {
      expect(all).not.toContain(secret);
      expect(all).not.toContain(Buffer.from(secret).toString('base64'));
    }
    expect(all).toContain('HTTPS_PROXY');
    expect(all).toContain('name: operator');
    expect(await readFile(join(folder, 'support/status.txt'), 'utf8')).toContain('cluster');
    expect(await readFile(join(folder, 'support/objects/ipsecnodeconfigs.yaml'), 'utf8')).toContain('node-2');
  });

  it('shows one without rights what there is to see, and names the rest', async () => {
    const kubeconfig = await cluster.controlPlane.kubeconfigOf({ name: 'nobody', groups: ['system:authenticated'] });
    for (const words of [
      ['status'],
      ['why', 'node-1', 'node-2'],
      ['sas', 'node-1'],
      ['preflight'],
      ['verify', 'node-1'],
      ['gather', `--out=${join(folder, 'less')}`],
    ]) {
      const { code, stderr } = await runPlugin(...words, `--kubeconfig=${kubeconfig}`);
      expect([words[0], code]).toEqual([words[0], 5]);
      expect(stderr).toMatch(/not known: Nodes: you may not: nobody cannot list resource "nodes"/);
      expect(stderr).not.toMatch(/ {4}at |\[object|undefined/);
    }
    const masked = await plugin('status', '--as=nobody');
    expect(masked.stderr).toMatch(/not known: IPsecPeerings: you may not/);
  });

  it('says of a stale kubeconfig what is stale', async () => {
    const kubeconfig = parse(await readFile(cluster.controlPlane.kubeconfig, 'utf8')) as {
      clusters: { cluster: Record<string, string> }[];
    };
    const file = join(folder, 'stale');
    const other = {
      ...kubeconfig,
      clusters: kubeconfig.clusters.map((each) => ({ ...each, cluster: { server: each.cluster['server'] } })),
    };
    await writeFile(file, stringify(other));
    const untrusted = await runPlugin('status', `--kubeconfig=${file}`);
    expect(untrusted).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/not the one that the kubeconfig knows.*get a new kubeconfig/),
    });
    const expired = await runPlugin(
      'status',
      `--server=${cluster.controlPlane.server.url}`,
      '--insecure-skip-tls-verify',
      '--token=stale',
    );
    expect(expired).toMatchObject({ code: 3, stderr: expect.stringContaining('log in again') });
    const away = await runPlugin('status', '--server=https://127.0.0.1:9');
    expect(away).toMatchObject({ code: 3, stderr: expect.stringContaining('ECONNREFUSED') });
    expect(away.stderr.trim().split('\n')).toHaveLength(1);
  });

  it('says of a cluster without ikemesh that it is not installed', async () => {
    await running.stop();
    const names = ['ipsecpeerings', 'ipsecnodeconfigs', 'ipsecpeerslices'].map((plural) => `${plural}.ikemesh.io`);
    await cluster.controlPlane.kubectl(['delete', 'customresourcedefinition', ...names]);
    const gone = async () => (await plugin('status')).code === 4;
    await until('the kinds are gone', gone);
    for (const words of [['status'], ['why', 'node-1'], ['sas', 'node-1'], ['verify']]) {
      const { code, stderr } = await plugin(...words);
      expect([words[0], code]).toEqual([words[0], 4]);
      expect(stderr).toMatch(/ikemesh is not installed here/);
    }
    // What nodes need can be asked before.
    const { code, stdout } = await plugin('preflight', 'node-3');
    expect(code).toBe(5);
    expect(stdout).toMatch(/esp of node-3: .* there is none yet\n +install the chart/);
  });
});

function isTold({ spec }: { readonly spec: { readonly peerings: readonly unknown[] } }): boolean {
  return spec.peerings.length > 0;
}

/** A key, a proxy's password, and what else people put where it does not belong. */
const PLANTED = [
  randomBytes(32).toString('base64'),
  'http://operator:correct-horse@proxy.example.com',
  'battery-staple-9',
  randomBytes(24).toString('hex'),
  `eyJhbGciOiJSUzI1NiJ9.${randomBytes(30).toString('base64url')}.${randomBytes(30).toString('base64url')}`,
] as const;
