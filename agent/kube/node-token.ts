import { err, ok, type Result } from '../result.ts';
import type { ApiClient } from './api-client.ts';
import type { ApiFailure } from './api-failure.ts';
import { MAX_TOKEN_BYTES, NODE_TOKEN_SECONDS, TOKEN_RETRY_MS } from './limits.ts';

/** What an exchange of tokens depends on. */
export interface NodeTokenParts {
  /** Asks by the pod's own token. */
  readonly client: Pick<ApiClient, 'ask'>;
  readonly nodeName: string;
  /** Of the nodes' Secrets and ServiceAccounts. */
  readonly namespace: string;
  /** Not the clock on the wall, which may be set back by a day. */
  readonly monotonicMs: () => number;
}

/**
 * The token of the ServiceAccount of this node alone. All agents have one ServiceAccount, which may read no Secret; for
 * its own pod's token, in which the API server has written the node, an agent gets a token of `node-<name>`, bound to
 * that Node, which may read the Secrets of that node and nothing else. Admission policy refuses every other node's.
 */
export class NodeToken {
  readonly #parts: NodeTokenParts;
  #current: { readonly token: string; readonly renewAtMs: number; readonly endsAtMs: number } | undefined;
  #asking: Promise<Result<string, string>> | undefined;
  #failed: { readonly untilMs: number; readonly text: string } | undefined;

  constructor(parts: NodeTokenParts) {
    this.#parts = parts;
  }

  /** The token; it is renewed when a third of its life is left, and goes on to be used while that fails. */
  token(): Promise<Result<string, string>> {
    const now = this.#parts.monotonicMs();
    if (this.#current !== undefined && now < this.#current.renewAtMs) return Promise.resolve(ok(this.#current.token));
    if (this.#failed !== undefined && now < this.#failed.untilMs)
      return Promise.resolve(this.#lastResort(this.#failed.text));
    this.#asking ??= this.#renew().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  /** The API server refused the token before its time: the next one is asked for at once. */
  forget(): void {
    this.#current = undefined;
  }

  async #renew(): Promise<Result<string, string>> {
    const { client, namespace, nodeName, monotonicMs } = this.#parts;
    const askedAtMs = monotonicMs();
    const answer = await client.ask({
      method: 'POST',
      path: `/api/v1/namespaces/${namespace}/serviceaccounts/node-${nodeName}/token`,
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: {
          expirationSeconds: NODE_TOKEN_SECONDS,
          boundObjectRef: { apiVersion: 'v1', kind: 'Node', name: nodeName },
        },
      },
    });
    const granted = answer.ok ? readToken(answer.value) : undefined;
    if (granted === undefined) {
      const text = exchangeFailure(nodeName, answer.ok ? undefined : answer.error);
      this.#failed = { untilMs: monotonicMs() + TOKEN_RETRY_MS, text };
      return this.#lastResort(text);
    }
    this.#failed = undefined;
    // By our own clock from when we asked: that of the API server may be another.
    const lifeMs = granted.seconds * 1_000;
    this.#current = { token: granted.token, renewAtMs: askedAtMs + (lifeMs * 2) / 3, endsAtMs: askedAtMs + lifeMs };
    return ok(granted.token);
  }

  #lastResort(text: string): Result<string, string> {
    const current = this.#current;
    return current !== undefined && this.#parts.monotonicMs() < current.endsAtMs ? ok(current.token) : err(text);
  }
}

function exchangeFailure(nodeName: string, failure: ApiFailure | undefined): string {
  const what = `no token of the ServiceAccount node-${nodeName}, by which the Secrets of this node are read`;
  if (failure === undefined) return `${what}: the answer cannot be read`;
  if (failure.status === 404) return `${what}: it is not there until the operator has made it`;
  return `${what}: ${failure.message}`;
}

function readToken(value: unknown): { readonly token: string; readonly seconds: number } | undefined {
  const { spec, status } = (value ?? {}) as Readonly<
    Record<'spec' | 'status', Readonly<Record<string, unknown>> | undefined>
  >;
  const token = status?.['token'];
  const seconds = Number(spec?.['expirationSeconds']);
  if (typeof token !== 'string' || token === '' || token.length > MAX_TOKEN_BYTES) return undefined;
  return seconds > 0 ? { token, seconds } : undefined;
}
