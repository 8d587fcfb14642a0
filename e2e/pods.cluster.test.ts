import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { networks } from '../hack/cluster/network/address-plan.ts';
import type { ClusterNode } from '../hack/cluster/nodes/cluster-node.ts';
import { trafficReference } from '../hack/cluster/nodes/images.ts';
import { whyNoNodes } from '../hack/cluster/nodes/why-no-nodes.ts';
import type { Packet } from '../hack/lab/capture/packet.ts';
import { waitUntil } from '../hack/lab/runner/wait-until.ts';
import {
  type DirectionReport,
  expectNothingLost,
  type StreamOptions,
  startCountedStream,
} from '../hack/lab/traffic/counted-stream.ts';
import { dumpStates } from '../hack/lab/xfrm/xfrm-dump.ts';
import { changed, meshManifest } from '../operator/api/testing/manifests.ts';
import { meshAuthority } from '../operator/testing/cluster-nodes.ts';
import { InstalledCluster } from './installed-cluster.ts';
import { plugin } from './plugin.ts';
import { countTooLong, expectAnsweredDrops, readAnsweredDrops } from './too-long-packets.ts';
import { trafficContainer, trafficPods } from './traffic-pods.ts';

const reason = await whyNoNodes();
if (reason !== undefined) process.stdout.write(`tests with nodes are skipped: ${reason}\n`);

