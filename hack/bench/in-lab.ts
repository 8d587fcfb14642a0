import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { bundlePrograms } from '../lab/host/programs.ts';
import { scenarioCatalogue } from '../lab/runner/catalogue.ts';
import { runInGuests } from '../lab/runner/run-guests.ts';
import type { BlockWriter } from '../lab/runner/scenario-blocks.ts';
import type { Progress } from './bench.ts';
import { answersClock } from './lab-processor.ts';
import { READINGS_FILE } from './readings-file.ts';

/** A scenario of the lab that measures, beside the bench that it is for. */
export interface MeasuringScenario {
  /** Exports a list of scenarios, as those of the lab do. */
  readonly file: URL;
  readonly name: string;
  /** The newest kernel that the lab has, where it runs in User Mode Linux. */
  readonly newerKernel: boolean;
  readonly memoryMib: number;
  readonly timeoutMs: number;
}

/** What a scenario has read in a kernel that has ESP, alone in it. Throws when it fails: a bench without figures is none. */
export async function readInLab<Readings>(scenario: MeasuringScenario, progress: Progress): Promise<Readings> {
  const { name, newerKernel, memoryMib, timeoutMs } = scenario;
  const file = fileURLToPath(scenario.file);
  const outputFolder = mkdtempSync(join(tmpdir(), 'ikemesh-bench-'));
  const chosen = (await scenarioCatalogue([file])).filter((each) => each.name === name);
  const programs = await bundlePrograms({ withAgent: true, scenarioFiles: [file] });
  try {
    const narrator = () => tellingLines((line) => answersClock(line, join(outputFolder, name)) || progress(line));
    const run = { guests: 1, newerKernel, memoryMib, timeoutMs, outputFolder, programs, say: progress, narrator };
    const { code, results } = await runInGuests(chosen, run);
    const reason = results.scenarios.find(({ outcome }) => outcome !== 'passed')?.reason;
    if (code !== 0 || reason !== undefined) {
      throw new Error(`${name} came to no figures: ${reason ?? `the lab ended with ${code}`}; see ${outputFolder}`);
    }
    const readings = JSON.parse(readFileSync(join(outputFolder, name, READINGS_FILE), 'utf8')) as Readings;
    rmSync(outputFolder, { recursive: true, force: true });
    return readings;
  } finally {
    programs.remove();
  }
}

/** Tells each line of what a guest says. */
function tellingLines(tell: (line: string) => unknown): BlockWriter {
  const decoder = new TextDecoder();
  let begun = '';
  return {
    write: (piece) => {
      const lines = `${begun}${decoder.decode(piece, { stream: true })}`.split('\n');
      begun = lines.pop() ?? '';
      for (const line of lines) tell(line.trim());
    },
    end: () => undefined,
  };
}
