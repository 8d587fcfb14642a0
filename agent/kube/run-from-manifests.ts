import { join } from 'node:path';

import { type MetricsSettings, openMetrics } from '../metrics/open-metrics.ts';
import { err, ok, type Result } from '../result.ts';
import { systemTimers } from '../runtime/clock-system.ts';
import type { Signals } from '../runtime/run.ts';
import type { StartParts } from '../runtime/start-agent.ts';
import { environmentFailure, type StartFailure } from '../runtime/start-failure.ts';
import { StatusServer } from '../runtime/status/status-server.ts';
import { VERSION } from '../runtime/version.ts';
import { ManifestObjects } from './manifest-objects.ts';
import { NodeAgent } from './node-agent.ts';

/** What an agent that works from a folder of manifests depends on. */
export interface ManifestOptions extends StartParts {
  readonly folder: string;
  /** Left out: the one of which the folder has an IPsecNodeConfig. */
  readonly nodeName: string | undefined;
  /** Of the nodes' Secrets. */
  readonly namespace: string;
  /** Status socket; keys and certificates are beside it. */
  readonly socket: string;
  readonly flushOnExit: boolean;
  /** Undefined: no metrics are served. */
  readonly metrics?: MetricsSettings | undefined;
  readonly signals: Signals;
}

/**
 * Runs the agent of a node until a signal ends it, as in a cluster, but from files: its IPsecNodeConfig, IPsecPeerSlices,
 * Secrets and ConfigMaps. Or why it could not start.
 */
export async function runFromManifests(options: ManifestOptions): Promise<Result<void, StartFailure>> {
  const { folder, namespace, log, socket, signals, flushOnExit } = options;
  const opened = await ManifestObjects.open({ folder, namespace, timers: systemTimers, log });
  if (!opened.ok) return err({ kind: 'startFailure', exitCode: 2, text: opened.error.join('\n') });
  const source = opened.value;
  const nodeName = chosenNode(source, options.nodeName);
  if (!nodeName.ok) {
    source.close();
    return nodeName;
  }
  const cryptoProvider = options.provider.name;
  const metrics = openMetrics(options.metrics, { log, cryptoProvider, report: () => agent.status() });
  const agent: NodeAgent = new NodeAgent({
    ...options,
    observers: metrics.observers,
    reconciliations: metrics.reconciliations,
    nodeName: nodeName.value,
    source,
    credentialFolder: join(socket, '..', 'credentials'),
    mayBegin: async () => true,
    isStandingBy: () => false,
    publish: async () => undefined,
  });
  // Before anything is touched: two agents in one place would undo each other's work.
  const server = await StatusServer.listen(
    socket,
    () => agent.report(),
    () => agent.readiness(),
  );
  if (!server.ok) {
    metrics.close();
    source.close();
    return err(environmentFailure(server.error));
  }
  let told = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    signals.on(signal, () => {
      told = true;
      agent.wake();
    });
  }
  signals.on('SIGHUP', () => void source.reread());
  log.info({ node: nodeName.value, version: VERSION, manifests: folder }, 'doing what the manifests say');
  await agent.run(() => told, flushOnExit);
  metrics.close();
  source.close();
  server.value.close();
  log.info({ kernel: flushOnExit ? 'flushed' : 'left as it is' }, 'agent ended');
  return ok(undefined);
}

function chosenNode({ name, nodes }: ManifestObjects, wanted: string | undefined): Result<string, StartFailure> {
  const fault = (text: string) => err({ kind: 'startFailure', exitCode: 2, text } as const);
  const [only] = nodes;
  if (only === undefined)
    return fault(`${name} has no IPsecNodeConfig: \`operator --manifests DIR --out ${name}\` writes them`);
  if (wanted === undefined && nodes.length === 1) return ok(only);
  const names = nodes.slice(0, MAX_NAMES).join(', ');
  if (wanted === undefined) return fault(`${name} is for several nodes: choose one by --node-name (${names})`);
  return nodes.includes(wanted) ? ok(wanted) : fault(`${name} has no IPsecNodeConfig of ${wanted}, but of ${names}`);
}

/** Of those in a message. */
const MAX_NAMES = 10;
