import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';

import { AGENT_METRICS } from '../../agent/metrics/definitions.ts';
import { runProgram } from '../../hack/cluster/control-plane/run-program.ts';
import { prometheusPrograms } from '../../hack/prometheus/programs.ts';
import type { MetricDefinition } from '../../operator/api/metric-definition.ts';
import { OPERATOR_METRICS } from '../../operator/metrics/definitions.ts';
import { ALERT_SCENARIOS, healthyDay, type Series } from './testing/alert-scenarios.ts';
import { chart, find, Helm, helmProgram } from './testing/helm.ts';

const RULES = join(chart, 'files/alerts.yaml');
const say = (line: string) => process.stdout.write(`    ${line}\n`);
const programs = await prometheusPrograms(say);
if (!programs.ok) say(`alerts are not tried: ${programs.error}`);

const { groups } = parse(await readFile(RULES, 'utf8')) as { readonly groups: readonly Group[] };
const alerts = groups.flatMap(({ rules }) => rules);

describe('the alerts', () => {
  it.each(alerts)(
    '$alert says what it is, and where the runbook says what to do',
    async ({ labels, annotations, alert }) => {
      expect(['critical', 'warning']).toContain(labels.severity);
      expect(annotations.summary).toMatch(/\.$/);
      expect(annotations.description).toMatch(/\.$/);
      expect(annotations.runbook_url).toBe(`#${alert.toLowerCase()}`);
      const [, section = ''] = (await runbook()).split(`\n### ${alert}\n`);
      const [text = ''] = section.split('\n### ');
      for (const part of ['**Means**', '**See more**', '**Do**']) expect(text, alert).toContain(part);
    },
  );

  it('are all that the runbook has sections for', async () => {
    const sections = [...(await runbook()).matchAll(/^### (\S+)$/gm)].map(([, name]) => name);
    expect(sections.sort()).toEqual(alerts.map(({ alert }) => alert).sort());
  });

  it.each(alerts)('$alert asks for metrics and labels that there are', ({ expr }) => {
    const metrics: readonly MetricDefinition[] = [...AGENT_METRICS, ...OPERATOR_METRICS];
    for (const [, name = '', matchers = ''] of expr.matchAll(/\b((?:ikemesh|process)_[a-z_]+)(?:\{([^}]*)\})?/g)) {
      const metric = metrics.find((each) => each.name === name || `${each.name}_bucket` === name);
      expect(metric, name).toBeDefined();
      const labels = [...matchers.matchAll(/([a-z_]+)(?:=|!)/g)].map(([, label]) => label);
      for (const label of labels) expect([...(metric?.labels ?? []), 'job'], name).toContain(label);
    }
  });

  it('have a scenario each', () => {
    const missing = alerts.filter(({ alert }) => ALERT_SCENARIOS.every((scenario) => scenario.alert !== alert));
    expect(missing.map(({ alert }) => alert)).toEqual([]);
  });

  describe('in a PrometheusRule', () => {
    let helm: Helm;
    beforeAll(async () => {
      helm = new Helm(await helmProgram());
    });
    afterAll(() => helm?.close());

    async function rendered(...values: readonly string[]): Promise<readonly Rule[]> {
      const objects = await helm.render(['metrics.prometheusRule.enabled=true', ...values]);
      const rule = find(objects, 'PrometheusRule', 'ikemesh');
      return (rule['spec'] as { readonly groups: readonly Group[] }).groups.flatMap(({ rules }) => rules);
    }

    it('are the same, but for the job of the agents and the place of the runbook', async () => {
      const base = 'https://git.example.test/charts/ikemesh/RUNBOOK.md';
      const inRelease = await rendered(`metrics.prometheusRule.runbookUrl=${base}`);
      const asFile = inRelease.map(({ annotations, expr, ...rest }) => ({
        ...rest,
        annotations: { ...annotations, runbook_url: annotations.runbook_url.replace(base, '') },
        expr: expr.replace('job="ike/ikemesh-agent"', 'job="ikemesh-agents"'),
      }));
      expect(asFile).toEqual(alerts);
      expect(JSON.stringify(inRelease)).not.toContain('ikemesh-agents');
    });

    it('have the job that the PodMonitor makes, or the one that is given', async () => {
      const down = async (...values: readonly string[]) =>
        (await rendered(...values)).find(({ alert }) => alert === 'IkemeshAgentDown')?.expr;
      expect(await down('metrics.podMonitor.namespace=monitoring')).toBe('up{job="monitoring/ikemesh-agent"} == 0');
      expect(await down('metrics.prometheusRule.agentJob=mine')).toBe('up{job="mine"} == 0');
    });

    it('are those that are wanted, with the labels and times that are wanted', async () => {
      const some = await rendered(
        'metrics.prometheusRule.disabled=["IkemeshTunnelFlapping"]',
        'metrics.prometheusRule.ruleLabels={"team":"network"}',
        'metrics.prometheusRule.certificateSeconds=1800',
      );
      expect(some.map(({ alert }) => alert)).not.toContain('IkemeshTunnelFlapping');
      expect(some).toHaveLength(alerts.length - 1);
      for (const { labels } of some) expect(labels).toMatchObject({ team: 'network', severity: expect.any(String) });
      expect(some.find(({ alert }) => alert === 'IkemeshCertificateExpiring')?.expr).toContain('< 1800');
      const { code, stderr } = await helm.run(
        ...['template', 'ikemesh', chart, '--set=trustDomain=test.internal,metrics.prometheusRule.enabled=true'],
        '--set=metrics.prometheusRule.disabled={IkemeshTunnelsFlaping}',
      );
      expect([code, stderr]).toEqual([1, expect.stringContaining('there is no alert IkemeshTunnelsFlaping')]);
    });
  });

  describe.skipIf(!programs.ok)('by promtool', () => {
    it('are rules that Prometheus takes', async () => {
      const { code, stdout, stderr } = await promtool(MEMORY, 'check', 'rules', RULES);
      expect(code, stdout + stderr).toBe(0);
    });

    it('fire each in its scenarios when they must, and not before', async () => {
      const tests = ALERT_SCENARIOS.map(({ alert, series, silentAt, firesAt, labels }) => {
        const severity = alerts.find((each) => each.alert === alert)?.labels.severity ?? '';
        const fired = { alertname: alert, alertstate: 'firing', severity, ...labels };
        const shown = Object.entries(fired).map(([name, value]) => `${name}="${value}"`);
        const expr = `ALERTS{alertname="${alert}",alertstate="firing"}`;
        const fires = {
          expr,
          eval_time: `${firesAt}m`,
          exp_samples: [{ labels: `ALERTS{${shown.join(',')}}`, value: 1 }],
        };
        const isSilent = silentAt === undefined ? [] : [{ expr, eval_time: `${silentAt}m`, exp_samples: [] }];
        return testOf(alert, series, [fires, ...isSilent]);
      });
      expect(await faultsOf(tests)).toBe('');
    });

    it('stay quiet all of a day on which certificates, SAs, agents and a node are replaced', async () => {
      const expr = 'max by (alertname, node, peering) (max_over_time(ALERTS{alertstate="firing"}[24h]))';
      const quiet = { expr, eval_time: '1440m', exp_samples: [] };
      expect(await faultsOf([testOf('a healthy day', healthyDay(), [quiet])])).toBe('');
    });
  });
});

interface Group {
  readonly rules: readonly Rule[];
}

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string; readonly runbook_url: string };
}

