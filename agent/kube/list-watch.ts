import { setTimeout as sleep } from 'node:timers/promises';

import { err, ok, type Result } from '../result.ts';
import type { ApiClient } from './api-client.ts';
import { type ApiFailure, unanswered } from './api-failure.ts';
import {
  FIRST_PAUSE_MS,
  LIST_PAGE,
  LONGEST_PAUSE_MS,
  MAX_PAGES,
  RELIST_SPREAD_MS,
  WATCH_SECONDS,
  WATCH_SILENCE_MS,
} from './limits.ts';

/** What every object of Kubernetes has, as far as it matters here; everything else is unknown until it is read. */
export interface WatchedObject {
  readonly metadata: { readonly name: string; readonly uid?: string; readonly resourceVersion?: string };
  readonly [field: string]: unknown;
}

/** What to watch, and who is told. */
export interface ListWatchParts {
  readonly client: Pick<ApiClient, 'ask' | 'stream'>;
  /** `/api/v1/namespaces/n/secrets` */
  readonly path: string;
  /** `{ fieldSelector: 'metadata.name=a' }` */
  readonly query: Readonly<Record<string, string>>;
  /** Between 0 and 1. */
  readonly random: () => number;
  /** Told all objects, after a whole list and after each change. A list that fails tells nothing. */
  readonly onObjects: (objects: ReadonlyMap<string, WatchedObject>) => void;
  /** Told of each failure, and once that it is over. */
  readonly onFailure: (failure: ApiFailure | undefined) => void;
}

/**
 * Knows all objects of a path and keeps up with them: lists in pages, watches from there with bookmarks, lists again
 * when the server has forgotten where we were (410), and pauses with jitter after failures. Ends when it is stopped.
 */
export class ListWatch {
  readonly #parts: ListWatchParts;
  readonly #stopped = new AbortController();
  #objects = new Map<string, WatchedObject>();
  #version: string | undefined;
  #failures = 0;

  constructor(parts: ListWatchParts) {
    this.#parts = parts;
  }

