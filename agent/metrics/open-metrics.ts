import type { Observer } from '../ports.ts';
import { systemClock, systemTimers } from '../runtime/clock-system.ts';
import type { Log } from '../runtime/log/logger.ts';
import type { StatusReport } from '../runtime/status/report.ts';
import { VERSION } from '../runtime/version.ts';
import { AgentMetrics } from './agent-metrics.ts';
import type { ListenAddress } from './listen-address.ts';
import { MetricsServer } from './metrics-server.ts';
import type { ReconcileObserver } from './reconciliations.ts';

/** Where metrics are served, and which. */
export interface MetricsSettings {
  readonly listen: ListenAddress;
  /** Whether each peer has series of its own. */
  readonly withPeers: boolean;
}

/** Metrics that are served until they are closed. */
export interface OpenMetrics {
  /** To be told of all facts. */
  readonly observers: readonly Observer[];
  /** To be told how the agent was brought to what it is to do; undefined where nobody asks. */
  readonly reconciliations: ReconcileObserver | undefined;
  close(): void;
}

/** Serves the metrics of this process; does nothing where they are not wanted. */
export function openMetrics(
  settings: MetricsSettings | undefined,
  { log, cryptoProvider, report }: MetricsSources,
): OpenMetrics {
  if (settings === undefined) return { observers: [], reconciliations: undefined, close: () => {} };
  const { listen, withPeers } = settings;
  const surroundings = { clock: systemClock, timers: systemTimers, version: VERSION };
  const metrics = new AgentMetrics({ ...surroundings, cryptoProvider, withPeers, report });
  const server = new MetricsServer({ listen, expose: () => metrics.expose(), timers: systemTimers, log });
  return {
    observers: [metrics.observer],
    reconciliations: metrics.reconciliations,
    close: () => {
      server.close();
      metrics.stop();
    },
  };
}

/** What metrics are made from, and where it is told how that goes. */
export interface MetricsSources {
  readonly log: Log;
  readonly cryptoProvider: string;
  /** The agent at this moment; undefined while none runs. */
  readonly report: () => StatusReport | undefined;
}
