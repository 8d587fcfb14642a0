import { createHash } from 'node:crypto';

import { ScrapeGate } from '../../operator/api/scrape-gate.ts';
import { StatusPage } from '../page/status-page.ts';
import type { Observer } from '../ports.ts';
import { systemClock, systemTimers } from '../runtime/clock-system.ts';
import type { Log } from '../runtime/log/logger.ts';
import { RecentEvents } from '../runtime/status/recent-events.ts';
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
  /** Folder with tls.crt and tls.key; plain HTTP without. */
  readonly tlsFolder?: string | undefined;
  /** Whether RBAC decides who may read them. */
  readonly authenticates?: boolean;
  /** Whether people may look at the agent with a browser, at the same place and under the same conditions. */
  readonly statusPage?: boolean;
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
  { log, cryptoProvider, report, post = async () => undefined }: MetricsSources,
): OpenMetrics {
  if (settings === undefined) return { observers: [], reconciliations: undefined, close: () => {} };
  const { listen, withPeers, tlsFolder, authenticates = false, statusPage = false } = settings;
  const surroundings = { clock: systemClock, timers: systemTimers, version: VERSION };
  const metrics = new AgentMetrics({ ...surroundings, cryptoProvider, withPeers, report });
  const fingerprint = (text: string): string => createHash('sha256').update(text).digest('base64');
  const gate = new ScrapeGate({ post, fingerprint, nowMs: () => systemClock.monotonicMs() });
  const judge = authenticates
    ? (authorization: string | undefined, path: string) => gate.judge(authorization, path)
    : undefined;
  const expose = () => metrics.expose();
  const events = new RecentEvents(systemClock);
  const page = statusPage
    ? new StatusPage({
        clock: systemClock,
        timers: systemTimers,
        version: VERSION,
        report,
        events: () => events.latest(),
      })
    : undefined;
  const server = new MetricsServer({
    listen,
    tlsFolder,
    judge,
    expose,
    page: page && ((url) => page.answer(url)),
    timers: systemTimers,
    log,
  });
  return {
    observers: page === undefined ? [metrics.observer] : [metrics.observer, events],
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
  /** Creates an object at the API server, which says who may read metrics; left out where there is none. */
  readonly post?: (path: string, body: object) => Promise<unknown>;
}
