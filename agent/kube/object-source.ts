import type { ApiFailure } from './api-failure.ts';
import type { WatchedObject } from './list-watch.ts';

/** Which objects of the cluster: one by its name, or all slices of a peering. */
export type ObjectQuery =
  | { readonly resource: 'ipsecnodeconfigs' | 'secrets' | 'configmaps'; readonly name: string }
  | { readonly resource: 'ipsecpeerslices'; readonly peering: string };

/** Who hears of objects. */
export interface ObjectListener {
  /** Told all of them by name, at first and after each change. */
  readonly onObjects: (objects: ReadonlyMap<string, WatchedObject>) => void;
  /** Told of each failure, and once that it is over. */
  readonly onFailure: (failure: ApiFailure | undefined) => void;
}

/** Where the objects come from that say what a node is to do: an API server, or a folder of manifests. */
export interface ObjectSource {
  /** What it is called in messages. */
  readonly name: string;
  /** Where Secrets with certificates come from, behind a colon in messages. */
  readonly certificates: string;
  /** Tells of objects until it is stopped; never before it has returned. */
  follow(query: ObjectQuery, listener: ObjectListener): { stop(): void };
}
