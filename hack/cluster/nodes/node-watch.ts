import type { ClientRequest, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';

import type { Credential } from '../control-plane/authority.ts';
import type { Server } from '../control-plane/kubeconfig.ts';
import type { NodeObject } from './pod-network.ts';

/**
 * Tells all Nodes of a cluster, at the beginning and after each change of one, until aborted. What fails, such as while
 * the API server is restarted, is tried again.
 */
export async function watchNodes(
  server: Server,
  credential: Credential,
  changed: (nodes: readonly NodeObject[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const get = (query: string) => answer(server, credential, `/api/v1/nodes${query}`, signal);
  while (!signal.aborted) {
    try {
      const list = JSON.parse(await text(await get(''))) as NodeList;
      changed(list.items);
      // Whatever the change is: the next list shows it, and further ones that came meanwhile.
      const response = await get(`?watch=true&timeoutSeconds=300&resourceVersion=${list.metadata.resourceVersion}`);
      await firstPiece(response);
      response.destroy();
      await delay(gatheringMs, undefined, { signal });
    } catch {
      await delay(retryMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

interface NodeList {
  readonly metadata: { readonly resourceVersion: string };
  readonly items: readonly NodeObject[];
}

function answer(server: Server, credential: Credential, path: string, signal: AbortSignal): Promise<IncomingMessage> {
  const options = { ca: server.authority, cert: credential.certificate, key: credential.key, agent: false, signal };
  return new Promise((resolve, reject) => {
    const asked: ClientRequest = request(`${server.url}${path}`, options, (response) => {
      if (response.statusCode === 200) resolve(response);
      else reject(new Error(`${path}: ${response.statusCode}`));
    });
    asked.on('error', reject);
    asked.end();
  });
}

async function text(response: IncomingMessage): Promise<string> {
  response.setEncoding('utf8');
  let all = '';
  for await (const piece of response) all += piece;
  return all;
}

function firstPiece(response: IncomingMessage): Promise<void> {
  return new Promise((resolve, reject) => {
    response.once('data', () => resolve());
    response.once('end', () => resolve());
    response.once('error', reject);
    response.once('close', () => resolve());
  });
}

/** Changes often come several at a time. */
const gatheringMs = 100;
const retryMs = 500;