describe.skipIf(reason !== undefined)('pods of two nodes, whose networks are routed', () => {
  let installed: InstalledCluster;
  let nodes: readonly ClusterNode[] = [];
  /** Addresses of the pods by their names, IPv4 first. */
  const pods = new Map<string, readonly string[]>();
  /** Packets that their senders were told to be too long. */
  let tooLong = 0;

  beforeAll(async () => {
    installed = await InstalledCluster.start(['a', 'b'], say);
    nodes = [...installed.cluster.nodes.values()];
    const wanted = ['pod-a', 'near-a', 'pod-b'];
    await installed.apply(...meshAuthority(), ...wanted.map(pod));
    await installed.kubectl('wait', '--for=condition=Ready', '--timeout=120s', ...wanted.map((name) => `pod/${name}`));
    for (const name of wanted) pods.set(name, await addressesOf(name));
    for (const node of nodes) await countTooLong(node);
  }, 300_000);
  afterAll(() => installed?.close());

  it('are encrypted in tunnel mode by both families, but for the ports that are exempt', async () => {
    await installed.apply(peering('Pods', EXEMPT));
    await ready('Pods');
    const seen = await whileTrafficFlows(async () => {
      for (const family of [0, 1] as const) {
        expect(await get('pod-a', at('pod-b', family), PLAIN_PORT)).toMatch(/^200 pod-b/);
        expect(await get('pod-a', at('pod-b', family), SECRET_PORT)).toMatch(/^200 pod-b/);
      }
    });
    expectPlainOnly(seen, isExempt);
    // Both directions of both families, at 20 a second for some seconds, and the connections.
    expect(seen.filter(({ kind, summary }) => kind === 'plaintext' && summary.includes('UDP')).length).toBeGreaterThan(
      40,
    );
    expect(seen.filter(({ kind, summary }) => kind === 'plaintext' && summary.includes('TCP')).length).toBeGreaterThan(
      8,
    );
  }, 300_000);

  it('reach their neighbours and their own node as if nothing were encrypted', async () => {
    for (const family of [0, 1] as const) {
      expect(await get('pod-a', at('near-a', family), SECRET_PORT)).toMatch(/^200 near-a/);
      expect(await get('pod-a', nodes[0]?.addresses[family] ?? '', KUBELET_PORT, 'https')).toMatch(/^403 /);
    }
  });

  it('get large answers whole, of packets that had to become shorter for the tunnel', async () => {
    tooLong = 0;
    await whileTrafficFlows(async () => {
      for (const family of [0, 1] as const) {
        const answer = await get('pod-a', at('pod-b', family), SECRET_PORT, 'http', `bytes/${LARGE}`);
        expect(answer).toBe(`200 ${'x'.repeat(LARGE)}`);
      }
    });
    say(`${tooLong} packets were too long, and their senders told so`);
    expect(tooLong).toBeGreaterThan(0);
  }, 300_000);

  it('lose no packet of what is exempt when it ends and when it begins, and none of anything else', async () => {
    const policies = async () => (await Promise.all(nodes.map(exemptPolicies))).map((found) => found.length);
    const ended = await whileTrafficFlows(async () => {
      await installed.apply(peering('Pods', []));
      const none = async () => (await policies()).every((count) => count === 0);
      await waitUntil('the exemption to be gone everywhere', none, { timeoutMs: 90_000, intervalMs: 500 });
    });
    expectPlainOnly(ended, isExempt);
    expectPlainOnly(await whileTrafficFlows(() => delay(2_000)), () => false);
    const begun = await whileTrafficFlows(async () => {
      await installed.apply(peering('Pods', EXEMPT));
      await waitUntil('every node to send it', async () => (await stages()).every((each) => each === SENT), {
        timeoutMs: 90_000,
        intervalMs: 500,
      });
      await delay(2_000);
    });
    expectPlainOnly(begun, isExempt);
    expect(begun.some(({ kind }) => kind === 'plaintext')).toBe(true);
  }, 300_000);

  it('and their nodes are encrypted with one another, nodes in transport mode, but for the ports that are exempt', async () => {
    await installed.apply(trafficPods, peering('NodesAndPods', EXEMPT));
    await installed.kubectl('rollout', 'status', 'daemonset/traffic', '--timeout=90s');
    await ready('NodesAndPods');
    const [a, b] = nodes as [ClusterNode, ClusterNode];
    const modes = async () => new Set((await dumpStates(a)).map(({ mode }) => mode));
    expect(await modes()).toEqual(new Set(['transport', 'tunnel']));
    const ends = ({ addresses }: ClusterNode, family: 0 | 1) => ({ address: addresses[family] });
    const nodeStreams = ([0, 1] as const).map((family) => ({
      ends: [
        { node: a.containerEnd(trafficContainer), ...ends(a, family) },
        { node: b.containerEnd(trafficContainer), ...ends(b, family) },
      ] as const,
      port: NODE_STREAM + family,
    }));
    const seen = await whileTrafficFlows(async () => {
      for (const family of [0, 1] as const) {
        // A pod with another node, by TLS, whose greeting alone is longer than a tunnel takes at a time.
        expect(await get('pod-a', b.addresses[family], KUBELET_PORT, 'https')).toMatch(/^403 /);
        expect(await get('pod-a', at('pod-b', family), PLAIN_PORT)).toMatch(/^200 pod-b/);
        expect(await get('pod-a', at('near-a', family), SECRET_PORT)).toMatch(/^200 near-a/);
      }
    }, nodeStreams);
    expectPlainOnly(seen, isExempt);
    expect(seen.some(({ kind }) => kind === 'plaintext')).toBe(true);
  }, 300_000);

  plugin(() => installed);

  it('have nothing of all this in a kernel when the peering is gone', async () => {
    await installed.kubectl('delete', 'ipsecpeering', 'cluster');
    for (const node of nodes) {
      const none = async () => (await node.succeed(['sh', '-c', 'ip xfrm state; ip xfrm policy'])).trim() === '';
      await waitUntil(`${node.name} to have nothing`, none, { timeoutMs: 90_000, intervalMs: 1_000 });
    }
  }, 180_000);

  /**
   * Streams of all kinds between the pods by both families while something happens: nothing lost and nothing dropped.
   * What was seen between pods, between pods and nodes and, where nodes have streams of their own, between these.
   */
  async function whileTrafficFlows(
    happens: () => Promise<unknown>,
    more: readonly Pick<StreamOptions, 'ends' | 'port'>[] = [],
  ): Promise<readonly Packet[]> {
    const before = await Promise.all(nodes.map(async (node) => [node, await readAnsweredDrops(node)] as const));
    const wire = await installed.cluster.capture();
    const streams = [];
    for (const stream of [...podStreams(), ...more]) {
      streams.push(await startCountedStream({ ...stream, program: ['/traffic', 'stream'], rate: 20 }));
    }
    let reports: readonly (readonly [DirectionReport, DirectionReport])[] = [];
    try {
      await happens();
    } finally {
      reports = await Promise.all(streams.map((stream) => stream.stop(2_000)));
    }
    const { packets } = await wire.stop();
    for (const [node, counts] of before) tooLong += await expectAnsweredDrops(node, counts);
    for (const report of reports) expectNothingLost(report);
    const hosts = new Set(nodes.flatMap(({ addresses }) => [...addresses]));
    const inside = new Set([...pods.values()].flat());
    const isOurs = ({ source, destination, kind }: Packet) =>
      kind === 'esp'
        ? hosts.has(source) && hosts.has(destination)
        : [source, destination].every((each) => inside.has(each) || hosts.has(each)) &&
          (more.length > 0 || inside.has(source) || inside.has(destination));
    const seen = packets.filter(isOurs);
    expect(seen.filter(({ kind }) => kind === 'esp').length).toBeGreaterThan(40);
    return seen;
  }

  /** Of all kinds, by both families; those of one container have ports of their own. */
  function podStreams(): readonly Pick<StreamOptions, 'ends' | 'port'>[] {
    const end = (name: string, family: 0 | 1) => ({ node: installed.cluster.podEnd(name), address: at(name, family) });
    return ([0, 1] as const).flatMap((family) =>
      [EXEMPT_STREAM + family, SECRET_STREAM + family, IKE_PORTS[family]].map((port) => ({
        ends: [end('pod-a', family), end('pod-b', family)] as const,
        port,
      })),
    );
  }

  function expectPlainOnly(packets: readonly Packet[], allowed: (packet: Packet) => boolean): void {
    const leaked = packets.filter((packet) => packet.kind === 'plaintext' && !allowed(packet));
    expect(leaked.map(({ summary }) => summary)).toEqual([]);
  }

  /** Until everything is in force that was applied, which the status says. */
  async function ready(scope: string): Promise<void> {
    const [generation] = await fields('ipsecpeering', 'cluster', '{.metadata.generation}');
    await waitUntil(
      `the peering of ${scope} to be in force`,
      async () => {
        const [observed, status] = await fields(
          'ipsecpeering',
          'cluster',
          '{.status.observedGeneration} {.status.conditions[?(@.type=="Ready")].status}',
        );
        return observed === generation && status === 'True';
      },
      { timeoutMs: 180_000, intervalMs: 1_000 },
    );
    const enforced = await Promise.all(
      nodes.map(({ name }) =>
        fields(
          'ipsecnodeconfig',
          name,
          '{.status.peerings[0].enforcement.inbound} {.status.peerings[0].exempt[*].stage}',
        ),
      ),
    );
    expect(enforced.map((each) => each.join(' '))).toEqual(nodes.map(() => `Required ${SENT}`));
  }

  /** Of each node: `Send Accept`, as far as its exemptions have come. */
  async function stages(): Promise<readonly string[]> {
    const all = nodes.map(({ name }) => fields('ipsecnodeconfig', name, '{.status.peerings[0].exempt[*].stage}'));
    return (await Promise.all(all)).map((each) => each.join(' '));
  }

  async function fields(kind: string, name: string, path: string): Promise<readonly string[]> {
    return (await installed.kubectl('get', kind, name, `--output=jsonpath=${path}`)).split(' ').filter(Boolean);
  }

  async function exemptPolicies(node: ClusterNode): Promise<readonly string[]> {
    const text = await node.succeed(['ip', 'xfrm', 'policy']);
    return text.split('\n').filter((line) => line.startsWith('src ') && line.includes(`port ${PLAIN_PORT}`));
  }

  async function get(pod: string, address: string, port: number, scheme = 'http', path = 'pods'): Promise<string> {
    const host = address.includes(':') ? `[${address}]` : address;
    return installed.kubectl(
      'exec',
      pod,
      '--container=plain',
      '--',
      '/traffic',
      'get',
      `${scheme}://${host}:${port}/${path}`,
    );
  }

  async function addressesOf(pod: string): Promise<readonly string[]> {
    const addresses = await fields('pod', pod, '{.status.podIPs[*].ip}');
    expect(addresses).toHaveLength(2);
    return addresses;
  }

  function at(pod: string, family: 0 | 1): string {
    return pods.get(pod)?.[family] ?? '';
  }
});

