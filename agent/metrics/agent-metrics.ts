import type { Clock, Observer, Timers } from '../ports.ts';
import type { StatusReport } from '../runtime/status/report.ts';
import { MAX_PEERS_WITH_SERIES } from './definitions.ts';
import { type Exposition, expose } from './exposition.ts';
import { LoopLag } from './loop-lag.ts';
import { MetricsObserver } from './observer.ts';
import { addProcess } from './process-samples.ts';
import { type ReconcileObserver, Reconciliations } from './reconciliations.ts';
import { addNode, addPeers, addPeerTraffic, addTraffic } from './report-samples.ts';
import { Samples } from './samples.ts';
import { TrafficTotals } from './traffic-totals.ts';
import { xfrmErrors } from './xfrm-stat.ts';

/** What the metrics of an agent are made of. */
export interface AgentMetricsParts {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly timers: Timers;
  readonly version: string;
  readonly cryptoProvider: string;
  /** Whether each peer has series of its own. */
  readonly withPeers: boolean;
  /** The agent at this moment; undefined while none runs. */
  readonly report: () => StatusReport | undefined;
  readonly xfrmErrors?: () => Promise<ReadonlyMap<string, number>>;
}

/** Everything that an agent tells Prometheus: facts that were folded, and the kernel's counters at each scrape. */
export class AgentMetrics {
  readonly #parts: AgentMetricsParts;
  readonly #observer = new MetricsObserver();
  readonly #traffic = new TrafficTotals();
  readonly #reconciliations = new Reconciliations();
  readonly #lag: LoopLag;

  constructor(parts: AgentMetricsParts) {
    this.#parts = parts;
    this.#lag = new LoopLag(parts.clock, parts.timers);
  }

  /** To be told of all facts. */
  get observer(): Observer {
    return this.#observer;
  }

  /** To be told how the agent was brought to what it is to do. */
  get reconciliations(): ReconcileObserver {
    return this.#reconciliations;
  }

  /** The answer to a scrape. */
  async expose(): Promise<Exposition> {
    const samples = new Samples();
    const { version, cryptoProvider: crypto, report: ask } = this.#parts;
    samples.add('ikemesh_build_info', { version, crypto }, 1);
    const report = ask();
    samples.add('ikemesh_up', {}, report === undefined ? 0 : 1);
    if (report !== undefined) this.#addReport(samples, report);
    this.#observer.addTo(samples);
    for (const [error, count] of await (this.#parts.xfrmErrors ?? xfrmErrors)())
      samples.add('ikemesh_xfrm_errors_total', { error }, count);
    this.#reconciliations.addTo(samples);
    samples.addDistribution('ikemesh_event_loop_lag_seconds', {}, this.#lag.distribution);
    addProcess(samples);
    return expose(samples);
  }

  stop(): void {
    this.#lag.stop();
  }

  #addReport(samples: Samples, report: StatusReport): void {
    const { peers } = report;
    // Without the kernel's word every SA would seem to begin anew when it is heard of again.
    if (report.kernelFailure === undefined) this.#traffic.take(peers);
    this.#observer.retain(new Set(peers.map(({ name }) => name)));
    addNode(samples, report);
    addTraffic(samples, this.#traffic);
    if (!this.#parts.withPeers) return;
    const shown = peers.slice(0, MAX_PEERS_WITH_SERIES);
    const names = new Set(shown.map(({ name }) => name));
    samples.add('ikemesh_peers_without_series', {}, peers.length - shown.length);
    addPeers(samples, shown);
    addPeerTraffic(samples, this.#traffic, names);
    this.#observer.addPeersTo(samples, names);
  }
}
