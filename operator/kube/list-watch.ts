import type { Listing, Source, SourceFailure, StoredObject, WatchEvent } from '../controller/source.ts';
import type { ApiClient, ApiRequest } from './api-client.ts';
import type { ApiError } from './api-error.ts';

/** Which objects. */
export interface Selection {
  /** URL path of the collection. */
  readonly path: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Names, labels and owners only: the rest never leaves the server. */
  readonly metadataOnly?: true;
}

/** Lists in pages and watches with bookmarks. */
export function listWatch(client: ApiClient, selection: Selection): Source {
  const list = (signal: AbortSignal) => listAll(client, selection, signal);
  return {
    list,
    async watch(after, signal, tell) {
      let failure: SourceFailure | undefined;
      const query = {
        ...queryOf(selection),
        watch: true,
        allowWatchBookmarks: true,
        resourceVersion: after,
        // Spread, so that not all watches of a server end together.
        timeoutSeconds: Math.round(WATCH_SECONDS * (1 + Math.random())),
      };
      const request = { ...requestOf(selection), accept: accepted(selection, 'PartialObjectMetadata'), query };
      const answer = await client.stream(request, signal, SILENCE_MS, (line) => {
        const event = eventOf(line);
        if ('text' in event) failure ??= event;
        else tell(event);
      });
      return failure ?? (answer.ok ? undefined : failureOf(answer.error));
    },
  };
}

async function listAll(client: ApiClient, selection: Selection, signal: AbortSignal): Promise<Listing | SourceFailure> {
  const items: StoredObject[] = [];
  let next = '';
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const query = { ...queryOf(selection), limit: PAGE_SIZE, ...(next === '' ? {} : { continue: next }) };
    const request = { ...requestOf(selection), accept: accepted(selection, 'PartialObjectMetadataList'), query };
    const answer = await client.ask(request, signal);
    if (!answer.ok) return failureOf(answer.error);
    const body = answer.value as ListBody;
    if (body.metadata?.resourceVersion === undefined) return { kind: 'failed', text: 'the answer is no list' };
    items.push(...(body.items ?? []));
    next = body.metadata.continue ?? '';
    if (next === '') return { items, resourceVersion: body.metadata.resourceVersion };
  }
  return { kind: 'failed', text: `there are more than ${MAX_PAGES * PAGE_SIZE} objects` };
}

interface ListBody {
  readonly items?: readonly StoredObject[];
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

function requestOf({ path }: Selection): ApiRequest {
  return { method: 'GET', path };
}

function queryOf({ labelSelector, fieldSelector }: Selection): Readonly<Record<string, string>> {
  return { ...(labelSelector && { labelSelector }), ...(fieldSelector && { fieldSelector }) };
}

function accepted({ metadataOnly }: Selection, as: string): string {
  return metadataOnly === true ? `application/json;as=${as};g=meta.k8s.io;v=v1` : 'application/json';
}

function eventOf(line: unknown): WatchEvent | SourceFailure {
  const { type, object } = line as { readonly type: string; readonly object: StoredObject };
  if (type === 'ADDED' || type === 'MODIFIED') return { kind: 'changed', object };
  if (type === 'DELETED') return { kind: 'deleted', object };
  if (type === 'BOOKMARK') return { kind: 'bookmark', resourceVersion: object.metadata.resourceVersion };
  const {
    code = 0,
    reason = '',
    message = 'the watch failed',
  } = object as {
    readonly code?: number;
    readonly reason?: string;
    readonly message?: string;
  };
  return failureOf({ status: code, reason, message });
}

function failureOf({ status, reason, message, retryAfterMs }: ApiError): SourceFailure {
  if (status === 410) return { kind: 'expired', text: message };
  if (status === 404) return { kind: 'unknownKind', text: message };
  if (status === 401 || status === 403) return { kind: 'forbidden', text: message };
  return { kind: 'failed', text: status === 0 ? message : `${reason}: ${message}`, retryAfterMs };
}

/** Some megabytes, whatever the kind. */
const PAGE_SIZE = 500;
/** Fifty thousand objects: ten for each of five thousand nodes. */
const MAX_PAGES = 100;
/** The least; the most is twice that. */
const WATCH_SECONDS = 240;
/** The server sends a bookmark each minute. */
const SILENCE_MS = 90_000;
