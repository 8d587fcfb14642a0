import { existsSync, readFileSync } from 'node:fs';
import { Agent as PlainAgent, type RequestOptions } from 'node:http';
import { Agent } from 'node:https';

import { KubeConfig } from '@kubernetes/client-node';

/** Where an API server is, and how to prove who asks. */
export interface Connection {
  /** `https://10.96.0.1:443` */
  readonly server: URL;
  /** What a request needs beside its own; tokens that are replaced on disk are read again. */
  options(): Promise<RequestOptions>;
}

/** Nobody can be asked: the message says what to do. */
export class NoConnectionError extends Error {
  override readonly name = 'NoConnectionError';
}

/**
 * The API server that a kubeconfig names: `path`, else `KUBECONFIG`, else the ServiceAccount of the pod, else
 * `~/.kube/config`.
 * @throws NoConnectionError when there is none, or it cannot be read.
 */
export function connectionFrom(path?: string): Connection {
  const config = new KubeConfig();
  try {
    if (path !== undefined) config.loadFromFile(path);
    else if (process.env['KUBECONFIG'] === undefined && isInCluster()) config.loadFromCluster();
    else config.loadFromDefault();
  } catch (error) {
    throw new NoConnectionError(`the kubeconfig cannot be read: ${error instanceof Error ? error.message : error}`);
  }
  const cluster = config.getCurrentCluster();
  // What client-node falls back to when it found nothing.
  if (cluster === null || (path === undefined && cluster.server === 'http://localhost:8080')) {
    throw new NoConnectionError(
      'no API server is named: run in a cluster, set KUBECONFIG, or give --kubeconfig with a current-context',
    );
  }
  return {
    server: new URL(cluster.server),
    options: optionsOf(config, cluster.server, cluster.proxyUrl !== undefined),
  };
}

/** client-node would open a connection for each request; these are kept open. */
function optionsOf(config: KubeConfig, server: string, proxied: boolean): Connection['options'] {
  let kept: { readonly identity: string; readonly agent: RequestOptions['agent'] } | undefined;
  return async () => {
    const options: RequestOptions & Record<string, unknown> = {};
    await config.applyToHTTPSOptions(options as Parameters<KubeConfig['applyToHTTPSOptions']>[0]);
    if (proxied) return options;
    const { ca, cert, key, rejectUnauthorized, servername } = options;
    const identity = [ca, cert, key].map(String).join();
    if (kept?.identity !== identity) {
      const tls = Object.fromEntries(
        Object.entries({ ca, cert, key, rejectUnauthorized, servername }).filter(([, value]) => value != null),
      );
      const agent = server.startsWith('https:') ? new Agent({ ...KEPT_OPEN, ...tls }) : new PlainAgent(KEPT_OPEN);
      kept = { identity, agent };
    }
    return { ...options, agent: kept.agent };
  };
}

/** The namespace of the pod that this runs in. */
export function ownNamespace(): string | undefined {
  return existsSync(NAMESPACE_FILE) ? readFileSync(NAMESPACE_FILE, 'utf8').trim() : undefined;
}

function isInCluster(): boolean {
  return process.env['KUBERNETES_SERVICE_HOST'] !== undefined && existsSync(NAMESPACE_FILE);
}

const KEPT_OPEN = { keepAlive: true, keepAliveMsecs: 30_000 };
const NAMESPACE_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';
