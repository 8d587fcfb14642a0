import { waitUntil } from '../lab/runner/wait-until.ts';

/** An alert that fires, without its severity. */
export interface FiringAlert {
  readonly alert: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A series, and its value with the time of it. */
export interface Found {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [time: number, value: string];
}

/** A running Prometheus, as it is asked; how it is reached is for others to say. */
export abstract class PrometheusApi {
  /** Names of the alerts that have been seen to fire. */
  readonly fired = new Set<string>();

  /** The body of the answer to a GET. */
  protected abstract get(path: string): Promise<string>;

  /** The series that a query finds at this moment. */
  async query(expr: string): Promise<readonly Found[]> {
    const body = await this.get(`/api/v1/query?query=${encodeURIComponent(expr)}`);
    return (JSON.parse(body) as { readonly data: { readonly result: readonly Found[] } }).data.result;
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

  /** Names of the alerts that have fired at any time of the last seconds. */
  async firedWithin(seconds: number): Promise<readonly string[]> {
    const expr = `count by (alertname) (max_over_time(ALERTS{alertstate="firing"}[${Math.ceil(seconds)}s]))`;
    return (await this.query(expr)).map(({ metric }) => metric['alertname'] ?? '').sort();
  }

  /** Waits until an alert fires that has these labels, and maybe others. */
  async untilFiring(alert: string, labels: FiringAlert['labels'], timeoutMs: number): Promise<void> {
    const wanted = Object.entries(labels);
    const isFiring = async () =>
      (await this.firing()).some(
        (each) => each.alert === alert && wanted.every(([name, value]) => each.labels[name] === value),
      );
    const of = wanted.map(([name, value]) => `${name} ${value}`).join(', ');
    try {
      await waitUntil(`${alert} to fire${of === '' ? '' : ` for ${of}`}`, isFiring, { timeoutMs, intervalMs: 1_000 });
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${await this.#seen()}`);
    }
  }

  /** What it scrapes and what is pending or fires. */
  async #seen(): Promise<string> {
    const found = [...(await this.query('up')), ...(await this.query('ALERTS'))];
    return found.map(({ metric, value: [, value] }) => `${JSON.stringify(metric)} ${value}`).join('\n');
  }
}
