import type { Result } from '../../result.ts';
import type { StatusReport } from './report.ts';
import { fetchReport } from './status-socket.ts';

/** Asks the agent that listens at `path` for all that it can tell; the error is a sentence. */
export function fetchStatus(path: string): Promise<Result<StatusReport, string>> {
  return fetchReport<StatusReport>(path, '/status');
}
