import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { bundle } from '../../build/bundle.ts';
import { runnerText } from '../runner/catalogue.ts';
import type { LabPrograms } from '../runner/scenario-lab.ts';
import { isRunning } from './run-folder.ts';
import { projectFolder } from './with-esp.ts';

/** One file for each program that runs in the lab: in a guest each file read at start costs milliseconds. */
export interface BundledPrograms {
  /** Runs the scenarios that its argument names. */
  readonly runner: string;
  /** What the runner starts inside nodes. */
  readonly inLab: LabPrograms;
  remove(): void;
}

/** Bundles the runner with all scenarios, the programs that make traffic and, where wanted, our agent. */
export async function bundlePrograms(withAgent: boolean): Promise<BundledPrograms> {
  const dist = join(projectFolder, 'dist');
  mkdirSync(dist, { recursive: true });
  for (const name of readdirSync(dist)) {
    const [, owner] = /^lab-(\d+)-/.exec(name) ?? [];
    if (owner !== undefined && !isRunning(Number(owner))) rmSync(join(dist, name), { recursive: true, force: true });
  }
  // A folder for each run: another run's bundles may be in use.
  const folder = mkdtempSync(join(dist, `lab-${process.pid}-`));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    const runner = join(folder, 'runner.js');
    const udpPeer = join(folder, 'udp-peer.js');
    const datagrams = join(folder, 'send-datagrams.js');
    const agent = join(folder, 'agent.js');
    const runnerSource = join(folder, 'runner.ts');
    writeFileSync(runnerSource, runnerText());
    await bundle(runnerSource, runner);
    await bundle(join(import.meta.dirname, '../traffic/udp-peer.ts'), udpPeer);
    await bundle(join(import.meta.dirname, '../traffic/send-datagrams.ts'), datagrams);
    if (withAgent) await bundle(join(projectFolder, 'agent/main.ts'), agent);
    return { runner, inLab: { udpPeer, datagrams, ...(withAgent ? { agent } : {}) }, remove };
  } catch (error) {
    remove();
    throw error;
  }
}
