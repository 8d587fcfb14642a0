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

/** Which API server a person chooses, and as whom, by the options that kubectl has. */
export interface Choice {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly cluster?: string | undefined;
  readonly user?: string | undefined;
  readonly server?: string | undefined;
  readonly token?: string | undefined;
  readonly as?: string | undefined;
  readonly asGroup?: readonly string[] | undefined;
  readonly insecureSkipTlsVerify?: boolean | undefined;
}

/** What a choice leads to. */
export interface ChosenConnection extends Connection {
  /** The namespace that the context names. */
  readonly namespace: string | undefined;
  /** For what client-node does itself. */
  readonly config: KubeConfig;
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

/**
 * The API server that a person chooses, as kubectl does: the file that is named, else `KUBECONFIG`, else `~/.kube/config`,
 * else the ServiceAccount of the pod.
 * @throws NoConnectionError when there is none, or it cannot be read.
 */
export function connectionBy(choice: Choice): ChosenConnection {
  const config = new KubeConfig();
  try {
    if (choice.kubeconfig !== undefined) config.loadFromFile(choice.kubeconfig);
    else config.loadFromDefault(undefined, true);
  } catch (error) {
    throw new NoConnectionError(`the kubeconfig cannot be read: ${error instanceof Error ? error.message : error}`);
  }
  const context = chosenContext(config, choice);
  const { server } = context.cluster;
  if (server === 'http://localhost:8080' && choice.server === undefined) {
    throw new NoConnectionError('no API server is named: set KUBECONFIG, or give --kubeconfig or --server');
  }
  if (!URL.canParse(server)) throw new NoConnectionError(`the kubeconfig names "${server}" as server, which is no URL`);
  const plain = optionsOf(config, server, context.cluster.proxyUrl !== undefined);
  const headers = impersonation(choice);
  return {
    server: new URL(server),
    namespace: context.namespace,
    config,
    options: async () => {
      const options = await plain();
      return { ...options, headers: { ...(options.headers as object | undefined), ...headers } };
    },
  };
}

/** Makes one context of what the file says and what was chosen instead, the current one. */
function chosenContext(config: KubeConfig, choice: Choice) {
  const name = choice.context ?? config.getCurrentContext();
  const found = config.getContextObject(name);
  if (found === null && choice.context !== undefined) {
    const known = config.getContexts().map((each) => each.name);
    throw new NoConnectionError(`the kubeconfig has no context "${name}"; it has ${known.join(', ') || 'none'}`);
  }
  const clusterName = choice.cluster ?? found?.cluster ?? '';
  const userName = choice.user ?? found?.user ?? '';
  const cluster = config.getCluster(clusterName);
  if (cluster === null && choice.server === undefined) {
    throw new NoConnectionError(
      clusterName === ''
        ? 'the kubeconfig names no API server: kubectl config use-context NAME, or give --context'
        : `the kubeconfig has no cluster "${clusterName}"`,
    );
  }
  if (choice.user !== undefined && config.getUser(userName) === null) {
    throw new NoConnectionError(`the kubeconfig has no user "${userName}"`);
  }
  const isPlain = (choice.server ?? cluster?.server ?? '').startsWith('http:');
  const made = {
    ...(cluster ?? {}),
    name: CHOSEN,
    server: choice.server ?? cluster?.server ?? '',
    // Without TLS there is nothing to be verified, which client-node wants to be said.
    skipTLSVerify: isPlain || (choice.insecureSkipTlsVerify ?? cluster?.skipTLSVerify ?? false),
  };
  const user = { ...config.getUser(userName), name: CHOSEN, ...(choice.token && { token: choice.token }) };
  const { namespace } = found ?? {};
  config.loadFromOptions({
    clusters: [...config.getClusters().filter((each) => each.name !== CHOSEN), made],
    users: [...config.getUsers().filter((each) => each.name !== CHOSEN), user],
    contexts: [{ name: CHOSEN, cluster: CHOSEN, user: CHOSEN }],
    currentContext: CHOSEN,
  });
  return { cluster: made, namespace };
}

/** As whom somebody acts who may act as others. */
function impersonation({ as, asGroup = [] }: Choice): Record<string, string | string[]> {
  return {
    ...(as === undefined ? {} : { 'impersonate-user': as }),
    ...(asGroup.length === 0 ? {} : { 'impersonate-group': [...asGroup] }),
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

/** What the context is called that was made of options. */
const CHOSEN = 'chosen by options';
const KEPT_OPEN = { keepAlive: true, keepAliveMsecs: 30_000 };
const NAMESPACE_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';
