import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { parseCommandLine } from '../../agent/runtime/command-line.ts';
import { meshManifest } from '../../operator/api/testing/manifests.ts';
import { nodeOf } from '../../operator/nodeconfig/testing/builders.ts';
import { find, type KubernetesObject } from './testing/helm.ts';
import { type Running, reportPod, runContainer } from './testing/kubelet-by-hand.ts';
import { containersOf, podSpecOf } from './testing/pods.ts';
import { TestCluster } from './testing/release.ts';

/** What the programs can do with the rights that the chart gives them. No node runs them: they are processes here. */
describe('what the chart installed', () => {
  let cluster: TestCluster;
  let objects: readonly KubernetesObject[];
  let operator: Running;
  const nodes: string[] = [];

  beforeAll(async () => {
    cluster = await TestCluster.start({ certManager: true });
    for (const number of [1, 2]) {
      const { status, metadata } = nodeOf(number, {}) as unknown as KubernetesObject;
      const { uid: _, ...named } = metadata as KubernetesObject['metadata'] & { readonly uid?: string };
      await cluster.apply({ apiVersion: 'v1', kind: 'Node', metadata: named });
      const room = { cpu: '4', memory: '8Gi', pods: '110' };
      const patch = JSON.stringify({ status: { ...(status as object), capacity: room, allocatable: room } });
      await cluster.kubectl(['patch', 'node', named.name, '--subresource=status', '--type=merge', `--patch=${patch}`]);
      nodes.push(named.name);
    }
    const { code, stderr } = await cluster.install('ikemesh', 'ike', VALUES);
    if (code !== 0) throw new Error(stderr);
    objects = await cluster.helm.render(VALUES);
    operator = await runContainer(cluster, containerOf('Deployment', 'ikemesh-operator'), 'ikemesh-operator', 'ike');
  });
  afterAll(async () => {
    operator?.stop();
    await operator?.ended;
    await cluster?.close();
  });

  function containerOf(kind: string, name: string) {
    const spec = podSpecOf(find(objects, kind, name));
    const [container] = spec === undefined ? [] : containersOf(spec).slice(-1);
    if (container === undefined) throw new Error(`${kind}/${name} has no container`);
    return container;
  }

  /** The token of an agent's pod on a node. */
  async function agentToken(node: string): Promise<string> {
    const pod = await eventually(async () => {
      const selectors = [`--field-selector=spec.nodeName=${node}`, '--selector=app.kubernetes.io/component=agent'];
      const [first] = (await cluster.get('pods', '--namespace=ike', ...selectors))[
        'items'
      ] as readonly KubernetesObject[];
      if (first === undefined) throw new Error(`no agent was placed on ${node}`);
      return first;
    });
    const binding = ['--bound-object-kind=Pod', `--bound-object-name=${pod.metadata.name}`];
    const token = await cluster.kubectl(['create', 'token', 'ikemesh-agent', '--namespace=ike', ...binding]);
    return token.trim();
  }

  async function asAgent(node: string, words: readonly string[]): Promise<string> {
    const { stdout, stderr } = await cluster.withToken(await agentToken(node), words);
    return stdout + stderr;
  }

  it('lets the operator do all of its work, and refuses it nothing that it asks for', async () => {
    await cluster.apply(meshManifest);
    await eventually(async () => {
      const configs = await cluster.get('ipsecnodeconfigs');
      expect((configs['items'] as readonly KubernetesObject[]).map(({ metadata }) => metadata.name)).toEqual(nodes);
      expect(await cluster.kubectl(['get', 'rolebindings', '--namespace=ikemesh-nodes'])).toContain('node-node-1');
      expect(await cluster.kubectl(['get', 'certificates', '--namespace=ikemesh-nodes'])).toContain('ike-node-1');
      expect(await cluster.may('ikemesh-agent', 'ike', 'list ipsecnodeconfigs')).toBe(true);
    });
    const log = await readFile(cluster.controlPlane.auditLog, 'utf8');
    const refused = log
      .split('\n')
      .filter((line) => line.includes('"authorization.k8s.io/decision":"forbid"') && line.includes('ikemesh-operator'));
    expect(refused).toEqual([]);
  });

  it('gave agents their rights only after the API server had refused what the policy must refuse', async () => {
    const events = (await readFile(cluster.controlPlane.auditLog, 'utf8'))
      .split('\n')
      .filter((line) => line.includes('ikemesh-operator'))
      .map((line) => JSON.parse(line) as AuditEvent)
      .filter(({ user }) => user.username === 'system:serviceaccount:ike:ikemesh-operator');
    const refusal = events.findIndex(({ objectRef, responseStatus }) => {
      return objectRef?.resource === 'ipsecnodeconfigs' && [403, 422].includes(responseStatus?.code ?? 0);
    });
    const grant = events.findIndex(({ objectRef }) => objectRef?.resource === 'clusterrolebindings');
    expect(refusal).toBeGreaterThanOrEqual(0);
    expect(grant).toBeGreaterThan(refusal);
  });

  it('keeps the operator from what is none of its business', async () => {
    for (const words of [
      'list secrets --namespace=ike',
      'list secrets --namespace=kube-system',
      'create clusterroles',
      'create clusterrolebindings --subresource=anything',
      'escalate roles --namespace=ikemesh-nodes',
      'patch nodes',
      'create pods --namespace=ike',
      'impersonate serviceaccounts',
    ]) {
      expect(await cluster.may('ikemesh-operator', 'ike', words), words).toBe(false);
    }
  });

  it('keeps agents from everything but status and tokens', async () => {
    for (const [words, allowed] of [
      ['list ipsecnodeconfigs', true],
      ['watch ipsecpeerslices', true],
      ['patch ipsecnodeconfigs --subresource=status', true],
      ['create serviceaccounts --subresource=token --namespace=ikemesh-nodes', true],
      ['patch ipsecnodeconfigs', false],
      ['create ipsecpeerslices', false],
      ['get secrets --namespace=ikemesh-nodes', false],
      ['list nodes', false],
      ['create serviceaccounts --subresource=token --namespace=ike', false],
    ] as const) {
      expect(await cluster.may('ikemesh-agent', 'ike', words), words).toBe(allowed);
    }
  });

  it('confines an agent to its own node, by the token of its pod', async () => {
    const token = (node: string, ...more: readonly string[]) => [
      'create',
      'token',
      `node-${node}`,
      '--namespace=ikemesh-nodes',
      ...more,
    ];
    const bound = (node: string) => ['--bound-object-kind=Node', `--bound-object-name=${node}`];
    const own = await agentToken('node-1');
    expect(await cluster.writeStatus(own, 'node-1')).toBe('written');
    expect(await cluster.writeStatus(own, 'node-2')).toMatch(
      /the agent of node node-1 may only write the status of its own IPsecNodeConfig/,
    );
    expect(await asAgent('node-1', token('node-1', ...bound('node-1')))).toMatch(/^ey[\w.-]+\s*$/);
    for (const words of [token('node-2', ...bound('node-2')), token('node-1', ...bound('node-2')), token('node-1')]) {
      expect(await asAgent('node-1', words), words.join(' ')).toMatch(
        /the agent of node node-1 may only ask for a token/,
      );
    }
    // A token that belongs to no pod: stolen, or made by hand.
    const unbound = (await cluster.kubectl(['create', 'token', 'ikemesh-agent', '--namespace=ike'])).trim();
    expect(await cluster.writeStatus(unbound, 'node-1')).toMatch(/must be that of a pod on a node/);
  });

  it('starts agents with arguments that they understand, and asks them whether they are ready', () => {
    const { args = [], readinessProbe } = containerOf('DaemonSet', 'ikemesh-agent');
    const told = (hostIp: string) =>
      parseCommandLine(args.map((word) => word.replace('$(NODE_NAME)', 'node-1').replace('$(HOST_IP)', hostIp)));
    for (const address of ['10.0.0.1', 'fd00::1'])
      expect(told(address)).toMatchObject({
        ok: true,
        value: {
          nodeName: 'node-1',
          namespace: 'ikemesh-nodes',
          state: '/var/lib/ikemesh',
          logLevel: 'info',
          metrics: { listen: { address, port: 9_917 }, withPeers: true },
        },
      });
    expect(readinessProbe?.exec?.command).toEqual(['/usr/bin/node', '/app/ready.js']);
  });

  it('is found in order by helm test when it is, and what is wrong is said when it is not', async () => {
    const container = containerOf('Pod', 'ikemesh-check');
    // The rights of the test are there only while it runs.
    await cluster.apply(...hooksOf('ikemesh-check'));
    const hurried = {
      ...container,
      args: (container.args ?? []).map((word) => word.replace('--wait=2m', '--wait=1s')),
    };
    const early = await runContainer(cluster, hurried, 'ikemesh-check', 'ike');
    expect(await early.ended).toBe(1);
    expect(early.output).toMatch(
      /the agents of 2 of 2 nodes are not ready: kubectl --namespace ike describe daemonset/,
    );
    const pods = (await cluster.get('pods', '--namespace=ike'))['items'] as readonly KubernetesObject[];
    for (const { metadata } of pods) await reportPod(cluster, 'ike', metadata.name, 'ready');
    const late = await runContainer(cluster, container, 'ikemesh-check', 'ike');
    expect(await late.ended, late.output).toBe(0);
    expect(late.output).toMatch(/operator and agents are ready, and each agent is confined to its node/);
    for (const { kind, metadata } of hooksOf('ikemesh-check')) {
      await cluster.kubectl(['delete', kind, metadata.name, `--namespace=${metadata.namespace ?? 'ike'}`]);
    }
  });

  it('is uninstalled when agents have cleaned up, or their time is over: then their nodes are named', async () => {
    // Leads no more when the Deployment is gone: a kubelet would end it.
    const uninstalled = cluster.helm.run('uninstall', 'ikemesh', '--namespace=ike', '--timeout=90s');
    const pod = await eventually(async () => {
      const found = await cluster.get('pods', '--namespace=ike', '--selector=job-name=ikemesh-removal');
      const [first] = found['items'] as readonly KubernetesObject[];
      expect(first).toBeDefined();
      return first as KubernetesObject;
    });
    operator.stop();
    await operator.ended;
    const operatorPods = ['pods', '--namespace=ike', '--selector=app.kubernetes.io/component=operator'];
    await cluster.kubectl(['delete', ...operatorPods, '--force', '--grace-period=0']);
    const container = (podSpecOf(pod)?.containers ?? [])[0];
    if (container === undefined) throw new Error('the job has no container');
    const removal = await runContainer(cluster, container, 'ikemesh-removal', 'ike');
    // The agent of one node does what it is told, that of the other is gone.
    await eventually(async () => {
      const { metadata, spec } = (await cluster.get('ipsecnodeconfig', 'node-1')) as unknown as NodeConfig;
      await cluster.kubectl([
        'patch',
        'ipsecnodeconfig',
        'node-1',
        '--subresource=status',
        '--type=merge',
        `--patch=${JSON.stringify({ status: { observedGeneration: metadata.generation, peerings: spec.peerings.map(({ name }) => ({ name })) } })}`,
      ]);
      expect(spec.peerings).toEqual([]);
    });
    expect(await removal.ended, removal.output).toBe(0);
    expect(removal.output).toMatch(/1 nodes have nothing of ikemesh in their kernels any more/);
    expect(removal.output).toMatch(/LEFT BEHIND: 1 nodes did not answer in time[\s\S]*\n {2}node-2\n/);
    await reportPod(cluster, 'ike', pod.metadata.name, 'succeeded');
    const { code, stderr } = await uninstalled;
    expect(code, stderr).toBe(0);

    // What the agents had in the namespace of the nodes goes with its owner, a moment later.
    await eventually(async () => {
      const left = await cluster.kubectl(['get', LEFT_KINDS, '--all-namespaces', '--output=name']);
      expect(left.split('\n').filter((name) => name.includes('ikemesh'))).toEqual([]);
    });
    expect((await cluster.get('ipsecpeering', 'cluster')).metadata.name).toBe('cluster');
    expect((await cluster.get('configmap', 'ikemesh-trust-domain', '--namespace=ikemesh-nodes')).kind).toBe(
      'ConfigMap',
    );
  });

  /** The objects of a hook but for its pod, as Helm creates them. */
  function hooksOf(name: string): readonly KubernetesObject[] {
    return objects.filter(({ kind, metadata }) => metadata.name === name && kind !== 'Pod');
  }
});

interface AuditEvent {
  readonly user: { readonly username: string };
  readonly objectRef?: { readonly resource?: string; readonly name?: string };
  readonly responseStatus?: { readonly code?: number };
}

interface NodeConfig {
  readonly metadata: { readonly generation: number };
  readonly spec: { readonly peerings: readonly { readonly name: string }[] };
}

/** Until what is looked at is as it should be, or a minute has passed. */
async function eventually<T>(look: () => Promise<T>): Promise<T> {
  const end = performance.now() + 60_000;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (performance.now() > end) throw error;
      await delay(500);
    }
  }
}

const VALUES = ['removal.waitSeconds=8'];
const LEFT_KINDS = [
  'clusterroles',
  'clusterrolebindings',
  'roles',
  'rolebindings',
  'serviceaccounts',
  'deployments',
  'daemonsets',
  'jobs',
  'poddisruptionbudgets',
  'validatingadmissionpolicies',
  'validatingadmissionpolicybindings',
].join(',');
