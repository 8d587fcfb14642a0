import { apiVersion } from '../api/resource.ts';
import type { KnownNode } from './roster.ts';

/** The reference by which an object of a node goes with the node's IPsecNodeConfig; undefined until that is there. */
export function ownedByNodeConfig({ name, config }: KnownNode) {
  const uid = config?.metadata.uid;
  return uid === undefined ? undefined : { apiVersion, kind: 'IPsecNodeConfig', name, uid, controller: true };
}
