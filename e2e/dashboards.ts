import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { stringify } from 'yaml';

import { find, type KubernetesObject } from '../charts/ikemesh/testing/helm.ts';
import { runProgram } from '../hack/cluster/control-plane/run-program.ts';
import { DASHBOARDS } from '../hack/gen/dashboards/dashboards.ts';
import type { Panel } from '../hack/gen/dashboards/panel.ts';
import { waitUntil } from '../hack/lab/runner/wait-until.ts';
import { Daemon } from '../hack/lab/topology/daemon.ts';
import { type PrometheusPrograms, prometheusPrograms } from '../hack/prometheus/programs.ts';
import { type InstalledCluster, namespace } from './installed-cluster.ts';

/** A Prometheus on the network of the nodes, which finds operator and agents as the chart's monitors say. */
export class ClusterPrometheus {
  readonly #installed: InstalledCluster;
  readonly #programs: PrometheusPrograms;
  readonly #daemon: Daemon;

  private constructor(installed: InstalledCluster, programs: PrometheusPrograms, daemon: Daemon) {
    this.#installed = installed;
    this.#programs = programs;
    this.#daemon = daemon;
  }

  /** Undefined where there is no Prometheus, having said so. */
  static async start(installed: InstalledCluster, say: (line: string) => void): Promise<ClusterPrometheus | undefined> {
    const programs = await prometheusPrograms(say);
    if (!programs.ok) {
      say(`dashboards are not asked: ${programs.error}`);
      return undefined;
    }
    const { controlPlane } = installed.cluster;
    const [config, data] = [join(controlPlane.folder, 'prometheus.yaml'), join(controlPlane.folder, 'prometheus')];
    await writeFile(config, stringify(await configuration(installed)));
    const words = [`--config.file=${config}`, `--storage.tsdb.path=${data}`, `--web.listen-address=${LISTEN}`];
    const command = installed.cluster.beside([programs.value.prometheus, ...words]);
    const daemon = new Daemon(
      'prometheus',
      ['setpriv', '--pdeathsig', 'KILL', '--', ...command],
      join(controlPlane.folder, 'logs/prometheus.log'),
    );
    await daemon.said('Server is ready to receive web requests');
    return new ClusterPrometheus(installed, programs.value, daemon);
  }

  /** What a query finds at this moment. */
  async query(expr: string): Promise<readonly Found[]> {
    const words = ['query', 'instant', '--format=json', `http://${LISTEN}`, expr];
    const [program, ...rest] = this.#installed.cluster.beside([this.#programs.promtool, ...words]);
    const { code, stdout, stderr } = await runProgram(program, rest);
    if (code !== 0) throw new Error(`${expr}: ${stdout}${stderr}`);
    return JSON.parse(stdout) as readonly Found[];
  }

  async stop(): Promise<void> {
    await this.#daemon.stop();
  }
}

/** A series, and its value with the time of it. */
interface Found {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [time: number, value: string];
}

/**
 * What prometheus-operator makes of the monitors of the chart, as far as they say something. Debian's Prometheus cannot look
 * for pods itself: the pods that there are come with the labels that it would give them.
 */
async function configuration(installed: InstalledCluster): Promise<object> {
  const monitors = ['metrics.podMonitor.enabled=true', 'metrics.serviceMonitor.enabled=true'];
  const objects = await installed.helm.render(monitors, 'ikemesh', namespace);
  const [pods, services] = [
    endpoint(find(objects, 'PodMonitor', 'ikemesh-agent'), 'podMetricsEndpoints'),
    endpoint(find(objects, 'ServiceMonitor', 'ikemesh-operator'), 'endpoints'),
  ];
  return {
    global: { scrape_interval: '2s', scrape_timeout: '2s' },
    scrape_configs: [
      await job(installed, `${namespace}/ikemesh-agent`, 'agent', pods),
      await job(installed, 'ikemesh-operator', 'operator', services),
    ],
  };
}

/** Each container of the pods of a component, or its port of the name that the monitor says, is a target. */
async function job(
  installed: InstalledCluster,
  job_name: string,
  component: string,
  { port: wanted, relabelings = [] }: Endpoint,
): Promise<object> {
  const where = [`--namespace=${namespace}`, `--selector=app.kubernetes.io/component=${component}`];
  const pods = await installed.list<Pod>('pods', ...where);
  const static_configs = pods.flatMap(({ metadata, spec, status }) =>
    spec.containers.flatMap(({ name, ports = [] }) => {
      const port = ports.find((each) => each.name === wanted)?.containerPort;
      const labels = {
        pod: metadata.name,
        __meta_kubernetes_pod_container_name: name,
        __meta_kubernetes_pod_host_ip: status.hostIP,
        __meta_kubernetes_pod_node_name: spec.nodeName,
      };
      return { targets: [port === undefined ? status.podIP : `${status.podIP}:${port}`], labels };
    }),
  );
  return { job_name, static_configs, relabel_configs: relabelings.map(snakeCase) };
}

interface Pod {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly nodeName: string;
    readonly containers: readonly {
      readonly name: string;
      readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
    }[];
  };
  readonly status: { readonly hostIP: string; readonly podIP: string };
}

interface Endpoint {
  readonly port?: string;
  readonly relabelings?: readonly object[];
}

function endpoint({ spec }: KubernetesObject, field: string): Endpoint {
  const [first] = (spec as Readonly<Record<string, readonly Endpoint[]>>)[field] ?? [];
  if (first === undefined) throw new Error(`a monitor has no ${field}`);
  return first;
}

/** `sourceLabels` is `source_labels` in the configuration of Prometheus itself. */
function snakeCase(relabeling: object): object {
  const renamed = Object.entries(relabeling).map(([name, value]) => [
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ]);
  return Object.fromEntries(renamed);
}

/** Scenarios with a mesh that is up and whose SAs have been replaced: the dashboards have something to show. */
export function dashboards(prometheus: () => ClusterPrometheus | undefined, say: (line: string) => void): void {
  it('shows something in every panel of the dashboards', async ({ skip }) => {
    const asked = prometheus();
    if (asked === undefined) return skip("Debian's package prometheus cannot be had");
    const peer = 'ikemesh_peer_state{node="a"} == 3';
    await waitUntil('a peer that encrypts', async () => (await asked.query(peer)).length > 0, { timeoutMs: 60_000 });
    const [found] = await asked.query(peer);
    const choices = { node: 'a', peer: found?.metric['peer'] ?? '' };
    const empty: string[] = [];
    let count = 0;
    for (const { name, panel } of PANELS) {
      for (const { expr } of panel.queries) {
        const series = await asked.query(filledIn(expr, choices));
        count += 1;
        const isEmpty = series.length === 0 || series.every(({ value: [, value] }) => value === 'NaN');
        if (isEmpty && panel.onlyAfter === undefined) empty.push(`${name}: ${panel.title}: ${expr}`);
      }
    }
    say(`${count} queries of ${PANELS.length} panels`);
    expect(empty).toEqual([]);
  }, 180_000);
}

/** As Grafana does. */
function filledIn(expr: string, choices: Readonly<Record<string, string>>): string {
  const interval = expr.replaceAll('$__rate_interval', '10m');
  return Object.entries(choices).reduce((text, [name, value]) => text.replaceAll(`$${name}`, value), interval);
}

const PANELS: readonly { readonly name: string; readonly panel: Panel }[] = DASHBOARDS.flatMap(({ name, rows }) =>
  rows.flatMap(({ panels }) => panels.map((panel) => ({ name, panel }))),
);
const LISTEN = '127.0.0.1:19090';
