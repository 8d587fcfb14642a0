import { fork } from 'node:child_process';
import { join } from 'node:path';

import { ClusterError } from '../cluster-error.ts';
import { KEEP, type KeeperReport, type KeeperRequest } from './messages.ts';
import { readSession, removeSession, type Session } from './session.ts';

/**
 * Starts a cluster that stays when this process ends, and gives it once it is ready. If this process ends earlier,
 * however it does, so does the cluster.
 * @throws ClusterError when one of this name is up, and when the start fails.
 */
export async function up(request: KeeperRequest, say: (line: string) => void): Promise<Session> {
  const running = await readSession(request.sessionFile);
  if (running !== undefined) throw new ClusterError('it is up already; end it with: npm run cluster -- down');
  await removeSession(request.sessionFile);
  const keeper = fork(join(import.meta.dirname, 'keeper.ts'), [JSON.stringify(request)], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    keeper.on('error', reject);
    keeper.on('exit', () => reject(new ClusterError('the process that keeps the cluster ended')));
    keeper.on('message', (message) => {
      const report = message as KeeperReport;
      if (report.kind === 'said') say(report.line);
      if (report.kind === 'failed') reject(new ClusterError(report.reason));
      if (report.kind !== 'ready') return;
      keeper.removeAllListeners('exit');
      keeper.unref();
      keeper.send(KEEP, () => resolve(report.session));
    });
  });
}
