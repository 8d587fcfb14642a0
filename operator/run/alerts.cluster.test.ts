import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { chart } from '../../charts/ikemesh/testing/helm.ts';
import { freePorts } from '../../hack/cluster/control-plane/free-ports.ts';
import { waitUntil } from '../../hack/lab/runner/wait-until.ts';
import type { Target } from '../../hack/prometheus/configuration.ts';
import { LocalPrometheus } from '../../hack/prometheus/local-prometheus.ts';
import { prometheusPrograms } from '../../hack/prometheus/programs.ts';
import type { FiringAlert } from '../../hack/prometheus/prometheus-api.ts';
import { type Manifest, meshManifest } from '../api/testing/manifests.ts';
import { joinNode, meshAuthority, reportAs } from '../testing/cluster-nodes.ts';
import { installedObjects } from '../testing/installed-objects.ts';
import { type AnyObject, OperatorCluster, PLACES, PREFIX } from '../testing/operator-cluster.ts';
import { OperatorProcess } from '../testing/operator-process.ts';

/** A minute is a second. */
const WAITS_DIVIDED_BY = 60;
/** As long as the longest alert waits, and some. */
const QUIET_SECONDS = 20;
/** Prometheus knows of something after a scrape and an evaluation, at the latest. */
const SEEN_AFTER_SECONDS = 5;

const say = (line: string) => process.stdout.write(`    ${line}\n`);
const programs = await prometheusPrograms(say);
if (!programs.ok) say(`alerts are not raised: ${programs.error}`);

