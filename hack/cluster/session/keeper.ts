import { ClusterError } from '../cluster-error.ts';
import { type ControlPlane, startControlPlane } from '../control-plane/control-plane.ts';
import { KEEP, type KeeperReport, type KeeperRequest } from './messages.ts';
import { removeSession, type Session, writeSession } from './session.ts';

/**
 * The process that a cluster of `up` belongs to: its servers end with it. It ends by a signal, and by the end of `up`
 * before that has said to keep the cluster.
 */
async function keep(request: KeeperRequest): Promise<void> {
  const over = new AbortController();
  const end = () => over.abort();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
  process.on('disconnect', end);
  process.on('message', (message) => {
    if (message !== KEEP) return;
    process.off('disconnect', end);
    process.disconnect?.();
  });
  try {
    const say = (line: string) => report({ kind: 'said', line });
    const controlPlane = await startControlPlane({
      controllers: true,
      certManager: request.certManager,
      say,
      signal: over.signal,
    });
    try {
      await announce(controlPlane, request);
      await aborted(over.signal);
      await removeSession(request.sessionFile);
    } finally {
      await controlPlane.close();
    }
  } catch (error) {
    if (over.signal.aborted) return;
    report({ kind: 'failed', reason: error instanceof ClusterError ? error.message : String(error) });
    process.exitCode = 1;
  } finally {
    if (process.connected) process.disconnect?.();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, end);
  }
}

async function announce(controlPlane: ControlPlane, { sessionFile }: KeeperRequest): Promise<void> {
  const { folder, kubeconfig, auditLog, server } = controlPlane;
  const session: Session = { keeper: process.pid, folder, kubeconfig, auditLog, url: server.url };
  await writeSession(sessionFile, session);
  report({ kind: 'ready', session });
}

function report(message: KeeperReport): void {
  if (process.connected) process.send?.(message);
}

function aborted(signal: AbortSignal): Promise<void> {
  // The process has nothing else to wait for once `up` has gone.
  const awake = setInterval(() => undefined, 2 ** 30);
  return new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  }).finally(() => clearInterval(awake));
}

await keep(JSON.parse(process.argv[2] ?? '') as KeeperRequest);