  /** Runs until it is stopped. */
  async run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const pauseMs = await this.#once();
      // Stopping ends the pause, too, by an error of its own.
      if (pauseMs > 0) await sleep(pauseMs, undefined, { signal, ref: true }).catch(() => undefined);
    }
  }

  stop(): void {
    this.#stopped.abort();
  }

  /** One list or one watch; how long to wait before the next. */
  async #once(): Promise<number> {
    const begunAt = performance.now();
    const watched = this.#version !== undefined;
    const done = this.#version === undefined ? await this.#list() : await this.#watch(this.#version);
    if (this.#stopped.signal.aborted) return 0;
    if (done.ok) {
      this.#succeeded();
      // A server, or something before it, that ends every watch at once is not to be asked without end.
      return watched && performance.now() - begunAt < FIRST_PAUSE_MS ? pauseAfter(1, this.#parts.random()) : 0;
    }
    const { status, retryAfterMs } = done.error;
    if (status === GONE) {
      this.#version = undefined;
      return this.#parts.random() * RELIST_SPREAD_MS;
    }
    // What was watched may have become another thing altogether, such as a definition that was made anew.
    if (status !== 0) this.#version = undefined;
    this.#failures += 1;
    this.#parts.onFailure(done.error);
    return Math.max(pauseAfter(this.#failures, this.#parts.random()), retryAfterMs);
  }

  #succeeded(): void {
    if (this.#failures > 0) this.#parts.onFailure(undefined);
    this.#failures = 0;
  }

  async #list(): Promise<Result<void, ApiFailure>> {
    const objects = new Map<string, WatchedObject>();
    let next = '';
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const query = { ...this.#parts.query, limit: String(LIST_PAGE), ...(next === '' ? {} : { continue: next }) };
      const answer = await this.#parts.client.ask({ method: 'GET', path: this.#pathWith(query) });
      if (!answer.ok) return answer;
      if (this.#stopped.signal.aborted) return ok(undefined);
      const read = readPage(answer.value);
      if (read === undefined) return err(unanswered(`GET ${this.#parts.path}: the answer is no list`));
      for (const object of read.items) objects.set(object.metadata.name, object);
      next = read.next;
      if (next !== '') continue;
      this.#objects = objects;
      this.#version = read.version;
      this.#parts.onObjects(objects);
      return ok(undefined);
    }
    return err(unanswered(`GET ${this.#parts.path}: there are more than ${MAX_PAGES * LIST_PAGE} objects`));
  }

  async #watch(version: string): Promise<Result<void, ApiFailure>> {
    const seconds = Math.round(WATCH_SECONDS * (1 + this.#parts.random()));
    const query = {
      ...this.#parts.query,
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion: version,
      timeoutSeconds: String(seconds),
    };
    const ending = new AbortController();
    const signal = AbortSignal.any([this.#stopped.signal, ending.signal]);
    let refusal: ApiFailure | undefined;
    const take = (line: unknown): void => {
      refusal ??= this.#take(line);
      if (refusal !== undefined) ending.abort();
    };
    const ended = await this.#parts.client.stream(this.#pathWith(query), take, signal, WATCH_SILENCE_MS);
    return refusal === undefined ? ended : err(refusal);
  }

  /** One event of a watch; the server's refusal to go on is an event as well. */
  #take(line: unknown): ApiFailure | undefined {
    const event = readEvent(line);
    if (event === undefined) return unanswered(`watch of ${this.#parts.path}: an event cannot be read`);
    if (event.kind === 'refusal') {
      const message = `watch of ${this.#parts.path}: ${event.status} ${event.message}`;
      return { kind: 'apiFailure', status: event.status, message, retryAfterMs: 0 };
    }
    if (this.#stopped.signal.aborted) return undefined;
    const { type, object } = event;
    this.#succeeded();
    this.#version = object.metadata.resourceVersion ?? this.#version;
    if (type === 'BOOKMARK') return undefined;
    if (type === 'DELETED') this.#objects.delete(object.metadata.name);
    else this.#objects.set(object.metadata.name, object);
    if (this.#objects.size > MAX_PAGES * LIST_PAGE) {
      return unanswered(`watch of ${this.#parts.path}: there are more than ${MAX_PAGES * LIST_PAGE} objects`);
    }
    this.#parts.onObjects(this.#objects);
    return undefined;
  }

  #pathWith(query: Readonly<Record<string, string>>): string {
    return `${this.#parts.path}?${new URLSearchParams(query)}`;
  }
}

/** Doubled with each failure up to a bound, between half of that and all of it. */
export function pauseAfter(failures: number, random: number): number {
  const fullMs = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 16), LONGEST_PAUSE_MS);
  return fullMs * (0.5 + random / 2);
}

interface Page {
  readonly items: readonly WatchedObject[];
  readonly version: string;
  readonly next: string;
}

function readPage(value: unknown): Page | undefined {
  const { items, metadata } = (value ?? {}) as { readonly items?: unknown; readonly metadata?: unknown };
  const { resourceVersion, continue: next = '' } = (metadata ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof resourceVersion !== 'string' || typeof next !== 'string') return undefined;
  // The server leaves out, or has as null, what is empty.
  const list: readonly unknown[] | undefined = Array.isArray(items) ? items : items == null ? [] : undefined;
  if (list === undefined || !list.every(isObject)) return undefined;
  return { items: list, version: resourceVersion, next };
}

type WatchEvent =
  | { readonly kind: 'object'; readonly type: string; readonly object: WatchedObject }
  | { readonly kind: 'refusal'; readonly status: number; readonly message: string };

function readEvent(line: unknown): WatchEvent | undefined {
  const { type, object } = (line ?? {}) as { readonly type?: unknown; readonly object?: unknown };
  if (type === 'ERROR') {
    const { code, message } = (object ?? {}) as Readonly<Record<string, unknown>>;
    return {
      kind: 'refusal',
      status: typeof code === 'number' ? code : 0,
      message: String(message ?? '').slice(0, 500),
    };
  }
  if (typeof type !== 'string' || !EVENT_TYPES.has(type)) return undefined;
  if (type === 'BOOKMARK' && isBookmark(object)) return { kind: 'object', type, object };
  return isObject(object) ? { kind: 'object', type, object } : undefined;
}

function isObject(value: unknown): value is WatchedObject {
  const metadata = (value as { readonly metadata?: Readonly<Record<string, unknown>> } | null)?.metadata;
  return typeof metadata?.['name'] === 'string';
}

/** A bookmark has nothing but a version. */
function isBookmark(value: unknown): value is WatchedObject {
  const metadata = (value as { readonly metadata?: Readonly<Record<string, unknown>> } | null)?.metadata;
  return typeof metadata?.['resourceVersion'] === 'string';
}

const GONE = 410;
const EVENT_TYPES: ReadonlySet<string> = new Set(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK']);
