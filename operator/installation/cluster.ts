import type { ApiClient } from '../kube/api-client.ts';
import type { Answer, ApiError } from '../kube/api-error.ts';
import { pathOf, type ResourceType } from '../kube/resource-path.ts';

/** What the API server would not do, with what was asked of it. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly error: ApiError;

  constructor(what: string, error: ApiError) {
    super(`${what}: ${error.message}`);
    this.error = error;
  }
}

/** An object of whatever kind. */
export interface ClusterObject {
  readonly metadata: { readonly name: string; readonly uid: string; readonly generation?: number };
  readonly [field: string]: unknown;
}

/** All objects of a kind, in pages. */
export async function listAll<T extends ClusterObject>(
  client: ApiClient,
  type: ResourceType,
  { namespace, labelSelector }: { readonly namespace?: string; readonly labelSelector?: string } = {},
): Promise<readonly T[]> {
  const items: T[] = [];
  let token = '';
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const query = { limit: PAGE_SIZE, ...(labelSelector && { labelSelector }), ...(token && { continue: token }) };
    const answer = await client.ask({ method: 'GET', path: pathOf(type, namespace), query });
    const body = must(`${type.plural} cannot be listed`, answer) as {
      readonly items: readonly T[];
      readonly metadata: { readonly continue?: string };
    };
    items.push(...body.items);
    token = body.metadata.continue ?? '';
    if (token === '') return items;
  }
  throw new Error(`there are more than ${MAX_PAGES * PAGE_SIZE} ${type.plural}`);
}

/** Deletes an object and what it owns; whether it was there. */
export async function deleteIfPresent(
  client: ApiClient,
  type: ResourceType,
  namespace: string | undefined,
  name: string,
): Promise<boolean> {
  const body = { kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy: 'Background' };
  const answer = await client.ask({ method: 'DELETE', path: pathOf(type, namespace, name), body });
  if (!answer.ok && answer.error.status === 404) return false;
  must(`${type.plural}/${name} cannot be deleted`, answer);
  return true;
}

/** What was asked for, or an error that says what was asked. */
export function must<T>(what: string, answer: Answer<T>): T {
  if (answer.ok) return answer.value;
  throw new RefusedError(what, answer.error);
}

const PAGE_SIZE = 500;
const MAX_PAGES = 100;
