import type { HistogramName, LabelsOf, MetricName } from './definitions.ts';
import type { Distribution } from './distribution.ts';

/** One value of a metric, as prom-client writes it out. */
export interface Sample {
  /** Where it is not that of the metric: a part of a histogram. */
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** The values of one scrape, by metric. */
export class Samples {
  readonly #values = new Map<MetricName, Sample[]>();

  /** Adds a value; each set of labels of a metric may be added once. */
  add<Name extends MetricName>(name: Name, labels: LabelsOf<Name>, value: number): void {
    this.#of(name).push({ labels, value });
  }

  addDistribution<Name extends HistogramName>(name: Name, labels: LabelsOf<Name>, distribution: Distribution): void {
    const { buckets, count, sum } = distribution;
    const parts = this.#of(name);
    for (const { bound, cumulative } of buckets)
      parts.push({ metricName: `${name}_bucket`, labels: { ...labels, le: bound }, value: cumulative });
    parts.push({ metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count });
    parts.push(
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: count },
    );
  }

  /** What was added for a metric. */
  of(name: MetricName): readonly Sample[] {
    return this.#values.get(name) ?? [];
  }

  #of(name: MetricName): Sample[] {
    const known = this.#values.get(name);
    if (known !== undefined) return known;
    const values: Sample[] = [];
    this.#values.set(name, values);
    return values;
  }
}
