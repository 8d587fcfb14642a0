import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { type MetricsSettings, openMetrics } from '../metrics/open-metrics.ts';
import { err, ok, type Result } from '../result.ts';
import { systemClock } from '../runtime/clock-system.ts';
import type { Signals } from '../runtime/run.ts';
import type { StartParts } from '../runtime/start-agent.ts';
import { environmentFailure, type StartFailure } from '../runtime/start-failure.ts';
import { StatusServer } from '../runtime/status/status-server.ts';
import { VERSION } from '../runtime/version.ts';
import { ApiClient } from './api-client.ts';
import { ApiObjects } from './api-objects.ts';
import type { ApiServer, TokenSource } from './cluster-access.ts';
import { removeUnfinished } from './durable-file.ts';
import { ConfigurationFile } from './kept-configuration.ts';
import { NodeAgent } from './node-agent.ts';
import { NodeLock } from './node-lock.ts';
import { NodeToken } from './node-token.ts';
import { StatusWriter } from './status-writer.ts';
import { UnblockedPeerings } from './unblocked-peerings.ts';

/** What an agent in a cluster depends on. */
export interface ClusterOptions extends StartParts {
  readonly nodeName: string;
  /** Of the nodes' Secrets. */
  readonly namespace: string;
  readonly podUid: string;
  /** Folder on the node that outlives the pod. */
  readonly stateFolder: string;
  /** Status socket; keys and certificates are beside it, in memory. */
  readonly socket: string;
  readonly server: ApiServer;
  readonly token: TokenSource;
  /** Undefined: no metrics are served. */
  readonly metrics?: MetricsSettings | undefined;
  readonly signals: Signals;
}

/** Runs the agent of a node until a signal ends it; or why it could not start. */
export async function runInCluster(options: ClusterOptions): Promise<Result<void, StartFailure>> {
  const { log, nodeName, namespace, stateFolder, socket } = options;
  await removeUnfinished(stateFolder);
  const client = new ApiClient(options.server, options.token);
  const nodeToken = new NodeToken({ client, nodeName, namespace, monotonicMs: () => systemClock.monotonicMs() });
  const nodeClient = new ApiClient(options.server, () => nodeToken.token());
  const onRefused = (): void => nodeToken.forget();
  const writer = statusWriter(options, client);
  const cryptoProvider = options.provider.name;
  const post = async (path: string, body: object): Promise<unknown> => {
    const answer = await client.ask({ method: 'POST', path, body });
    if (!answer.ok) log.warn({ text: answer.error.message }, 'who asks for metrics is not known');
    return answer.ok ? answer.value : undefined;
  };
  const metrics = openMetrics(options.metrics, { log, cryptoProvider, report: () => agent.status(), post });
  const lock: NodeLock = new NodeLock(stateFolder, () => agent.report(), log);
  const agent: NodeAgent = new NodeAgent({
    ...options,
    observers: metrics.observers,
    reconciliations: metrics.reconciliations,
    source: new ApiObjects({ namespace, client, nodeClient, onRefused, random: Math.random }),
    credentialFolder: join(socket, '..', 'credentials'),
    kept: new ConfigurationFile(stateFolder, nodeName),
    unblocked: new UnblockedPeerings(stateFolder),
    agent: { podUID: options.podUid, bootID: bootId(), version: VERSION },
    mayBegin: () => lock.take(),
    lockFailure: () => lock.failure,
    isStandingBy: () => lock.isStandingBy,
    publish: (status, uid) => writer.offer(status, uid),
  });
  const server = await StatusServer.listen(
    socket,
    () => agent.report(),
    () => agent.readiness(),
  );
  if (!server.ok) {
    metrics.close();
    return err(environmentFailure(server.error));
  }
  let told = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    options.signals.on(signal, () => {
      told = true;
      agent.wake();
    });
  }
  log.info({ node: nodeName, version: VERSION, state: stateFolder }, 'waiting for what this node is to do');
  await agent.run(() => told);
  metrics.close();
  lock.release();
  for (const each of [client, nodeClient]) each.close();
  server.value.close();
  log.info({ kernel: 'left as it is' }, 'agent ended');
  return ok(undefined);
}

function statusWriter({ nodeName, log }: ClusterOptions, client: ApiClient): StatusWriter {
  return new StatusWriter({
    client,
    nodeName,
    monotonicMs: () => systemClock.monotonicMs(),
    random: Math.random,
    onFailure: (failure) => {
      if (failure !== undefined) log.warn({ text: failure.message }, 'the status cannot be written');
    },
  });
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '00000000-0000-0000-0000-000000000000';
  }
}
