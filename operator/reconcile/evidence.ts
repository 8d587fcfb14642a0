import type { ApiClient } from '../kube/api-client.ts';
import { listWatch } from '../kube/list-watch.ts';
import { pathOf, typeOf } from '../kube/resource-path.ts';
import type { Evidence } from './departures.ts';

const PEERINGS = 'ipsecpeerings.ikemesh.io';

/** Asks the API server, past every cache. */
export class LiveEvidence implements Evidence {
  readonly #client: ApiClient;
  readonly #signal: AbortSignal;
  readonly #say: (text: string) => void;
  #definition: string | undefined;
  #told = '';

  constructor(client: ApiClient, signal: AbortSignal, say: (text: string) => void) {
    this.#client = client;
    this.#signal = signal;
    this.#say = say;
  }

  /** Remembers the kind of the peerings, so that it is noticed when another takes its place. */
  async begin(): Promise<void> {
    this.#definition ??= await this.#liveDefinition();
  }

  async nodeUids(): Promise<ReadonlySet<string> | undefined> {
    const source = listWatch(this.#client, { path: pathOf(typeOf('Node')), metadataOnly: true });
    const listing = await source.list(this.#signal);
    return 'kind' in listing ? undefined : new Set(listing.items.map(({ metadata }) => metadata.uid));
  }

  async peeringsAreKept(): Promise<boolean> {
    const definition = await this.#liveDefinition();
    return definition !== undefined && definition === this.#definition;
  }

  async hasPeering(name: string): Promise<boolean | undefined> {
    const path = pathOf(typeOf('IPsecPeering'), undefined, name);
    const answer = await this.#client.ask({ method: 'GET', path }, this.#signal);
    if (answer.ok) return true;
    // Without the name it is the kind that was not found.
    return answer.error.status === 404 && answer.error.details?.name === name ? false : undefined;
  }

  /** The UID of the definition; undefined where it cannot be read or is about to go. */
  async #liveDefinition(): Promise<string | undefined> {
    const path = pathOf(typeOf('CustomResourceDefinition'), undefined, PEERINGS);
    const answer = await this.#client.ask({ method: 'GET', path }, this.#signal);
    if (!answer.ok) {
      const text = `cannot tell whether peerings were deleted, so nodes keep them: ${answer.error.message}`;
      if (text !== this.#told) this.#say(text);
      this.#told = text;
      return undefined;
    }
    const { metadata } = answer.value as {
      readonly metadata: { readonly uid: string; readonly deletionTimestamp?: string };
    };
    return metadata.deletionTimestamp === undefined ? metadata.uid : undefined;
  }
}
