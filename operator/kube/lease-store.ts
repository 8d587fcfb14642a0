import type { HeldLease, LeaseRecord, LeaseStore } from '../controller/leader-election.ts';
import type { ApiClient } from './api-client.ts';
import type { ApiError } from './api-error.ts';
import { pathOf, typeOf } from './resource-path.ts';

/** Keeps who leads in a Lease. */
export function leaseStore(client: ApiClient, namespace: string, name: string): LeaseStore {
  const type = typeOf('Lease');
  const failure = (error: ApiError): string =>
    `Lease ${namespace}/${name}: ${error.status === 0 ? error.message : `${error.reason}: ${error.message}`}`;
  return {
    async read(signal) {
      const answer = await client.ask({ method: 'GET', path: pathOf(type, namespace, name) }, signal);
      if (answer.ok) return heldOf(answer.value as LeaseObject);
      // A namespace that is missing is none of a missing Lease; writing it will say so.
      return answer.error.status === 404 ? 'missing' : { failure: failure(answer.error) };
    },
    async write(record, resourceVersion, signal) {
      const created = resourceVersion === undefined;
      const body = {
        apiVersion: type.apiVersion,
        kind: 'Lease',
        metadata: { name, namespace, ...(created ? {} : { resourceVersion }) },
        spec: {
          holderIdentity: record.holder,
          leaseDurationSeconds: record.durationSeconds,
          acquireTime: record.acquiredAt,
          renewTime: record.renewedAt,
          leaseTransitions: record.transitions,
        },
      };
      const path = pathOf(type, namespace, created ? undefined : name);
      const answer = await client.ask({ method: created ? 'POST' : 'PUT', path, body }, signal);
      return answer.ok ? undefined : failure(answer.error);
    },
  };
}

interface LeaseObject {
  readonly metadata: { readonly resourceVersion: string };
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

function heldOf({ metadata, spec = {} }: LeaseObject): HeldLease {
  const record: LeaseRecord = {
    holder: spec.holderIdentity ?? '',
    durationSeconds: spec.leaseDurationSeconds ?? 0,
    acquiredAt: spec.acquireTime ?? '',
    renewedAt: spec.renewTime ?? '',
    transitions: spec.leaseTransitions ?? 0,
  };
  return { record, resourceVersion: metadata.resourceVersion };
}
