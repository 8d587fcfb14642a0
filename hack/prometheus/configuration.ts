import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';

/** What a Prometheus scrapes, how often, and by which alerts it judges. */
export interface Configuration {
  /** The file with the alerts. */
  readonly rules: string;
  /** What the waits of the alerts are divided by. */
  readonly waitsDividedBy: number;
  /** The interval, and how long an answer may take. */
  readonly scrapeSeconds: number;
  readonly evaluationSeconds: number;
  /** Where metrics are served, by the names of their jobs. */
  readonly jobs: Readonly<Record<string, readonly Target[]>>;
}

/** A place that serves metrics. */
export interface Target {
  /** Host and port. */
  readonly address: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** Writes the configuration into a folder; answers its file. */
export function writeConfiguration(folder: string, configuration: Configuration): string {
  const { rules, waitsDividedBy, scrapeSeconds, evaluationSeconds, jobs } = configuration;
  const [file, alerts] = [join(folder, 'prometheus.yaml'), join(folder, 'alerts.yaml')];
  writeFileSync(alerts, stringify(hurried(readFileSync(rules, 'utf8'), waitsDividedBy)));
  const global = {
    scrape_interval: `${scrapeSeconds}s`,
    scrape_timeout: `${scrapeSeconds}s`,
    evaluation_interval: `${evaluationSeconds}s`,
  };
  const scrape_configs = Object.entries(jobs).map(([job_name, targets]) => ({
    job_name,
    static_configs: targets.map(({ address, labels = {} }) => ({ targets: [address], labels })),
  }));
  writeFileSync(file, stringify({ global, rule_files: [alerts], scrape_configs }));
  return file;
}

/**
 * Alerts that wait less: `for:` is divided, and the time of a subquery such as `min_over_time(…[30m:1m])`, all of which must
 * have passed. Nothing else is changed: a rate or an increase needs no more than what it has of its time.
 */
export function hurried(text: string, divisor: number): Alerts {
  const { groups } = parse(text) as Alerts;
  const seconds = (minutes: string) => `${Math.ceil((Number.parseInt(minutes, 10) * 60) / divisor)}s`;
  const hurriedRule = (rule: Rule): Rule => ({
    ...rule,
    expr: rule.expr.replaceAll(/\[(\d+m):(\d+m)\]/g, (_, range, step) => `[${seconds(range)}:${seconds(step)}]`),
    ...(rule.for === undefined ? {} : { for: seconds(rule.for) }),
  });
  return { groups: groups.map((group) => ({ ...group, rules: group.rules.map(hurriedRule) })) };
}

/** A file of alerts, as far as waits are concerned. */
interface Alerts {
  readonly groups: readonly { readonly rules: readonly Rule[] }[];
}

interface Rule {
  readonly expr: string;
  /** In minutes. */
  readonly for?: string;
}
