import type { StoredObject } from '../controller/source.ts';
import type { ApiClient, ApiRequest } from '../kube/api-client.ts';
import type { Answer } from '../kube/api-error.ts';
import { pathOf, typeOf } from '../kube/resource-path.ts';
import type { Change } from '../nodeconfig/changes.ts';

/** By this the API server knows which fields are the operator's. */
const FIELD_MANAGER = 'ikemesh-operator';

/** Carries out one change; answers the object as it is then, undefined where it was deleted. */
export async function write(
  client: ApiClient,
  change: Change,
  signal: AbortSignal,
): Promise<Answer<StoredObject | undefined>> {
  if (change.kind === 'delete') return remove(client, change, signal);
  return (await client.ask(requestOf(change), signal)) as Answer<StoredObject>;
}

function requestOf(change: Exclude<Change, { kind: 'delete' }>): ApiRequest {
  if (change.kind === 'apply') {
    const { object, uid } = change;
    const { metadata, ...content } = object;
    const { name, namespace, labels, ownerReferences } = metadata;
    const body = { ...content, metadata: { name, namespace, labels, ownerReferences, uid } };
    return apply(pathOf(typeOf(object.kind), namespace, name), body);
  }
  const { peering, status } = change;
  const { apiVersion, kind, metadata } = peering;
  const { name, uid } = metadata;
  return apply(`${pathOf(typeOf(kind), undefined, name)}/status`, {
    apiVersion,
    kind,
    metadata: { name, uid },
    status,
  });
}

/** Server-side apply. With the UID in it the server refuses it for another object, and does not make a deleted one anew. */
export function apply(path: string, body: unknown): ApiRequest {
  const query = { fieldManager: FIELD_MANAGER, force: true };
  return { method: 'PATCH', path, query, body, contentType: 'application/apply-patch+yaml' };
}

async function remove(
  client: ApiClient,
  { object, uid }: Extract<Change, { kind: 'delete' }>,
  signal: AbortSignal,
): Promise<Answer<undefined>> {
  const { name, namespace } = object.metadata;
  const body = { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid }, propagationPolicy: 'Background' };
  const path = pathOf(typeOf(object.kind), namespace, name);
  const answer = await client.ask({ method: 'DELETE', path, body }, signal);
  return answer.ok || answer.error.status === 404 ? { ok: true, value: undefined } : answer;
}
