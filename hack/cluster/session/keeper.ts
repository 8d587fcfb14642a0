import { ClusterError } from '../cluster-error.ts';
import { type ControlPlane, startControlPlane } from '../control-plane/control-plane.ts';
import { nodeName, startCluster } from '../nodes/cluster.ts';
import { KEEP, type KeeperReport, type KeeperRequest } from './messages.ts';
import { serveOrders } from './order-server.ts';
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
    await (request.nodes === 0 ? keepControlPlane : keepCluster)(request, say, over.signal);
  } catch (error) {
    if (over.signal.aborted) return;
    report({ kind: 'failed', reason: error instanceof ClusterError ? error.message : String(error) });
    process.exitCode = 1;
  } finally {
    if (process.connected) process.disconnect?.();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, end);
  }
}

async function keepControlPlane(
  request: KeeperRequest,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { certManager } = request;
  const controlPlane = await startControlPlane({ controllers: true, certManager, say, signal });
  try {
    await keepUntil(signal, controlPlane, request);
  } finally {
    await controlPlane.close();
  }
}

async function keepCluster(request: KeeperRequest, say: (line: string) => void, signal: AbortSignal): Promise<void> {
  const nodes = Array.from({ length: request.nodes }, (_, index) => nodeName(index + 1));
  const cluster = await startCluster({ nodes, certManager: request.certManager, say, signal });
  try {
    const orders = await serveOrders(cluster, cluster.controlPlane.folder);
    await keepUntil(signal, cluster.controlPlane, request);
    orders.close();
  } finally {
    await cluster.close();
  }
}

async function keepUntil(signal: AbortSignal, controlPlane: ControlPlane, request: KeeperRequest): Promise<void> {
  await announce(controlPlane, request);
  await aborted(signal);
  await removeSession(request.sessionFile);
}

async function announce(controlPlane: ControlPlane, { sessionFile, nodes }: KeeperRequest): Promise<void> {
  const { folder, kubeconfig, auditLog, server } = controlPlane;
  const session: Session = { keeper: process.pid, folder, kubeconfig, auditLog, url: server.url, nodes: nodes > 0 };
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