/** A pod that serves at a port that is exempt and at one that is not, on the node that its name ends in. */
function pod(name: string): object {
  const container = { image: trafficReference, imagePullPolicy: 'Never' };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: {
      nodeName: name.slice(-1),
      terminationGracePeriodSeconds: 1,
      containers: [
        { ...container, name: 'plain', command: ['/traffic', 'serve', `${PLAIN_PORT}`] },
        { ...container, name: 'secret', command: ['/traffic', 'serve', `${SECRET_PORT}`] },
      ],
    },
  };
}

function peering(scope: string, exempt: readonly object[]): object {
  const spec = { scope, ...(exempt.length === 0 ? {} : { exempt }) };
  return changed(changed(meshManifest, 'spec.enforcement', 'Required'), 'spec.traffic', spec);
}

function isExempt({ summary }: Packet): boolean {
  const [, protocol, ...ports] = / (UDP|TCP) (\d+) > (\d+)/.exec(summary) ?? [];
  const exempt = protocol === 'TCP' ? [PLAIN_PORT] : [EXEMPT_STREAM, EXEMPT_STREAM + 1];
  return ports.some((port) => exempt.includes(Number(port)));
}

function say(line: string): void {
  process.stdout.write(`    ${line}\n`);
}

const PLAIN_PORT = 8080;
const SECRET_PORT = 8090;
const EXEMPT_STREAM = 7100;
const SECRET_STREAM = 7000;
/** What a pod sends from a port of IKE is nothing that its node may let pass as it is. */
const IKE_PORTS = [4500, 500] as const;
const NODE_STREAM = 7200;
/** Bytes of an answer: of many packets. */
const LARGE = 100_000;
const KUBELET_PORT = 10_250;
/** TCP and UDP, of the pods of either family. */
const EXEMPT = networks.pods.flatMap((cidr) => [
  { protocol: 'TCP', ports: [{ from: PLAIN_PORT }], cidr },
  { protocol: 'UDP', ports: [{ from: EXEMPT_STREAM, to: EXEMPT_STREAM + 1 }], cidr },
]);
const SENT = EXEMPT.map(() => 'Send').join(' ');