/** Which alerts are raised here, and by what the others are tried, is in charts/ikemesh/testing/README.md. */
describe('the alerts, where a real Prometheus scrapes a real operator', () => {
  let cluster: OperatorCluster;
  let prometheus: LocalPrometheus;
  let metricsPort: number;
  let agentMetrics: Server | undefined;
  const operators: OperatorProcess[] = [];
  const pods = new Map<string, string>();

  beforeAll(async () => {
    if (!programs.ok) return;
    cluster = await OperatorCluster.start({ certManager: true });
    await cluster.apply(...meshAuthority());
    for (const number of [1, 2]) pods.set(`node-${number}`, await joinNode(cluster, number));
    agentMetrics = await serveAgentMetrics();
    const { port } = agentMetrics.address() as AddressInfo;
    const agents = [...pods.keys()].map((node): Target => ({ address: `127.0.0.1:${port}`, labels: { node } }));
    [metricsPort = 0] = await freePorts(1, '127.0.0.1');
    await startOperator('first');
    const configuration = {
      rules: join(chart, 'files/alerts.yaml'),
      waitsDividedBy: WAITS_DIVIDED_BY,
      scrapeSeconds: 2,
      evaluationSeconds: 1,
      jobs: { 'ikemesh-agents': agents, 'ikemesh-operator': [{ address: `127.0.0.1:${metricsPort}` }] },
    };
    prometheus = await LocalPrometheus.start(cluster.controlPlane, programs.value.prometheus, configuration, say);
  });
  afterAll(async () => {
    await Promise.all(operators.filter(({ runs }) => runs).map((each) => each.end('SIGKILL')));
    close(agentMetrics);
    await cluster?.close();
  });
  beforeEach(({ skip }) => {
    if (!programs.ok) skip(programs.error);
  });

  const startOperator = async (name: string) => {
    const operator = await OperatorProcess.start(cluster, name, { metricsPort });
    operators.push(operator);
    await waitUntil(`the operator ${name} to lead`, () => {
      if (!operator.runs) throw new Error(`the operator ended: ${operator.errors}${operator.log}`);
      return operator.leads;
    });
  };
  /** The operator may do all that the chart grants it, but for this. */
  const withdraw = async (resource: string, verbs: readonly string[]) => {
    const installed = await installedObjects(PREFIX, PLACES.ownNamespace);
    const role = installed.find(
      ({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === `${PREFIX}-operator`,
    );
    if (role === undefined) throw new Error('the chart installs no ClusterRole of the operator');
    const rules = (role['rules'] as readonly RoleRule[]).map((rule) =>
      rule.resources.includes(resource) ? { ...rule, verbs: rule.verbs.filter((verb) => !verbs.includes(verb)) } : rule,
    );
    await cluster.apply({ ...role, rules });
  };
  /** The agents tell the operator that all is well. */
  const report = () => Promise.all([...pods].map(([node, pod]) => reportAs(cluster, node, pod)));
  /** Alerts that have not fired until then are raised by a fault. */
  const raises = async (fault: () => Promise<void>, ...alerts: readonly FiringAlert[]) => {
    const names = alerts.map(({ alert }) => alert);
    const before = await prometheus.firedWithin(QUIET_SECONDS);
    expect(before.filter((name) => names.includes(name))).toEqual([]);
    const began = performance.now();
    await fault();
    const until = async ({ alert, labels }: FiringAlert) => {
      await prometheus.untilFiring(alert, labels, 100_000);
      say(`${alert} ${JSON.stringify(labels)} fires ${secondsSince(began)} s after the fault`);
    };
    await Promise.all(alerts.map(until));
  };

  it('stay silent while the operator brings up a mesh and keeps it up', async () => {
    await cluster.apply(meshManifest as Manifest as unknown as AnyObject);
    const began = performance.now();
    const isReady = async () => {
      await report();
      return /^True/.test(await cluster.condition('cluster', 'Ready'));
    };
    await waitUntil('the peering to be Ready', isReady, { timeoutMs: 120_000, intervalMs: 1_000 });
    const isSeen = async () => (await prometheus.query('ikemesh_peering_condition{type="Ready"} == 1')).length === 1;
    await waitUntil('Prometheus to see that', isSeen, { intervalMs: 1_000 });
    say(`the peering is Ready after ${secondsSince(began)} s`);

    const ready = performance.now();
    await cluster.patchStatus('Node', 'node-1', { addresses: [{ type: 'InternalIP', address: '192.168.7.7' }] });
    while (secondsSince(ready) < QUIET_SECONDS + SEEN_AFTER_SECONDS) {
      await report();
      await delay(1_000);
    }
    expect(await prometheus.firedWithin(QUIET_SECONDS)).toEqual([]);
    // What nodes take for their first tunnels is not cut.
    const ofFirstMinute = ['IkemeshPeeringNotReady'];
    const fired = await prometheus.firedWithin(secondsSince(began) + SEEN_AFTER_SECONDS);
    expect(fired.filter((name) => !ofFirstMinute.includes(name))).toEqual([]);
    const [written] = await prometheus.query('sum(ikemesh_operator_writes_total{code="ok"})');
    expect(Number(written?.value[1])).toBeGreaterThan(5);
  }, 180_000);

  it('tell of a peering that is not Ready, and of its tunnels and agents that are missing, when agents are gone', async () => {
    const agentsGo = async () => {
      close(agentMetrics);
      for (const node of pods.keys()) await cluster.remove('Pod', `agent-${node}`, PLACES.ownNamespace);
    };
    await raises(
      agentsGo,
      { alert: 'IkemeshPeeringNotReady', labels: { peering: 'cluster' } },
      { alert: 'IkemeshTunnelsMissing', labels: { peering: 'cluster' } },
      { alert: 'IkemeshAgentMissing', labels: {} },
    );
  });

  it('tell that writes are refused, and that work does not get done, when the operator lacks a right', async () => {
    const nodesJoinInVain = async () => {
      await withdraw('ipsecnodeconfigs', ['create', 'patch']);
      for (const number of [3, 4, 5]) await joinNode(cluster, number);
    };
    await raises(
      nodesJoinInVain,
      { alert: 'IkemeshOperatorWritesFailing', labels: { kind: 'IPsecNodeConfig', code: '403' } },
      { alert: 'IkemeshOperatorQueueStuck', labels: {} },
    );
  });

  it('tell that no operator is at work when the only one has crashed', async () => {
    const crash = async () => {
      await operators[0]?.end('SIGKILL');
    };
    await raises(crash, { alert: 'IkemeshOperatorMissing', labels: {} });
  });

  it('tell of the kind that an operator may not watch; that there is one at work again ends the other alert', async () => {
    const startWithoutRight = async () => {
      await withdraw('nodes', ['list', 'watch']);
      await startOperator('second');
    };
    await raises(startWithoutRight, { alert: 'IkemeshOperatorWatchDown', labels: { kind: 'Nodes' } });
    const isOver = async () => (await prometheus.firing()).every(({ alert }) => alert !== 'IkemeshOperatorMissing');
    await waitUntil('IkemeshOperatorMissing to end', isOver, { intervalMs: 1_000 });
  });
});

interface RoleRule {
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** What Prometheus needs to see of agents to know that they are there, in their place. */
function serveAgentMetrics(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((_, response) => {
      response.setHeader('content-type', 'text/plain; version=0.0.4').end('ikemesh_up 1\n');
    });
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}

function close(server: Server | undefined): void {
  server?.close();
  server?.closeAllConnections();
}

function secondsSince(began: number): number {
  return Math.round((performance.now() - began) / 1_000);
}
