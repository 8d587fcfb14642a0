import { type Backoff, waitAfter } from './backoff.ts';
import { pause } from './pause.ts';
import type { Listing, Source, SourceFailure } from './source.ts';
import type { Store } from './store.ts';

/** What an informer is about to do, as far as others need to know. */
export type InformerState =
  | { readonly kind: 'starting' }
  /** The store was complete once, and is kept up to date. */
  | { readonly kind: 'watching' }
  /** The store is what it was; `listed` says whether it was ever complete. */
  | { readonly kind: 'failing'; readonly listed: boolean; readonly failure: SourceFailure };

/**
 * Keeps a store like the server's: lists once, watches from there, and lists again when the server has forgotten where it
 * was. Whatever fails leaves the store as it is.
 */
export class Informer<T> {
  readonly store: Store<T>;
  readonly #source: Source;
  readonly #onState: (state: InformerState) => void;
  #state: InformerState = { kind: 'starting' };
  #listed = false;

  constructor(source: Source, store: Store<T>, onState: (state: InformerState) => void) {
    this.store = store;
    this.#source = source;
    this.#onState = onState;
  }

  get state(): InformerState {
    return this.#state;
  }

  /** Until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    let stale = true;
    while (!signal.aborted) {
      const failure: SourceFailure | undefined = stale
        ? await this.#list(signal)
        : await this.#source.watch(this.store.resourceVersion, signal, (event) => this.store.take(event));
      if (signal.aborted) return;
      if (failure === undefined) {
        failures = 0;
        stale = false;
        this.#set({ kind: 'watching' });
        continue;
      }
      failures += 1;
      // A watch may fail for as long as the server is away; only when it is refused is there reason to begin anew.
      if (failure.kind !== 'failed') stale = true;
      if (failure.kind === 'expired' && failures === 1) continue;
      // A connection that broke once says nothing yet.
      if (failures > 1 || stale) this.#set({ kind: 'failing', listed: this.#listed, failure });
      await pause(Math.max(waitAfter(failures, BACKOFF), failure.retryAfterMs ?? 0), signal);
    }
  }

  async #list(signal: AbortSignal): Promise<SourceFailure | undefined> {
    const answer: Listing | SourceFailure = await this.#source.list(signal);
    if ('kind' in answer) return answer;
    this.store.replace(answer);
    this.#listed = true;
    return undefined;
  }

  #set(state: InformerState): void {
    const before = this.#state;
    this.#state = state;
    const same =
      before.kind === state.kind &&
      (state.kind !== 'failing' || before.kind !== 'failing' || before.failure.text === state.failure.text);
    if (!same) this.#onState(state);
  }
}

/** Long enough apart for a server that is starting, and short enough to see soon that a kind was installed. */
const BACKOFF: Backoff = { leastMs: 500, mostMs: 30_000 };
