import { Informer, type InformerState } from '../controller/informer.ts';
import { type Entry, type Loss, Store } from '../controller/store.ts';
import type { ApiClient } from '../kube/api-client.ts';
import { listWatch } from '../kube/list-watch.ts';
import { sameContent } from '../nodeconfig/same-content.ts';
import { type Places, type ValueOf, type Watched, type WatchedName, watched } from './watched.ts';

/** Told of everything that watches learn. */
export interface WatchesListener {
  /** Something that the plan depends on is otherwise. */
  changed(): void;
  /** An object is missing. */
  lost(name: WatchedName, value: unknown, uid: string, how: Loss): void;
  /** An object was replaced by another of its name. */
  replaced(name: WatchedName, uidBefore: string): void;
  state(name: WatchedName, state: InformerState): void;
}

/** The last known state of everything that is watched. */
export class Watches {
  readonly #informers = new Map<WatchedName, Informer<unknown>>();

  constructor(client: ApiClient, places: Places, listener: WatchesListener) {
    for (const name of Object.keys(watched) as WatchedName[]) {
      const kind = watched[name] as Watched<unknown>;
      const store = new Store<unknown>((object) => kind.read(object), {
        changed: (_key, entry, before) => {
          if (before !== undefined && before.uid !== entry.uid) listener.replaced(name, before.uid);
          // Most changes of Nodes and Pods are of no concern: a heartbeat, an image that was pulled.
          if (before === undefined || before.uid !== entry.uid || !sameContent(essence(before), essence(entry))) {
            listener.changed();
          }
        },
        lost: (_key, { value, uid }, how) => {
          listener.lost(name, value, uid, how);
          listener.changed();
        },
      });
      const informer = new Informer(listWatch(client, kind.selection(places)), store, (state) => {
        listener.state(name, state);
        listener.changed();
      });
      this.#informers.set(name, informer);
    }
  }

  /** Until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.#informers.values()].map((informer) => informer.run(signal)));
  }

  entries<Name extends WatchedName>(name: Name): IterableIterator<Entry<ValueOf<Name>>> {
    return this.#of(name).store.entries() as IterableIterator<Entry<ValueOf<Name>>>;
  }

  values<Name extends WatchedName>(name: Name): readonly ValueOf<Name>[] {
    return [...this.entries(name)].map(({ value }) => value);
  }

  state(name: WatchedName): InformerState {
    return this.#of(name).state;
  }

  /** What the server answered to a write, before the watch tells it. */
  put(name: WatchedName, object: Parameters<Store<unknown>['put']>[0]): void {
    this.#of(name).store.put(object);
  }

  /** Whether each kind that there is to watch is being watched at this moment, by its title. */
  watching(): ReadonlyMap<string, boolean> {
    const there = [...this.#informers].filter(([name, { state }]) => !isWithoutCertManager(name, state));
    return new Map(there.map(([name, { state }]) => [watched[name].title, state.kind === 'watching']));
  }

  /** Why no plan can be made yet, or undefined. */
  missing(): string | undefined {
    for (const [name, { state }] of this.#informers) {
      if (state.kind === 'watching' || (state.kind === 'failing' && state.listed)) continue;
      const { title, optional, remedy } = watched[name] as Watched<unknown>;
      if (state.kind === 'starting') return `${title} are not listed yet`;
      // A missing cert-manager is a condition of the peerings; everything else goes on.
      const answered = state.failure.kind !== 'failed';
      if ((optional === true && answered) || isWithoutCertManager(name, state)) continue;
      return failureText(title, state, remedy);
    }
    return undefined;
  }

  #of(name: WatchedName): Informer<unknown> {
    const informer = this.#informers.get(name);
    if (informer === undefined) throw new Error(`${name} is not watched`);
    return informer;
  }
}

/** What failed about a kind, and what to do. */
export function failureText(
  title: string,
  { failure }: Extract<InformerState, { kind: 'failing' }>,
  remedy: string,
): string {
  if (failure.kind === 'unknownKind') return `the API server knows no ${title}: ${remedy}`;
  if (failure.kind === 'forbidden') {
    return `${title} may not be read: ${failure.text}; grant it to the operator (the chart has the roles)`;
  }
  return `${title} cannot be read: ${failure.text}`;
}

/** cert-manager need not be there: with pre-shared keys nobody needs it, and else the peerings say so. */
function isWithoutCertManager(name: WatchedName, state: InformerState): boolean {
  const isCertManagers = name === 'certificates' || name === 'certificateRequests';
  return isCertManagers && state.kind === 'failing' && state.failure.kind === 'unknownKind';
}

/** resourceVersion changes with every write, and nothing depends on it. */
function essence({ value }: Entry<unknown>): unknown {
  const { metadata, ...rest } = value as { readonly metadata?: Readonly<Record<string, unknown>> };
  return metadata === undefined ? rest : { ...rest, metadata: { ...metadata, resourceVersion: undefined } };
}
