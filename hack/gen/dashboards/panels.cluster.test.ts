import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';

import { runProgram } from '../../cluster/control-plane/run-program.ts';
import { prometheusPrograms } from '../../prometheus/programs.ts';
import { DASHBOARDS } from './dashboards.ts';

const say = (line: string) => process.stdout.write(`    ${line}\n`);
const programs = await prometheusPrograms(say);
if (!programs.ok) say(`panels are not tried: ${programs.error}`);

const panels = DASHBOARDS.flatMap(({ rows }) => rows.flatMap((row) => row.panels)).filter(
  ({ onlyAfter }) => onlyAfter !== undefined,
);

/** All other panels are asked on a cluster, where nothing of the kind happens. */
describe.skipIf(!programs.ok)('the panels that show something only when something has happened', () => {
  it.each(panels)('$title: shows it then', async ({ title, queries }) => {
    const found = SERIES[title];
    expect(found, title).toBeDefined();
    const tests = queries.map(({ expr }) => ({
      name: title,
      interval: '1m',
      input_series: [{ series: found, values: '0x5 1+1x20' }],
      promql_expr_test: [
        { expr: `count(${filledIn(expr)} > 0)`, eval_time: '20m', exp_samples: [{ labels: '{}', value: 1 }] },
      ],
    }));
    expect(await faultsOf(tests)).toBe('');
  });
});

/** As Grafana does. */
function filledIn(expr: string): string {
  return expr.replaceAll('$__rate_interval', '5m').replaceAll('$node', 'a').replaceAll('$peer', 'b');
}

async function faultsOf(tests: readonly object[]): Promise<string> {
  if (!programs.ok) throw new Error(programs.error);
  const folder = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'ikemesh-panels-'));
  try {
    const file = join(folder, 'test.yaml');
    await writeFile(file, stringify({ evaluation_interval: '1m', tests }));
    const environment = { ...process.env, TMPDIR: folder };
    const { code, stdout, stderr } = await runProgram(programs.value.promtool, ['test', 'rules', file], {
      environment,
    });
    return code === 0 ? '' : stdout + stderr;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** By the title of the panel. */
const SERIES: Readonly<Record<string, string>> = {
  'IKE datagrams that were dropped': 'ikemesh_datagrams_dropped_total{node="a",reason="malformed"}',
  'IKE datagrams that were not sent': 'ikemesh_datagrams_unsent_total{node="a",error="ENETUNREACH"}',
  'Commands that the kernel refused': 'ikemesh_kernel_refusals_total{node="a",command="addSa"}',
  'Proofs that were refused': 'ikemesh_authentication_failures_total{node="a",peer="b",by="us"}',
  'Time until the identity is proven anew': 'ikemesh_ike_sa_reauthentication_seconds{node="a",peer="b"}',
};
