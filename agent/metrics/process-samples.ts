import type { Samples } from './samples.ts';

/** Adds what the process itself costs. */
export function addProcess(samples: Samples): void {
  const { user, system } = process.cpuUsage();
  samples.add('process_cpu_seconds_total', {}, (user + system) / 1e6);
  samples.add('process_resident_memory_bytes', {}, process.memoryUsage.rss());
  samples.add('process_start_time_seconds', {}, STARTED_AT);
}

/** Read once: by a clock that is set meanwhile the process would seem to have been started again. */
const STARTED_AT = Math.round((Date.now() - performance.now()) / 1_000);
