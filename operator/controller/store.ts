import { isBefore } from './resource-version.ts';
import type { Listing, StoredObject, WatchEvent } from './source.ts';

/** An object as it is kept: what the caller needs of it, and what tells versions apart. */
export interface Entry<T> {
  readonly value: T;
  readonly uid: string;
  readonly resourceVersion: string;
  /** In milliseconds. */
  readonly createdAt: number;
}

/** How an object came to be missing. */
export type Loss =
  /** The server said that it was deleted. */
  | 'deleted'
  /** A later list of all lacks it. */
  | 'unlisted';

/** Told of what changes in a store. */
export interface StoreListener<T> {
  changed(key: string, entry: Entry<T>, before: Entry<T> | undefined): void;
  lost(key: string, entry: Entry<T>, how: Loss): void;
}

/**
 * The last known state of the objects of one kind. Own writes may be put in before the watch tells of them; what the watch
 * tells later and is older is ignored.
 */
export class Store<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #read: (object: StoredObject) => T | undefined;
  readonly #listener: StoreListener<T>;
  /** Everything up to here was told by the watch. */
  #told = '0';

  /** `read` answers undefined for what cannot be used. */
  constructor(read: (object: StoredObject) => T | undefined, listener: StoreListener<T>) {
    this.#read = read;
    this.#listener = listener;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Where a watch goes on. */
  get resourceVersion(): string {
    return this.#told;
  }

  entries(): IterableIterator<Entry<T>> {
    return this.#entries.values();
  }

  of(key: string): Entry<T> | undefined {
    return this.#entries.get(key);
  }

  /** All objects anew. Own writes that are newer than the list stay. */
  replace({ items, resourceVersion }: Listing): void {
    this.#told = resourceVersion;
    const listed = new Set(items.map(keyOf));
    for (const [key, entry] of this.#entries) {
      if (listed.has(key) || isBefore(resourceVersion, entry.resourceVersion)) continue;
      this.#entries.delete(key);
      this.#listener.lost(key, entry, 'unlisted');
    }
    for (const object of items) this.#keep(object);
  }

  /** One thing that the watch told. */
  take(event: WatchEvent): void {
    if (event.kind === 'bookmark') {
      this.#told = event.resourceVersion;
      return;
    }
    const { object } = event;
    this.#told = object.metadata.resourceVersion;
    if (event.kind === 'changed') this.#keep(object);
    else this.#lose(object);
  }

  /** What the server answered to a write of ours. */
  put(object: StoredObject): void {
    // Otherwise the watch was faster, and may have told that it is deleted.
    if (isBefore(this.#told, object.metadata.resourceVersion)) this.#keep(object);
  }

  #keep(object: StoredObject): void {
    const { uid, resourceVersion, creationTimestamp } = object.metadata;
    const key = keyOf(object);
    const before = this.#entries.get(key);
    if (before !== undefined && isBefore(resourceVersion, before.resourceVersion)) return;
    const value = this.#read(object);
    if (value === undefined) {
      this.#entries.delete(key);
      return;
    }
    const createdAt = creationTimestamp === undefined ? 0 : Date.parse(creationTimestamp);
    const entry = { value, uid, resourceVersion, createdAt };
    this.#entries.set(key, entry);
    this.#listener.changed(key, entry, before);
  }

  #lose(object: StoredObject): void {
    const key = keyOf(object);
    const entry = this.#entries.get(key);
    if (entry === undefined || isBefore(object.metadata.resourceVersion, entry.resourceVersion)) return;
    this.#entries.delete(key);
    this.#listener.lost(key, entry, 'deleted');
  }
}

/** `namespace/name`, or `/name` where there is no namespace. */
function keyOf({
  metadata: { namespace = '', name },
}: {
  readonly metadata: { readonly name: string; readonly namespace?: string | undefined };
}): string {
  return `${namespace}/${name}`;
}