interface Expectation {
  readonly expr: string;
  readonly eval_time: string;
  readonly exp_samples: readonly object[];
}

function runbook(): Promise<string> {
  return readFile(join(chart, 'RUNBOOK.md'), 'utf8');
}

function testOf(name: string, series: Series, promql_expr_test: readonly Expectation[]): object {
  const input_series = Object.entries(series).map(([each, values]) => ({ series: each, values }));
  return { name, interval: '1m', input_series, promql_expr_test };
}

/** What promtool finds wrong when the rules are evaluated every minute; empty where all is as expected. */
async function faultsOf(tests: readonly object[]): Promise<string> {
  const folder = await mkdtemp(join(MEMORY, 'ikemesh-alerts-'));
  try {
    const file = join(folder, 'test.yaml');
    await writeFile(file, stringify({ rule_files: [RULES], evaluation_interval: '1m', tests }));
    const { code, stdout, stderr } = await promtool(folder, 'test', 'rules', file);
    return code === 0 ? '' : stdout + stderr;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function promtool(folder: string, ...words: readonly string[]) {
  if (!programs.ok) throw new Error(programs.error);
  return runProgram(programs.value.promtool, words, { environment: { ...process.env, TMPDIR: folder } });
}

/** promtool syncs each of its samples to the disk, which on a busy one takes minutes. */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
