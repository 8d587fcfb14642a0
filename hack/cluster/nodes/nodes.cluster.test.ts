import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitUntil } from '../../lab/runner/wait-until.ts';
import { expectNothingLost, startCountedStream } from '../../lab/traffic/counted-stream.ts';
import { dumpStates } from '../../lab/xfrm/xfrm-dump.ts';
import { expectNoXfrmDrops, readXfrmStat } from '../../lab/xfrm/xfrm-stat.ts';
import { apiServerService, controlPlaneAddresses, type DualStack } from '../network/address-plan.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { trafficReference } from './images.ts';
import { whyNoNodes } from './why-no-nodes.ts';

const reason = await whyNoNodes();
if (reason !== undefined) process.stdout.write(`tests with nodes are skipped: ${reason}\n`);

describe.skipIf(reason !== undefined)('a cluster of two nodes', () => {
  let cluster: Cluster;
  let interfaces: readonly string[] = [];
  beforeAll(async () => {
    interfaces = readdirSync('/sys/class/net');
    cluster = await startCluster({ nodes: ['a', 'b'], say: (line) => process.stdout.write(`    ${line}\n`) });
    await apply(...['a', 'b'].map((node) => trafficPod(node)));
    await kubectl('wait', '--for=condition=Ready', '--timeout=90s', 'pod/traffic-a', 'pod/traffic-b');
  });
  afterAll(() => cluster?.close());

  const kubectl = async (...words: readonly string[]) => {
    const { code, stdout, stderr } = await cluster.controlPlane.kubectl(words);
    if (code !== 0) throw new Error(`kubectl ${words.join(' ')}: ${stderr}`);
    return stdout;
  };
  const apply = async (...objects: readonly object[]) => {
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
    const { code, stderr } = await cluster.controlPlane.kubectl(['apply', '--server-side', '--filename=-'], { input });
    expect(stderr + code).toBe('0');
  };
  const get = (url: string, pod = 'traffic-a') => kubectl('exec', pod, '--', '/traffic', 'get', url);
  const podAddresses = async (pod: string) => {
    const { status } = JSON.parse(await kubectl('get', 'pod', pod, '--output=json')) as Pod;
    const [ipv4, ipv6] = status.podIPs.map(({ ip }) => ip);
    expect([ipv4, ipv6]).toEqual([expect.stringMatching(/^10\.244\./), expect.stringMatching(/^fd00:10:244:/)]);
    return [ipv4 ?? '', ipv6 ?? ''] as DualStack;
  };

  it('has pods of different nodes reach one another over both families, by addresses that nothing hides', async () => {
    const [own, far] = [await podAddresses('traffic-a'), await podAddresses('traffic-b')];
    expect(await get(`http://${far[0]}:8080/`)).toMatch(`200 traffic-b asked from ${own[0]}:`);
    expect(await get(`http://[${far[1]}]:8080/`)).toMatch(`200 traffic-b asked from [${own[1]}]:`);
  });

  it("has pods reach the API server by its service's address, as who they are", async () => {
    expect(await get(`https://${apiServerService[0]}/version`)).toMatch(/^200 .*"gitVersion": "v1/s);
    const refused = await get(`https://${apiServerService[0]}/api/v1/nodes`);
    expect(refused).toMatch(/^403 .*system:serviceaccount:default:default/s);
  });

  it('has pods reach the API server over IPv6, too', async () => {
    const labels = { 'kubernetes.io/service-name': 'kubernetes-ipv6' };
    const port = { name: 'https', port: cluster.controlPlane.apiServerPort };
    await apply(
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'kubernetes-ipv6' },
        spec: { ipFamilies: ['IPv6'], clusterIP: apiServerService[1], ports: [{ name: 'https', port: 443 }] },
      },
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { name: 'kubernetes-ipv6', labels },
        addressType: 'IPv6',
        ports: [port],
        endpoints: [{ addresses: [controlPlaneAddresses[1]] }],
      },
    );
    const answered = async () => {
      const { stdout } = await cluster.controlPlane.kubectl([
        ...['exec', 'traffic-a', '--', '/traffic', 'get', `https://[${apiServerService[1]}]/version`],
      ]);
      return stdout.startsWith('200 ');
    };
    await waitUntil('kube-proxy to learn of the service', answered, { intervalMs: 500 });
  });

  it("shows pods' logs", async () => {
    expect(await kubectl('logs', 'traffic-b')).toBe('serving\n');
  });

  it('has kubelets that answer those only whom the API server lets', async () => {
    const url = `https://${cluster.node('b').addresses[0]}:10250/pods`;
    expect(await get(url)).toMatch(/^403 .*cannot get resource|^403 Forbidden/s);
    await kubectl(
      'create',
      'clusterrolebinding',
      'pods-ask',
      '--clusterrole=system:kubelet-api-admin',
      '--serviceaccount=default:default',
    );
    await waitUntil('the grant to be known', async () => (await get(url)).startsWith('200 '), { intervalMs: 500 });
  });

  it('runs a DaemonSet on every node in the host network with NET_ADMIN', async () => {
    await apply(agentLike());
    await kubectl('rollout', 'status', 'daemonset/agent-like', '--timeout=90s');
    const { items } = JSON.parse(
      await kubectl('get', 'pods', '--selector=app=agent-like', '--output=json'),
    ) as List<Pod>;
    expect(items.map(({ status }) => status.hostIP).sort()).toEqual(
      ['a', 'b'].map((name) => cluster.node(name).addresses[0]).sort(),
    );
    for (const { status } of items) expect(status.podIPs[0]?.ip).toBe(status.hostIP);
    const capabilities = await cluster
      .node('a')
      .succeed(['sh', '-c', 'grep CapEff /proc/$(pgrep -f "traffic serve 8" | head -n 1)/status']);
    expect(BigInt(`0x${capabilities.split(/\s+/)[1]}`)).toBe(1n << 12n);
  });

  it("encrypts between its nodes' kernels and loses nothing, as counts and a capture of the wire show", async () => {
    const [a, b] = [cluster.node('a'), cluster.node('b')];
    await a.ip(...xfrmLines(a.addresses, b.addresses));
    await b.ip(...xfrmLines(b.addresses, a.addresses));
    const counters = new Map(await Promise.all([a, b].map(async (node) => [node, await readXfrmStat(node)] as const)));
    const wire = await cluster.capture();
    for (const family of [0, 1] as const) {
      const stream = await startCountedStream({
        ends: [
          { node: cluster.podEnd(await agentLikeOn('a')), address: a.addresses[family] },
          { node: cluster.podEnd(await agentLikeOn('b')), address: b.addresses[family] },
        ],
        program: ['/traffic', 'stream'],
      });
      await delay(1000);
      expectNothingLost(await stream.stop());
    }
    const { packets } = await wire.stop();
    for (const [node, before] of counters) await expectNoXfrmDrops(node, before);
    expect(await dumpStates(a)).toHaveLength(4);
    for (const sender of [...a.addresses, ...b.addresses]) {
      const sent = packets.filter(({ source }) => source === sender);
      expect(sent.filter(({ kind }) => kind === 'esp').length).toBeGreaterThan(20);
    }
    const pair = new Set([...a.addresses, ...b.addresses]);
    const between = packets.filter(({ source, destination }) => pair.has(source) && pair.has(destination));
    expect(between.filter(({ kind }) => kind === 'plaintext').map(({ summary }) => summary)).toEqual([]);
    for (const node of [a, b]) await node.succeed(['sh', '-c', 'ip xfrm policy flush; ip xfrm state flush']);
  });

  it('has a node whose power was cut come back with its disk and its pods, as another boot', async () => {
    const before = await nodeInfo('b');
    await cluster.reboot('b', { crash: true });
    const after = await nodeInfo('b');
    expect(after.machineID).toBe(before.machineID);
    expect(after.bootID).not.toBe(before.bootID);
    const answered = async () => {
      const { status } = JSON.parse(await kubectl('get', 'pod', 'traffic-b', '--output=json')) as Pod;
      if ((status.containerStatuses[0]?.restartCount ?? 0) === 0) return false;
      const { stdout } = await cluster.controlPlane.kubectl([
        ...['exec', 'traffic-a', '--', '/traffic', 'get', `http://${status.podIP}:8080/`],
      ]);
      return stdout.startsWith('200 traffic-b');
    };
    await waitUntil('the pod to run again and answer', answered, { timeoutMs: 60_000, intervalMs: 1000 });
  });

  it('takes a node that is made again under its name as another machine, and leads to its pods', async () => {
    const before = { ...(await nodeInfo('b')), addresses: cluster.node('b').addresses };
    await cluster.removeNode('b');
    await cluster.addNode('b');
    expect(cluster.node('b').addresses).not.toEqual(before.addresses);
    expect((await nodeInfo('b')).machineID).not.toBe(before.machineID);
    await kubectl('delete', 'pod', 'traffic-b', '--ignore-not-found', '--force');
    await apply(trafficPod('b'));
    await kubectl('wait', '--for=condition=Ready', '--timeout=90s', 'pod/traffic-b');
    for (const address of await podAddresses('traffic-b')) {
      const host = address.includes(':') ? `[${address}]` : address;
      expect(await get(`http://${host}:8080/`)).toMatch('200 traffic-b');
    }
  });

  it('leaves no process, no file and no network interface behind', async () => {
    const { folder } = cluster.controlPlane;
    expect(processesNaming(folder).length).toBeGreaterThan(5);
    await cluster.close();
    await waitUntil('the last process to be gone', () => processesNaming(folder).length === 0);
    expect(existsSync(folder)).toBe(false);
    expect(readdirSync('/sys/class/net')).toEqual(interfaces);
  });

  const agentLikeOn = async (node: string) => {
    const where = ['--selector=app=agent-like', `--field-selector=spec.nodeName=${node}`];
    return (await kubectl('get', 'pods', ...where, '--output=jsonpath={.items[0].metadata.name}')).trim();
  };
  const nodeInfo = async (name: string) =>
    (JSON.parse(await kubectl('get', 'node', name, '--output=json')) as KubernetesNode).status.nodeInfo;
});

