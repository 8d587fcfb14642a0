import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { ClusterNode } from '../hack/cluster/nodes/cluster-node.ts';
import { whyNoNodes } from '../hack/cluster/nodes/why-no-nodes.ts';
import { waitUntil } from '../hack/lab/runner/wait-until.ts';
import { dumpStates } from '../hack/lab/xfrm/xfrm-dump.ts';
import { meshAuthority } from '../operator/testing/cluster-nodes.ts';
import { Certificates } from './certificates.ts';
import { ClusterPrometheus, dashboards } from './dashboards.ts';
import { InstalledCluster, namespace } from './installed-cluster.ts';
import { meshPeering } from './mesh-peering.ts';
import { whileTrafficFlows } from './mesh-traffic.ts';
import { outages } from './outages.ts';
import { trafficWorkloads } from './pod-streams.ts';
import { replacements } from './replacements.ts';

const reason = await whyNoNodes();
if (reason !== undefined) process.stdout.write(`tests with nodes are skipped: ${reason}\n`);

describe.skipIf(reason !== undefined)('a mesh of three nodes, installed by Helm', () => {
  let installed: InstalledCluster;
  let nodes: readonly ClusterNode[] = [];
  let prometheus: ClusterPrometheus | undefined;

  beforeAll(async () => {
    installed = await InstalledCluster.start(['a', 'b', 'c'], say);
    nodes = [...installed.cluster.nodes.values()];
    await installed.apply(...trafficWorkloads);
    await installed.kubectl('rollout', 'status', 'daemonset/traffic', '--timeout=90s');
    await nodes[0]?.ip(...FOREIGN);
  }, 400_000);
  beforeAll(async () => {
    prometheus = await ClusterPrometheus.start(installed, say);
  }, 120_000);
  afterAll(async () => {
    await prometheus?.stop();
    await installed?.close();
  });

  it('encrypts between every two of them once a peering is applied, and says so', async () => {
    const applied = performance.now();
    const since = () => ((performance.now() - applied) / 1000).toFixed(1);
    await installed.apply(...meshAuthority(), meshPeering('60s'));
    const usable = async () => (await Promise.all(nodes.map(ownStates))).map((states) => states.length);
    await waitUntil('the first SA', async () => (await usable()).some((count) => count > 0), { intervalMs: 500 });
    say(`the first SA is there ${since()} s after kubectl apply`);
    await waitUntil('SAs of every pair', async () => (await usable()).every((count) => count >= STATES), {
      timeoutMs: 60_000,
      intervalMs: 500,
    });
    say(`every pair has its SAs ${since()} s after kubectl apply`);
    await whileTrafficFlows({ cluster: installed.cluster, nodes }, () => delay(1_000));
    await installed.kubectl('wait', '--for=condition=Ready', '--timeout=120s', 'ipsecpeering/cluster');
    const { status } = await peering();
    expect(status.tunnels).toEqual({ expected: 3, established: 3, encrypting: 3 });
    expect(status.conditions.map(({ type, status: holds }) => `${type} ${holds}`).sort()).toEqual(
      ['Accepted', 'CertificatesReady', 'Encrypting', 'Programmed', 'Ready'].map((type) => `${type} True`),
    );
  }, 240_000);

  it('loses no packet and shows none when a certificate is renewed', async () => {
    const before = await serialNumber('a');
    await whileTrafficFlows(
      { cluster: installed.cluster, nodes },
      async () => {
        await new Certificates(installed).renewOf('a');
        await waitUntil('the agent to use the new certificate', async () => (await serialNumber('a')) !== before, {
          timeoutMs: 60_000,
          intervalMs: 500,
        });
        // Until what was replaced has gone.
        await delay(8_000);
      },
      { event: 'cert-manager-renews' },
    );
  }, 180_000);

  dashboards(() => prometheus, say);

  outages(() => installed);
  replacements(() => installed);

  it('ends, and begins again, with its peering', async () => {
    await installed.kubectl('delete', 'ipsecpeering', 'cluster');
    const counts = async () => (await Promise.all(nodes.map(ownStates))).map(({ length }) => length);
    const wait = { timeoutMs: 90_000, intervalMs: 1_000 };
    await waitUntil('all SAs to be gone', async () => (await counts()).every((count) => count === 0), wait);
    await installed.apply(meshPeering('60s'));
    await waitUntil('SAs of every pair', async () => (await counts()).every((count) => count >= STATES), wait);
  }, 240_000);

  it('leaves nothing of ours in any kernel when the chart is uninstalled, and what is not ours as it was', async () => {
    expect(await installed.kubectl('get', 'ipsecpeerings', '--output=name')).toContain('cluster');
    await installed.helm.succeed('uninstall', 'ikemesh', `--namespace=${namespace}`, '--timeout=5m');
    for (const node of nodes) {
      const { stdout } = await node.run(['sh', '-c', 'ip xfrm state; ip xfrm policy']);
      const found = stdout.split('\n').filter((line) => line.startsWith('src '));
      expect(found, node.name).toEqual(node === nodes[0] ? FOREIGN_SHOWN : []);
    }
  }, 180_000);

  async function ownStates(node: ClusterNode) {
    return (await dumpStates(node)).filter(({ spi }) => spi !== FOREIGN_SPI);
  }

  async function peering(): Promise<Peering> {
    return JSON.parse(await installed.kubectl('get', 'ipsecpeering', 'cluster', '--output=json')) as Peering;
  }

  async function serialNumber(node: string): Promise<string> {
    const path = '--output=jsonpath={.status.peerings[0].certificate.serialNumber}';
    return installed.kubectl('get', 'ipsecnodeconfig', node, path);
  }
});

interface Peering {
  readonly status: {
    readonly tunnels: object;
    readonly conditions: readonly { readonly type: string; readonly status: string }[];
  };
}

function say(line: string): void {
  process.stdout.write(`    ${line}\n`);
}

/** Of each node: two peers, two families, two directions. */
const STATES = 8;
const FOREIGN_SPI = 0x1234;
/** What somebody else has in the kernel. */
const FOREIGN = [
  `xfrm state src 192.0.2.1 dst 192.0.2.2 proto esp spi ${FOREIGN_SPI} mode transport aead rfc4106(gcm(aes)) 0x${'11'.repeat(20)} 128`,
  'xfrm policy src 192.0.2.1/32 dst 192.0.2.2/32 dir out tmpl proto esp mode transport level use',
].map((line) => line.replace(/^xfrm (state|policy)/, 'xfrm $1 add'));
const FOREIGN_SHOWN = ['src 192.0.2.1 dst 192.0.2.2', 'src 192.0.2.1/32 dst 192.0.2.2/32 '];
