import type { Gauge } from 'prom-client';

import { AGENT_METRICS } from './definitions.ts';
import type { Samples } from './samples.ts';

/** Text in Prometheus' exposition format, and its media type. */
export interface Exposition {
  readonly contentType: string;
  readonly text: string;
}

/**
 * Writes samples out. prom-client's registry is loaded by the first scrape, and nothing else of it: an agent that nobody asks does
 * without its memory.
 */
export async function expose(samples: Samples): Promise<Exposition> {
  const { default: Registry } = await import('prom-client/lib/registry.js');
  const registry = new Registry();
  for (const definition of AGENT_METRICS) {
    const { name, help, type } = definition;
    const values = samples.of(name);
    if (values.length === 0) continue;
    // A registry asks its metrics for nothing but this. What they keep themselves would cost twice the time: all values
    // are of this moment.
    const metric = { name, help, type, aggregator: 'omit', get: async () => ({ name, help, type, values }) };
    registry.registerMetric(metric as unknown as Gauge);
  }
  return { contentType: registry.contentType, text: await registry.metrics() };
}
