import type { Bench, BenchResult } from './bench.ts';
import { readInOwnProcess } from './own-process.ts';

/** What it costs an agent to be asked for its metrics, and to be looked at by its status page. */
export const scrapeBench: Bench = {
  name: 'scrape',
  summary:
    'processor time of a scrape of an agent with all its tunnels up, with series of every peer, and of a picture for its status page',
  run: (_extent, progress, { nodes }) =>
    (nodes?.map((count) => count - 1) ?? PEERS).map((peers) => {
      progress(`${peers} peers in a process of its own`);
      const readings = readInOwnProcess<ScrapeReadings>({
        program: new URL('./scrape-process.ts', import.meta.url),
        words: [String(peers)],
        onOneProcessor: true,
        timeoutMs: TIMEOUT_MS,
      });
      return resultOf(peers, readings);
    }),
};

/** What was read in a process with one node. */
export interface ScrapeReadings {
  readonly sas: number;
  readonly policies: number;
  readonly firstSeconds: number;
  readonly seconds: number;
  readonly series: number;
  readonly bytes: number;
  readonly rssBytes: number;
  /** Processor time of a picture for the status page, for so long the event loop does nothing else. */
  readonly pageSeconds: number;
  readonly pageBytes: number;
}

function resultOf(peers: number, readings: ScrapeReadings): BenchResult {
  const { sas, policies, firstSeconds, seconds, series, bytes, rssBytes, pageSeconds, pageBytes } = readings;
  return {
    bench: 'scrape',
    parameters: { peers, sas, policies },
    figures: {
      cpuMilliseconds: seconds * 1e3,
      firstCpuMilliseconds: firstSeconds * 1e3,
      series,
      answerBytes: bytes,
      rssBytes,
      pageCpuMilliseconds: pageSeconds * 1e3,
      pageBytes,
    },
    targets:
      peers === 1_000
        ? [
            { figure: 'cpuMilliseconds', bound: 'atMost', limit: 200 },
            { figure: 'pageCpuMilliseconds', bound: 'atMost', limit: 100 },
          ]
        : [],
  };
}

const PEERS = [10, 1_000];
const TIMEOUT_MS = 300_000;
