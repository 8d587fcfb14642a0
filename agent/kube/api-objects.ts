import { apiVersion } from '../../operator/api/resource.ts';
import type { ApiClient } from './api-client.ts';
import { ListWatch } from './list-watch.ts';
import type { ObjectListener, ObjectQuery, ObjectSource } from './object-source.ts';

/** What objects of the API server are watched by. */
export interface ApiObjectsParts {
  /** Of Secrets and ConfigMaps. */
  readonly namespace: string;
  /** By the pod's own token. */
  readonly client: Pick<ApiClient, 'ask' | 'stream'>;
  /** By the token of the node's ServiceAccount. */
  readonly nodeClient: Pick<ApiClient, 'ask' | 'stream'>;
  /** The node's token was refused. */
  readonly onRefused: () => void;
  readonly random: () => number;
}

/** The objects of an API server, each kind by the token that may read it. */
export class ApiObjects implements ObjectSource {
  readonly name = 'the API server';
  readonly certificates = 'cert-manager makes it when it has issued the certificate';
  readonly #parts: ApiObjectsParts;

  constructor(parts: ApiObjectsParts) {
    this.#parts = parts;
  }

  follow(query: ObjectQuery, { onObjects, onFailure }: ObjectListener): { stop(): void } {
    const { onRefused, random } = this.#parts;
    const watch = new ListWatch({
      ...this.#request(query),
      random,
      onObjects,
      onFailure: (failure) => {
        if (failure?.status === UNAUTHORIZED) onRefused();
        onFailure(failure);
      },
    });
    void watch.run();
    return watch;
  }

  #request(query: ObjectQuery): {
    readonly client: ApiObjectsParts['client'];
    readonly path: string;
    readonly query: Readonly<Record<string, string>>;
  } {
    const { client, nodeClient, namespace } = this.#parts;
    const { resource } = query;
    const path = `/apis/${apiVersion}/${resource}`;
    if (resource === 'ipsecpeerslices') {
      return { client, path, query: { labelSelector: `ikemesh.io/peering=${query.peering}` } };
    }
    const byName = { fieldSelector: `metadata.name=${query.name}` };
    if (resource === 'ipsecnodeconfigs') return { client, path, query: byName };
    return { client: nodeClient, path: `/api/v1/namespaces/${namespace}/${resource}`, query: byName };
  }
}

const UNAUTHORIZED = 401;
