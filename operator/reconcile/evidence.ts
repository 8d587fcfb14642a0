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

  /** `say` is told why something stays. */
  constructor(client: ApiClient, signal: AbortSignal, say: (text: string) => void) {
    this.#client = client;
    this.#signal = signal;
    this.#say = say;
  }

  async nodeUids(): Promise<ReadonlySet<string> | undefined> {
    const source = listWatch(this.#client, { path: pathOf(typeOf('Node')), metadataOnly: true });
    const listing = await source.list(this.#signal);
    return 'kind' in listing ? undefined : new Set(listing.items.map(({ metadata }) => metadata.uid));
  }

  async peeringWasDeleted(name: string, createdAt: number): Promise<boolean> {
    // Asked in this order: a definition that goes takes its objects with it before it is gone itself.
    return (await this.#isMissing(name)) && (await this.#definitionIsOlder(name, createdAt));
  }

  async #isMissing(name: string): Promise<boolean> {
    const path = pathOf(typeOf('IPsecPeering'), undefined, name);
    const answer = await this.#client.ask({ method: 'GET', path }, this.#signal);
    // Without the name it is the kind that was not found.
    return !answer.ok && answer.error.status === 404 && answer.error.details?.name === name;
  }

  /** Whether the peering was made of the definition that is there now, and outlives it. */
  async #definitionIsOlder(name: string, createdAt: number): Promise<boolean> {
    const path = pathOf(typeOf('CustomResourceDefinition'), undefined, PEERINGS);
    const answer = await this.#client.ask({ method: 'GET', path }, this.#signal);
    if (!answer.ok) {
      this.#say(`cannot tell whether peering ${name} was deleted, so nodes keep it: ${answer.error.message}`);
      return false;
    }
    const { metadata } = answer.value as {
      readonly metadata: { readonly creationTimestamp: string; readonly deletionTimestamp?: string };
    };
    if (metadata.deletionTimestamp !== undefined) return false;
    if (Date.parse(metadata.creationTimestamp) <= createdAt) return true;
    this.#say(
      `peering ${name} went with an earlier definition of its kind, so nodes keep it: apply it again, and delete it ` +
        'then if it is to end',
    );
    return false;
  }
}
