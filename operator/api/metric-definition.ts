/** What a metric is: what Prometheus is told, and what the documentation says. */
export interface MetricDefinition {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  /** What a value counts or measures; base units. */
  readonly unit: string;
  /** Upper bounds of a histogram, where they are the same for all of its labels and known here. */
  readonly buckets?: readonly number[];
  /** One series or more for each peer, which may be switched off. */
  readonly perPeer?: true;
}
