import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { bundle } from '../../build/bundle.ts';
import { prometheusPrograms } from '../../prometheus/programs.ts';
import type { ScraperPrograms } from '../prometheus/scraper.ts';
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

/** What is bundled beside the runner and the programs that make traffic. */
export interface ProgramsOptions {
  readonly withAgent: boolean;
  /** Where it can be had, with the alerts of the chart. Told what is downloaded, or why it cannot be. */
  readonly withPrometheus?: (line: string) => void;
  /** Files that export scenarios. Default those of the lab. */
  readonly scenarioFiles?: readonly string[];
  /** Puts the source of an earlier agent into a folder, and tells where its main program is. */
  readonly earlierAgent?: (folder: string) => Promise<string>;
}

/** Bundles the runner with its scenarios, the programs that make traffic and, where wanted, our agent. */
export async function bundlePrograms(options: ProgramsOptions): Promise<BundledPrograms> {
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
    const keptConnection = join(folder, 'kept-connection.js');
    const agent = join(folder, 'agent.js');
    const earlierAgent = join(folder, 'earlier-agent.js');
    const runnerSource = join(folder, 'runner.ts');
    writeFileSync(runnerSource, runnerText(options.scenarioFiles));
    await bundle(runnerSource, runner);
    await bundle(join(import.meta.dirname, '../traffic/udp-peer.ts'), udpPeer);
    await bundle(join(import.meta.dirname, '../traffic/send-datagrams.ts'), datagrams);
    await bundle(join(import.meta.dirname, '../traffic/kept-connection.ts'), keptConnection);
    const holder = join(folder, 'holder.js');
    if (options.withAgent) await bundle(join(projectFolder, 'agent/main.ts'), agent);
    if (options.withAgent) await bundle(join(projectFolder, 'agent/holder.ts'), holder);
    // Within the project's folder, so that it finds the packages that it imports.
    if (options.earlierAgent !== undefined) await bundle(await options.earlierAgent(folder), earlierAgent);
    const agents = {
      ...(options.withAgent ? { agent, holder } : {}),
      ...(options.earlierAgent === undefined ? {} : { earlierAgent }),
    };
    const prometheus = options.withPrometheus && (await layDownPrometheus(folder, options.withPrometheus));
    const others = prometheus === undefined ? {} : { prometheus };
    return { runner, inLab: { udpPeer, datagrams, keptConnection, ...agents, ...others }, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Prometheus and the alerts of the chart, where a guest sees them; undefined where it cannot be had. */
async function layDownPrometheus(folder: string, say: (line: string) => void): Promise<ScraperPrograms | undefined> {
  const programs = await prometheusPrograms(say);
  if (!programs.ok) {
    say(programs.error);
    return undefined;
  }
  const laidDown = { prometheus: join(folder, 'prometheus'), rules: join(folder, 'alerts.yaml') };
  copyFileSync(programs.value.prometheus, laidDown.prometheus);
  copyFileSync(join(projectFolder, 'charts/ikemesh/files/alerts.yaml'), laidDown.rules);
  return laidDown;
}
