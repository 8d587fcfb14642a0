/** What every object of an API server has. */
export interface StoredObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    /** Grows with every change; those of one kind can be compared. */
    readonly resourceVersion: string;
    readonly creationTimestamp?: string;
  };
}

/** All objects of a kind at one moment. */
export interface Listing {
  readonly items: readonly StoredObject[];
  readonly resourceVersion: string;
}

/** One thing that a watch says. */
export type WatchEvent =
  | { readonly kind: 'changed'; readonly object: StoredObject }
  | { readonly kind: 'deleted'; readonly object: StoredObject }
  /** Nothing before this version is still to come. */
  | { readonly kind: 'bookmark'; readonly resourceVersion: string };

/** Why a source does not answer. */
export interface SourceFailure {
  readonly kind: /** The versions that were asked for are forgotten: list again. */
    | 'expired'
    /** There is no such kind. */
    | 'unknownKind'
    | 'forbidden'
    | 'failed';
  readonly text: string;
  readonly retryAfterMs?: number | undefined;
}

/** Objects of one kind, to be listed and watched. */
export interface Source {
  list(signal: AbortSignal): Promise<Listing | SourceFailure>;
  /** Tells what happened after a version, until the server ends it (undefined) or something fails. */
  watch(after: string, signal: AbortSignal, tell: (event: WatchEvent) => void): Promise<SourceFailure | undefined>;
}
