import { join } from 'node:path';

import { AgentProcess } from '../agent/agent-process.ts';
import { HolderProcess } from '../agent/holder-process.ts';
import { onLink, startCapture } from '../capture/capture.ts';
import { Pluto } from '../libreswan/pluto.ts';
import { Iked } from '../openiked/iked.ts';
import { Scraper, type ScraperPrograms } from '../prometheus/scraper.ts';
import { Charon } from '../strongswan/charon.ts';
import type { Daemon } from '../topology/daemon.ts';
import { createTopology } from '../topology/topology.ts';
import { connectAndKeep } from '../traffic/connection.ts';
import { startCountedStream } from '../traffic/counted-stream.ts';
import { sendDatagrams } from '../traffic/datagrams.ts';
import type { Lab } from './scenario.ts';

/** Bundled programs that run inside nodes. */
export interface LabPrograms {
  readonly udpPeer: string;
  readonly datagrams: string;
  readonly keptConnection: string;
  readonly agent?: string;
  /** An agent built from an earlier commit. */
  readonly earlierAgent?: string;
  readonly holder?: string;
  readonly prometheus?: ScraperPrograms;
}

/** Thrown by what a scenario skips itself with. */
export class Skipped extends Error {
  override readonly name = 'Skipped';
}

/** The lab of one scenario, and its end. */
export interface ScenarioLab {
  readonly lab: Lab;
  /** Kills every daemon and removes every namespace. */
  end(): Promise<void>;
}

/** Makes the lab of one scenario; `folder` exists and takes its logs. */
export function scenarioLab(folder: string, programs: LabPrograms): ScenarioLab {
  const daemons: Daemon[] = [];
  let removeTopology: (() => Promise<void>) | undefined;
  let ended = false;
  const lab: Lab = {
    folder,
    step: (text) => process.stdout.write(`    ${text}\n`),
    skip: (reason) => {
      throw new Skipped(reason);
    },
    topology: async (description) => {
      const topology = await createTopology(description, {
        logFolder: folder,
        started: (daemon) => {
          daemons.push(daemon);
          // Code of a scenario that ran out of time may still run.
          if (ended) daemon.signal('SIGKILL');
        },
        created: (remove) => {
          removeTopology = remove;
        },
      });
      return topology;
    },
    capture: (link, name = link.name) => startCapture(onLink(link, join(folder, `${name}.pcap`))),
    stream: (options) => startCountedStream({ ...options, program: programs.udpPeer }),
    connection: (client, server, port) => connectAndKeep(programs.keptConnection, { client, server, port }),
    sendDatagrams: (node, to, datagrams, from) => sendDatagrams(programs.datagrams, node, to, datagrams, from),
    charon: (node, options) => Charon.start(node, options),
    pluto: (node, configuration) => Pluto.start(node, configuration),
    iked: (node, configuration) => Iked.start(node, configuration),
    agentCommand: (node, words) => {
      if (programs.agent === undefined) throw new Error('the scenario must say usesAgent');
      return node.run(['node', programs.agent, ...words], { timeoutMs: 60_000 });
    },
    agent: async (node, configuration, options = {}) => {
      const program = options.earlier === true ? programs.earlierAgent : programs.agent;
      if (program === undefined) throw new Error('the scenario must say usesAgent, or nobody has built an earlier one');
      return AgentProcess.start(node, { ...options, program, holderProgram: programs.holder, configuration, folder });
    },
    prometheus: async (node, options) => {
      if (programs.prometheus === undefined) throw new Skipped('no Prometheus can be had; usesPrometheus asks for it');
      return Scraper.start(node, folder, programs.prometheus, options);
    },
    holder: async (node, socket) => {
      if (programs.holder === undefined) throw new Error('the scenario must say usesAgent');
      return HolderProcess.start(node, programs.holder, socket);
    },
  };
  return {
    lab,
    end: async () => {
      ended = true;
      for (const daemon of daemons) await daemon.kill();
      await removeTopology?.();
    },
  };
}
