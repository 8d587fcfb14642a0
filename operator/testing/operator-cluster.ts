import {
  type ControlPlane,
  type ControlPlaneOptions,
  startControlPlane,
} from '../../hack/cluster/control-plane/control-plane.ts';
import type { IpsecNodeConfig } from '../api/ipsec-node-config.ts';
import type { IpsecPeerSlice } from '../api/ipsec-peer-slice.ts';
import type { IpsecPeering } from '../api/ipsec-peering.ts';
import { kinds } from '../api/kinds.ts';
import { pause } from '../controller/pause.ts';
import { ApiClient } from '../kube/api-client.ts';
import type { Answer } from '../kube/api-error.ts';
import { type Connection, connectionFrom } from '../kube/connection.ts';
import { pathOf, RESOURCE_TYPES, type ResourceType } from '../kube/resource-path.ts';
import type { ObservedCertificate } from '../nodeconfig/observed.ts';
import type { Places } from '../reconcile/watched.ts';
import { installedObjects } from './installed-objects.ts';

export const PREFIX = 'ikemesh';
export const PLACES: Places = {
  nodesNamespace: 'ikemesh-nodes',
  ownNamespace: 'ikemesh',
  agentAccount: `${PREFIX}-agent`,
};

/** An object of any kind, as tests write and read it. */
export interface AnyObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** A real control plane with ikemesh's kinds, roles, policy and namespaces, as the chart installs them. */
export class OperatorCluster {
  readonly controlPlane: ControlPlane;
  /** May do everything. */
  readonly admin: ApiClient;

  private constructor(controlPlane: ControlPlane) {
    this.controlPlane = controlPlane;
    this.admin = new ApiClient(connectionFrom(controlPlane.kubeconfig));
  }

  static async start(options: ControlPlaneOptions): Promise<OperatorCluster> {
    const cluster = new OperatorCluster(await startControlPlane(options));
    try {
      await cluster.#install();
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.controlPlane.close();
  }

  /** As the operator, with its rights and no others. */
  async operatorConnection(): Promise<Connection> {
    return connectionFrom(await this.operatorKubeconfig());
  }

  operatorKubeconfig(): Promise<string> {
    const { ownNamespace } = PLACES;
    return this.controlPlane.kubeconfigOf({
      name: `system:serviceaccount:${ownNamespace}:${PREFIX}-operator`,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${ownNamespace}`, 'system:authenticated'],
    });
  }

  /** Applies objects as somebody else than the operator. */
  async apply(...objects: readonly AnyObject[]): Promise<void> {
    for (const object of objects) {
      const { namespace, name } = object.metadata;
      const query = { fieldManager: 'test', force: true };
      const contentType = 'application/apply-patch+yaml';
      const path = pathOf(typeFor(object.kind), namespace, name);
      settled(await this.admin.ask({ method: 'PATCH', path, query, body: object, contentType }));
    }
  }

  /** Writes fields of the status of an object. */
  async patchStatus(kind: string, name: string, status: unknown, namespace?: string): Promise<void> {
    const path = `${pathOf(typeFor(kind), namespace, name)}/status`;
    const contentType = 'application/merge-patch+json';
    settled(await this.admin.ask({ method: 'PATCH', path, body: { status }, contentType }));
  }

  async remove(kind: string, name: string, namespace?: string): Promise<void> {
    settled(await this.admin.ask({ method: 'DELETE', path: pathOf(typeFor(kind), namespace, name) }));
  }

  async find<T>(kind: string, name: string, namespace?: string): Promise<T | undefined> {
    const answer = await this.admin.ask({ method: 'GET', path: pathOf(typeFor(kind), namespace, name) });
    if (!answer.ok && answer.error.status === 404) return undefined;
    return settled(answer) as T;
  }

  async list<T>(kind: string, namespace?: string): Promise<readonly T[]> {
    const ask = () => this.admin.ask({ method: 'GET', path: pathOf(typeFor(kind), namespace) });
    let answer = await ask();
    // A server that was started just now reads its storage first.
    for (let asked = 0; asked < 20 && !answer.ok && answer.error.status === 429; asked += 1) {
      await pause(500, new AbortController().signal);
      answer = await ask();
    }
    return (settled(answer) as { readonly items: readonly T[] }).items;
  }

  peering(name: string): Promise<IpsecPeering | undefined> {
    return this.find<IpsecPeering>('IPsecPeering', name);
  }

  nodeConfigs(): Promise<readonly IpsecNodeConfig[]> {
    return this.list<IpsecNodeConfig>('IPsecNodeConfig');
  }

  slices(): Promise<readonly IpsecPeerSlice[]> {
    return this.list<IpsecPeerSlice>('IPsecPeerSlice');
  }

  certificates(): Promise<readonly ObservedCertificate[]> {
    return this.list<ObservedCertificate>('Certificate', PLACES.nodesNamespace);
  }

  /** The condition of a peering, as `True Issued: message`. */
  async condition(peering: string, type: string): Promise<string> {
    const found = (await this.peering(peering))?.status?.conditions?.find((each) => each.type === type);
    return found === undefined ? 'none' : `${found.status} ${found.reason}: ${found.message}`;
  }

  async #install(): Promise<void> {
    const own = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: PLACES.ownNamespace } };
    await this.apply(own, ...(await installedObjects(PREFIX, PLACES.ownNamespace)));
    await until('the kinds are served', async () => {
      const answers = await Promise.all(
        kinds.map(({ kind }) => this.admin.ask({ method: 'GET', path: pathOf(typeFor(kind)) })),
      );
      return answers.every(({ ok }) => ok);
    });
  }
}

/** Asks again and again until something is so; what it was last is in the error. */
export async function until(what: string, probe: () => Promise<unknown>, withinMs = 60_000): Promise<void> {
  const end = performance.now() + withinMs;
  let last: unknown;
  for (;;) {
    last = await probe();
    if (last === true) return;
    if (performance.now() > end) throw new Error(`waited ${withinMs / 1_000} s until ${what}: ${JSON.stringify(last)}`);
    await pause(PROBE_EVERY_MS, new AbortController().signal);
  }
}

/** The answer, or a failed test. */
function settled(answer: Answer<unknown>): unknown {
  if (!answer.ok) throw new Error(`${answer.error.reason}: ${answer.error.message}`);
  return answer.value;
}

function typeFor(kind: string): ResourceType {
  const type = RESOURCE_TYPES[kind] ?? MORE_TYPES[kind];
  if (type === undefined) throw new Error(`no URL is known of ${kind}`);
  return type;
}

const MORE_TYPES: Readonly<Record<string, ResourceType>> = {
  Namespace: { apiVersion: 'v1', plural: 'namespaces' },
  ConfigMap: { apiVersion: 'v1', plural: 'configmaps' },
  ClusterRole: { apiVersion: 'rbac.authorization.k8s.io/v1', plural: 'clusterroles' },
  Issuer: { apiVersion: 'cert-manager.io/v1', plural: 'issuers' },
  ValidatingAdmissionPolicy: {
    apiVersion: 'admissionregistration.k8s.io/v1',
    plural: 'validatingadmissionpolicies',
  },
  ValidatingAdmissionPolicyBinding: {
    apiVersion: 'admissionregistration.k8s.io/v1',
    plural: 'validatingadmissionpolicybindings',
  },
};
const PROBE_EVERY_MS = 200;
