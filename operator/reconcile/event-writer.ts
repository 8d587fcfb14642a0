import type { KubernetesObject } from '../api/resource.ts';
import type { ApiClient } from '../kube/api-client.ts';
import { pathOf, typeOf } from '../kube/resource-path.ts';
import type { Transition } from './transitions.ts';

/** Writes Events. None is worth holding anything up: what fails is only logged, what is too much is left out. */
export class EventWriter {
  readonly #client: ApiClient;
  readonly #instance: string;
  readonly #say: (text: string) => void;
  readonly #spent = new Map<string, { count: number; readonly since: number }>();
  #number = 0;

  /** `instance` is who writes, such as the name of the Pod. */
  constructor(client: ApiClient, instance: string, say: (text: string) => void) {
    this.#client = client;
    this.#instance = instance;
    this.#say = say;
  }

  /** Writes what happened to an object without a namespace. */
  async write(
    { apiVersion, kind, metadata: { name, uid } }: Pick<KubernetesObject, 'apiVersion' | 'kind' | 'metadata'>,
    transitions: readonly Transition[],
    at: Date,
    signal: AbortSignal,
  ): Promise<void> {
    for (const { type, reason, note } of transitions) {
      if (!this.#mayWrite(`${kind}/${name}`, at.getTime())) return;
      this.#number += 1;
      const body = {
        apiVersion: typeOf('Event').apiVersion,
        kind: 'Event',
        metadata: {
          name: `${name.slice(0, MAX_BEGINNING)}.${at.getTime().toString(16)}.${this.#number.toString(16)}`,
          // Where Events of objects without a namespace are.
          namespace: NAMESPACE,
        },
        eventTime: at.toISOString().replace('Z', '000Z'),
        reportingController: 'ikemesh.io/operator',
        reportingInstance: this.#instance.slice(0, MAX_INSTANCE),
        action: 'Reconcile',
        type,
        reason,
        note,
        regarding: { apiVersion, kind, name, uid },
      };
      const answer = await this.#client.ask({ method: 'POST', path: pathOf(typeOf('Event'), NAMESPACE), body }, signal);
      if (!answer.ok && !signal.aborted) this.#say(`an Event cannot be written: ${answer.error.message}`);
    }
  }

  #mayWrite(object: string, now: number): boolean {
    const spent = this.#spent.get(object);
    if (spent === undefined || now - spent.since > PERIOD_MS) {
      if (this.#spent.size >= MAX_OBJECTS) this.#spent.clear();
      this.#spent.set(object, { count: 1, since: now });
      return true;
    }
    spent.count += 1;
    return spent.count <= MAX_IN_PERIOD;
  }
}

const NAMESPACE = 'default';
const MAX_BEGINNING = 200;
const MAX_INSTANCE = 128;
/** A peering that changes all the time says so by its conditions; Events tell how it began. */
const MAX_IN_PERIOD = 25;
const PERIOD_MS = 10 * 60_000;
const MAX_OBJECTS = 1_000;
