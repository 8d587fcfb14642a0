import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { appendFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { projectFolder } from '../../hack/image/build-image.ts';
import { type ClusterEvent, clusterEvents, preparingTests } from './cluster-events.ts';
import { rowsVariable } from './cluster-rows.ts';
import { type Row, type RowPlace, rowName } from './row.ts';

/** How rows are filled by a cluster. */
export interface ClusterRun {
  /** What the tests say is kept there, and what a loss is explained by. */
  readonly folder: string;
  readonly say: (line: string) => void;
  readonly print: (row: Row) => void;
}

/**
 * Fills rows by the tests that make their events happen on a real Kubernetes, one after the other, and goes on when one
 * fails. Gives the exit code of the tests: they ask for more than that no packet is lost.
 */
export async function fillOnCluster(places: readonly RowPlace[], { folder, say, print }: ClusterRun): Promise<number> {
  const wanted = clusterEvents.filter(({ name }) => places.some(({ event }) => event === name));
  if (wanted.length === 0) return 0;
  await mkdir(folder, { recursive: true });
  const [rowsFile, log] = [join(folder, 'cluster-rows.jsonl'), join(folder, 'cluster.log')];
  const left = new Map(places.map((place) => [rowName(place), place]));
  let skipped: string | undefined;
  const take = () => {
    for (const row of rowsIn(rowsFile)) if (left.delete(rowName(row))) print(row);
  };
  const code = await runTests(wanted, { [rowsVariable]: rowsFile, IKEMESH_E2E_KEEP: folder }, async (line) => {
    await appendFile(log, `${line}\n`);
    skipped ??= /^tests with nodes are skipped: (.*)/.exec(line)?.[1];
    say(`cluster: ${line.trim()}`);
    take();
  });
  take();
  for (const place of left.values()) {
    if (skipped === undefined) print({ ...place, outcome: 'broken', why: `it came to no end; see ${log}` });
    else print({ ...place, outcome: 'skipped', why: skipped });
  }
  return skipped === undefined ? code : 0;
}

function rowsIn(file: string): readonly Row[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Row);
}

function runTests(
  wanted: readonly ClusterEvent[],
  environment: Readonly<Record<string, string>>,
  told: (line: string) => Promise<void>,
): Promise<number> {
  const files = [...new Set(wanted.map(({ file }) => file))];
  const pattern = [...preparingTests, ...wanted.map(({ test }) => test)].join('|');
  const vitest = join(projectFolder, 'node_modules/vitest/vitest.mjs');
  const words = ['run', '--config', 'hack/config/vitest.cluster.config.ts', '--testNamePattern', pattern, ...files];
  const child = spawn(process.execPath, [vitest, ...words], {
    cwd: projectFolder,
    env: { ...process.env, ...environment, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((resolve) => {
    let lines = Promise.resolve();
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.trim() !== '') lines = lines.then(() => told(line));
    });
    child.on('error', () => resolve(1));
    child.on('close', (code) => lines.then(() => resolve(code ?? 1)));
  });
}
