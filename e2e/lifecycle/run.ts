import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { bundlePrograms } from '../../hack/lab/host/programs.ts';
import { scenarioCatalogue } from '../../hack/lab/runner/catalogue.ts';
import { runInGuests } from '../../hack/lab/runner/run-guests.ts';
import { clusterEvents } from './cluster-events.ts';
import { type EarlierAgent, earlierAgent } from './earlier-agent.ts';
import { events } from './events.ts';
import { fillOnCluster } from './on-cluster.ts';
import { ROW_FILE, type Row, type RowPlace, rowJson, rowName } from './row.ts';
import { rowWatch } from './row-watch.ts';
import { tableFoot, tableHead, tableRow } from './table.ts';

/** How the matrix is filled. */
export interface MatrixOptions {
  readonly json: boolean;
  readonly guests: number;
  /** Memory of each guest in MiB. */
  readonly memory: number;
  readonly earlier: string;
  /** Logs and captures of all rows are kept there; without, those of broken ones. */
  readonly output?: string;
  /** Takes the counts, as the lab's results do. */
  readonly results?: string;
}

/** Fills these rows of the matrix, prints each when it is there, and gives the exit code: 1 when a promise was broken. */
export async function runMatrix(places: readonly RowPlace[], options: MatrixOptions): Promise<number> {
  const folder =
    options.output === undefined ? mkdtempSync(join(tmpdir(), 'ikemesh-lifecycle-')) : resolve(options.output);
  const printed = new Map<string, Row>();
  const print = (row: Row) => {
    printed.set(rowName(row), row);
    process.stdout.write(`${options.json ? rowJson(row) : tableRow(row)}\n`);
  };
  const earlier = earlierAgent(options.earlier);
  const needsEarlier = (place: RowPlace) => events.find(({ name }) => name === place.event)?.needsEarlierAgent === true;
  if (!options.json) process.stdout.write(`${tableHead()}\n`);
  const ofCluster = places.filter(({ event }) => clusterEvents.some(({ name }) => name === event));
  const ofLab = places.filter((place) => !ofCluster.includes(place));
  const runnable = ofLab.filter((place) => earlier.ok || !needsEarlier(place));
  const why = earlier.ok ? '' : earlier.error;
  for (const place of ofLab) if (!runnable.includes(place)) print({ ...place, outcome: 'skipped', why });
  const wanted = earlier.ok && runnable.some(needsEarlier) ? earlier.value : undefined;
  const inLab = runnable.length === 0 ? 0 : await fill(runnable, wanted, folder, options, print);
  // A cluster needs the whole machine.
  const onCluster = await fillOnCluster(ofCluster, { folder, say, print });
  const code = Math.max(inLab, onCluster);
  const rows = [...printed.values()];
  const broken = rows.filter(({ outcome }) => outcome === 'broken').length;
  if (!options.json) process.stdout.write(`${tableFoot(rows)}\n`);
  if (options.results !== undefined) writeFileSync(options.results, JSON.stringify(resultsOf(rows)));
  const failed = code !== 0 || broken > 0;
  if (failed || options.output !== undefined) say(`logs and captures are in ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
  return failed ? Math.max(code, 1) : 0;
}

async function fill(
  places: readonly RowPlace[],
  earlier: EarlierAgent | undefined,
  outputFolder: string,
  { guests, memory: memoryMib }: MatrixOptions,
  print: (row: Row) => void,
): Promise<number> {
  const scenarios = await scenarioCatalogue([SCENARIOS]);
  const byName = new Map(places.map((place) => [rowName(place), place]));
  const programs = await bundlePrograms({
    withAgent: true,
    scenarioFiles: [SCENARIOS],
    ...(earlier === undefined ? {} : { earlierAgent: earlier.extract }),
  });
  const left = new Set(byName.keys());
  const ended = (name: string, reason?: string) => {
    const place = byName.get(name);
    if (place === undefined || !left.delete(name)) return;
    const file = join(outputFolder, name, ROW_FILE);
    if (existsSync(file)) print(JSON.parse(readFileSync(file, 'utf8')) as Row);
    else print({ ...place, outcome: 'broken', why: reason ?? `it came to no end; see ${join(outputFolder, name)}` });
  };
  const narrator = () =>
    rowWatch({
      step: (name, text) => say(`${name} (${byName.size - left.size + 1} of ${byName.size}): ${text}`),
      ended: (name) => ended(name),
    });
  try {
    const run = { guests, memoryMib, timeoutMs: LONGEST_MS, outputFolder, programs: programs, say, narrator };
    const { code, results } = await runInGuests(
      scenarios.filter(({ name }) => byName.has(name)),
      run,
    );
    for (const { name, reason } of results.scenarios) ended(name, reason);
    return code;
  } finally {
    programs.remove();
  }
}

function resultsOf(rows: readonly Row[]): object {
  const count = (outcome: Row['outcome']) => rows.filter((row) => row.outcome === outcome).length;
  return { passed: count('kept'), failed: count('broken'), skipped: count('skipped'), rows };
}

function say(line: string): void {
  process.stderr.write(`lifecycle: ${line}\n`);
}

const SCENARIOS = join(import.meta.dirname, 'scenarios.ts');
/** All rows with few guests on a slow machine. */
const LONGEST_MS = 4 * 3_600_000;
