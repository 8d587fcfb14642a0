import { writeConfiguration } from '../../prometheus/configuration.ts';
import { PrometheusApi } from '../../prometheus/prometheus-api.ts';
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
  /** What the waits of every alert are divided by. Nothing else of them is changed. */
  readonly waitsDividedBy: number;
}

/** A real Prometheus that scrapes agents every few seconds and evaluates the alerts of the chart. */
export class Scraper extends PrometheusApi {
  readonly #node: LabNode;
  readonly #daemon: Daemon;

  private constructor(node: LabNode, daemon: Daemon) {
    super();
    this.#node = node;
    this.#daemon = daemon;
  }

  /** Starts it on a machine that reaches the targets; `folder` takes its configuration. */
  static async start(
    node: LabNode,
    folder: string,
    programs: ScraperPrograms,
    { targets, waitsDividedBy }: ScraperOptions,
  ): Promise<Scraper> {
    const agents = Object.entries(targets).map(([name, address]) => ({ address, labels: { node: name } }));
    const config = writeConfiguration(folder, {
      rules: programs.rules,
      waitsDividedBy,
      // An agent that is not heard in time has no series for a moment, and every wait begins anew: guests are slow at times.
      scrapeSeconds: 4,
      evaluationSeconds: 2,
      jobs: { 'ikemesh-agents': agents },
    });
    const words = [
      `--config.file=${config}`,
      '--storage.tsdb.path=/tmp/prometheus',
      `--web.listen-address=127.0.0.1:${PORT}`,
    ];
    const daemon = node.spawn('prometheus', [programs.prometheus, ...words]);
    await daemon.said('Server is ready to receive web requests', 60_000);
    return new Scraper(node, daemon);
  }

  /** Waits until an alert fires, of that node where one is named. */
  fires(alert: string, node?: string, timeoutMs = 120_000): Promise<void> {
    return this.untilFiring(alert, node === undefined ? {} : { node }, timeoutMs);
  }

  protected override async get(path: string): Promise<string> {
    const script = `exec 3<>/dev/tcp/127.0.0.1/${PORT}; printf 'GET %s HTTP/1.0\\r\\nHost: prometheus\\r\\n\\r\\n' "$0" >&3; cat <&3`;
    const answer = await this.#node.succeed(['bash', '-c', script, path]);
    const [, body = ''] = answer.split('\r\n\r\n');
    return body;
  }

  async stop(): Promise<void> {
    await this.#daemon.stop();
  }
}

const PORT = 9090;