interface Pod {
  readonly status: {
    readonly podIP: string;
    readonly hostIP: string;
    readonly podIPs: readonly { readonly ip: string }[];
    readonly containerStatuses: readonly { readonly restartCount: number }[];
  };
}

interface KubernetesNode {
  readonly status: { readonly nodeInfo: { readonly machineID: string; readonly bootID: string } };
}

interface List<T> {
  readonly items: readonly T[];
}

function trafficPod(nodeName: string): object {
  const spec = { ...traffic(['serve']), nodeName };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: `traffic-${nodeName}`, namespace: 'default' }, spec };
}

function traffic(words: readonly string[], more: object = {}): object {
  const container = {
    name: 'traffic',
    image: trafficReference,
    imagePullPolicy: 'Never',
    command: ['/traffic', ...words],
  };
  return { terminationGracePeriodSeconds: 1, containers: [{ ...container, ...more }] };
}

/** As an agent that installs SAs would run. */
function agentLike(): object {
  const labels = { app: 'agent-like' };
  const securityContext = {
    readOnlyRootFilesystem: true,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
    runAsUser: 0,
  };
  const spec = { ...traffic(['serve', '8081'], { securityContext }), hostNetwork: true };
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'agent-like', namespace: 'default' },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  };
}

/** SAs between two nodes and policies for UDP, of both families, with a key that both have. */
function xfrmLines(own: DualStack, peer: DualStack): readonly string[] {
  const key = `0x${'11'.repeat(20)}`;
  return own.flatMap((address, family) => {
    const ends = [address, peer[family] ?? ''] as const;
    const ways = [
      { source: ends[0], destination: ends[1], direction: 'out' },
      { source: ends[1], destination: ends[0], direction: 'in' },
    ] as const;
    return ways.flatMap(({ source, destination, direction }) => {
      const way = `src ${source} dst ${destination}`;
      // Both ends must call an SA the same: after its way.
      const spi = source < destination ? '0x1000' : '0x1001';
      return [
        `xfrm state add ${way} proto esp spi ${spi} reqid 1 mode transport aead rfc4106(gcm(aes)) ${key} 128`,
        `xfrm policy add ${way} proto udp dir ${direction} tmpl ${way} proto esp reqid 1 mode transport`,
      ];
    });
  });
}

/** Processes that have a path in a folder among their words. */
function processesNaming(folder: string): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(folder);
    } catch {
      return false;
    }
  });
}
