import { setTimeout as delay } from 'node:timers/promises';

import { isRunning } from '../../lab/host/run-folder.ts';
import { readSession, removeSession } from './session.ts';

/** Ends the cluster and waits until nothing of it is left; false when there was none. */
export async function down(file: string): Promise<boolean> {
  const session = await readSession(file);
  if (session !== undefined) {
    process.kill(session.keeper, 'SIGTERM');
    const killedAt = performance.now() + orderlyMs;
    while (isRunning(session.keeper)) {
      // What it guards ends with it, its folder too.
      if (performance.now() > killedAt) process.kill(session.keeper, 'SIGKILL');
      await delay(50);
    }
  }
  await removeSession(file);
  return session !== undefined;
}

const orderlyMs = 15_000;
