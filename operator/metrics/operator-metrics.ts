import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

import type { IpsecPeering } from '../api/ipsec-peering.ts';
import type { MetricDefinition } from '../api/metric-definition.ts';
import { type LabelOf, type NameOf, OPERATOR_METRICS } from './definitions.ts';

/** Of a peering nothing but its status is told, so one that cannot be read is as good. */
type JudgedPeering = Pick<IpsecPeering, 'metadata' | 'status'>;

/** What a running operator is asked at each scrape. */
export interface OperatorState {
  readonly leads: boolean;
  /** Why it cannot work, or undefined. */
  readonly unready: string | undefined;
  /** Of the work queue. */
  readonly queueLength: number;
  /** Whether each kind is being watched, by its name. */
  readonly watching: ReadonlyMap<string, boolean>;
  readonly peerings: readonly JudgedPeering[];
}

/** Everything that an operator tells Prometheus, with what prom-client tells of every process. */
export class OperatorMetrics {
  readonly #registry = new Registry();
  readonly #plans: Histogram;
  readonly #planErrors: Counter;
  readonly #writes: Counter<LabelOf<'ikemesh_operator_writes_total'>>;
  readonly #writeTimes: Histogram<LabelOf<'ikemesh_operator_write_duration_seconds'>>;
  readonly #state: () => OperatorState;

  constructor(version: string, state: () => OperatorState) {
    this.#state = state;
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#gauge('ikemesh_operator_build_info', (set) => set({ version }, 1));
    this.#gauge('ikemesh_operator_leader', (set, { leads }) => set({}, leads ? 1 : 0));
    this.#gauge('ikemesh_operator_ready', (set, { unready }) => set({}, unready === undefined ? 1 : 0));
    this.#gauge('ikemesh_operator_watch_up', (set, { watching }) => {
      for (const [kind, isUp] of watching) set({ kind }, isUp ? 1 : 0);
    });
    this.#plans = new Histogram({ ...optionsOf('ikemesh_operator_reconcile_duration_seconds'), registers });
    this.#planErrors = new Counter({ ...optionsOf('ikemesh_operator_reconcile_errors_total'), registers });
    this.#gauge('ikemesh_operator_work_queue_depth', (set, { queueLength }) => set({}, queueLength));
    this.#writes = new Counter({ ...optionsOf('ikemesh_operator_writes_total'), registers });
    this.#writeTimes = new Histogram({ ...optionsOf('ikemesh_operator_write_duration_seconds'), registers });
    this.#addPeerings();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The answer to a scrape. */
  expose(): Promise<string> {
    return this.#registry.metrics();
  }

  /** A plan was made, or could not be. */
  planned(seconds: number, outcome: 'made' | 'failed'): void {
    this.#plans.observe(seconds);
    if (outcome === 'failed') this.#planErrors.inc();
  }

  /** A write was answered; `code` is the status of a refusal, 0 where there was no answer. */
  wrote(kind: string, operation: string, code: number | 'ok', seconds: number): void {
    this.#writes.inc({ kind, operation, code: String(code) });
    this.#writeTimes.observe({ operation }, seconds);
  }

  /** Only of the leader: those in reserve would tell the same a second time. */
  #addPeerings(): void {
    this.#gauge('ikemesh_peering_condition', (set, state) => {
      for (const { metadata, status } of known(state)) {
        for (const { type, status: value } of status?.conditions ?? [])
          set({ peering: metadata.name, type }, value === 'True' ? 1 : value === 'False' ? 0 : -1);
      }
    });
    this.#gauge('ikemesh_peering_nodes', (set, state) => {
      for (const { metadata, status } of known(state)) {
        for (const each of ['selected', 'ready'] as const)
          set({ peering: metadata.name, state: each }, status?.nodes?.[each] ?? 0);
      }
    });
    this.#gauge('ikemesh_peering_tunnels', (set, state) => {
      for (const { metadata, status } of known(state)) {
        for (const each of ['expected', 'established', 'encrypting'] as const)
          set({ peering: metadata.name, state: each }, status?.tunnels?.[each] ?? 0);
      }
    });
  }

  /** A gauge whose values are those of the moment of each scrape. */
  #gauge<Name extends NameOf<'gauge'>>(
    name: Name,
    collect: (set: (labels: Record<LabelOf<Name>, string>, value: number) => void, state: OperatorState) => void,
  ): void {
    const gauge: Gauge = new Gauge({
      ...optionsOf(name),
      registers: [this.#registry],
      collect: () => {
        gauge.reset();
        collect((labels, value) => gauge.set(labels, value), this.#state());
      },
    });
  }
}

function known({ leads, peerings }: OperatorState): readonly JudgedPeering[] {
  return leads ? peerings : [];
}

/** A metric of the list as prom-client wants it. */
function optionsOf(name: string): { name: string; help: string; labelNames: string[]; buckets?: number[] } {
  const found = OPERATOR_METRICS.find((each: MetricDefinition) => each.name === name) as MetricDefinition;
  const { help, labels, buckets } = found;
  return { name, help, labelNames: [...labels], ...(buckets && { buckets: [...buckets] }) };
}
