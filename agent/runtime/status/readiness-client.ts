import type { Result } from '../../result.ts';
import { fetchReport } from './status-socket.ts';

/** Whether the pod of an agent is ready, and what it waits for or does. */
export interface ReadinessReport {
  readonly ready: boolean;
  readonly text: string;
}

/** Asks the agent that listens at `path` for no more than that, which costs it next to nothing; the error is a sentence. */
export function fetchReadiness(path: string): Promise<Result<ReadinessReport, string>> {
  return fetchReport<ReadinessReport>(path, '/ready');
}
