import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';

import { waitUntil } from '../runner/wait-until.ts';
import type { Daemon } from '../topology/daemon.ts';
import type { LabNode } from '../topology/lab-node.ts';

/** Where Prometheus and the alerts of the chart are. */
export interface ScraperPrograms {
  readonly prometheus: string;
  readonly rules: string;
}

/** What is scraped, and how long alerts wait. */
export interface ScraperOptions {
  /** Where agents serve metrics, by the names of their nodes. */
  readonly targets: Readonly<Record<string, string>>;
  /** What `for:` of every alert is divided by. Nothing else of them is changed. */
  readonly waitsDividedBy: number;
}

/** An alert that fires, without its severity. */
export interface FiringAlert {
  readonly alert: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A real Prometheus that scrapes agents every few seconds and evaluates the alerts of the chart. */
export class Scraper {
  /** Names of the alerts that have been seen to fire. */
  readonly fired = new Set<string>();
  readonly #node: LabNode;
  readonly #daemon: Daemon;

  private constructor(node: LabNode, daemon: Daemon) {
    this.#node = node;
    this.#daemon = daemon;
  }

  /** Starts it on a machine that reaches the targets; `folder` takes its configuration. */
  static async start(
    node: LabNode,
    folder: string,
    programs: ScraperPrograms,
    options: ScraperOptions,
  ): Promise<Scraper> {
    const [config, rules] = [join(folder, 'prometheus.yaml'), join(folder, 'alerts.yaml')];
    writeFileSync(rules, stringify(hurried(readFileSync(programs.rules, 'utf8'), options.waitsDividedBy)));
    const static_configs = Object.entries(options.targets).map(([name, target]) => ({
      targets: [target],
      labels: { node: name },
    }));
    // An agent that is not heard in time has no series for a moment, and every wait begins anew: guests are slow at times.
    const times = { scrape_interval: '4s', scrape_timeout: '4s', evaluation_interval: '2s' };
    const scrape_configs = [{ job_name: 'ikemesh-agents', static_configs }];
    writeFileSync(config, stringify({ global: times, rule_files: [rules], scrape_configs }));
    const words = [
      `--config.file=${config}`,
      '--storage.tsdb.path=/tmp/prometheus',
      `--web.listen-address=127.0.0.1:${PORT}`,
    ];
    const daemon = node.spawn('prometheus', [programs.prometheus, ...words]);
    await daemon.said('Server is ready to receive web requests', 60_000);
    return new Scraper(node, daemon);
  }

  /** The alerts that fire at this moment. */
  async firing(): Promise<readonly FiringAlert[]> {
    const found = await this.query('ALERTS{alertstate="firing"}');
    const alerts = found.map(
      ({ metric: { alertname = '', alertstate: _, severity: __, __name__: ___, ...labels } }) => ({
        alert: alertname,
        labels,
      }),
    );
    for (const { alert } of alerts) this.fired.add(alert);
    return alerts;
  }

  /** Waits until an alert fires, of that node where one is named. */
  async fires(alert: string, node?: string, timeoutMs = 120_000): Promise<void> {
    const isFiring = async () =>
      (await this.firing()).some(
        (each) => each.alert === alert && (node === undefined || each.labels['node'] === node),
      );
    try {
      await waitUntil(`${alert} to fire${node === undefined ? '' : ` for ${node}`}`, isFiring, {
        timeoutMs,
        intervalMs: 1_000,
      });
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${await this.#seen()}`);
    }
  }

  /** What it scrapes and what is pending or fires. */
  async #seen(): Promise<string> {
    const found = [...(await this.query('up')), ...(await this.query('ALERTS'))];
    return found.map(({ metric, value: [, value] }) => `${JSON.stringify(metric)} ${value}`).join('\n');
  }

  /** The series that a query finds at this moment. */
  async query(expr: string): Promise<readonly Found[]> {
    const path = `/api/v1/query?query=${encodeURIComponent(expr)}`;
    const script = `exec 3<>/dev/tcp/127.0.0.1/${PORT}; printf 'GET %s HTTP/1.0\\r\\nHost: prometheus\\r\\n\\r\\n' "$0" >&3; cat <&3`;
    const answer = await this.#node.succeed(['bash', '-c', script, path]);
    const [, body = ''] = answer.split('\r\n\r\n');
    return (JSON.parse(body) as { readonly data: { readonly result: readonly Found[] } }).data.result;
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

/** The alerts with shorter waits. */
function hurried(text: string, divisor: number): object {
  const { groups } = parse(text) as { readonly groups: readonly { readonly rules: readonly Rule[] }[] };
  const seconds = (wait: string) => Math.ceil((Number.parseInt(wait, 10) * 60) / divisor);
  return {
    groups: groups.map((group) => ({
      ...group,
      rules: group.rules.map((rule) => (rule.for === undefined ? rule : { ...rule, for: `${seconds(rule.for)}s` })),
    })),
  };
}

interface Rule {
  /** In minutes. */
  readonly for?: string;
}

const PORT = 9090;
