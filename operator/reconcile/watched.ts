import type * as z from 'zod';

import { ipsecNodeConfig } from '../api/ipsec-node-config.ts';
import { ipsecPeerSlice } from '../api/ipsec-peer-slice.ts';
import { type IpsecPeering, ipsecPeering, peeringStatus } from '../api/ipsec-peering.ts';
import { readKnownFields } from '../api/read-object.ts';
import { apiVersion, type KubernetesObject } from '../api/resource.ts';
import type { StoredObject } from '../controller/source.ts';
import type { Selection } from '../kube/list-watch.ts';
import { pathOf, typeOf } from '../kube/resource-path.ts';
import { NODE_UID_LABEL } from '../nodeconfig/names.ts';
import {
  nodeObject,
  type ObservedCertificate,
  type UnreadableObject,
  type UnreadablePeering,
  type WrittenObject,
} from '../nodeconfig/observed.ts';

/** Where things are in a cluster. */
export interface Places {
  /** Namespace of Certificates, Secrets and the identities of nodes. */
  readonly nodesNamespace: string;
  /** Namespace of operator and agents. */
  readonly ownNamespace: string;
  /** ServiceAccount of the agents. */
  readonly agentAccount: string;
}

/** One kind of object that the plan is made from. */
export interface Watched<T> {
  /** `CertificateRequests`, for messages. */
  readonly title: string;
  selection(places: Places): Selection;
  /** What is kept of an object; undefined where it cannot be used. Everything else is dropped at once. */
  read(object: StoredObject): T | undefined;
  /** What to do when there is no such kind. */
  readonly remedy: string;
  /** Without it the plan is made all the same. */
  readonly optional?: true;
}

/** What is kept of an agent's Pod. */
export interface AgentPod {
  readonly nodeName: string;
  readonly uid: string;
  readonly ready: boolean;
}

/** What is kept of a Secret with a pre-shared key: not the key. */
export interface PreSharedKeySecret {
  readonly name: string;
  /** Keys of the data that are not empty. */
  readonly keys: readonly string[];
}

/** What is kept of a CertificateRequest. */
export interface CertificateRequest {
  readonly certificate: string;
  /** What cert-manager says, while it is open. */
  readonly text: string | undefined;
}

const OWN_KINDS = "install ikemesh's CustomResourceDefinitions (crds.enabled in the chart, or kubectl apply -f crds/)";
const CERT_MANAGER = 'install cert-manager with its CustomResourceDefinitions';
const CORE = 'see whether this is a Kubernetes API server';

/** Everything that is watched. */
export const watched = {
  nodes: define({
    title: 'Nodes',
    remedy: CORE,
    selection: () => ({ path: pathOf(typeOf('Node')) }),
    read: (object) => parsed(nodeObject, { apiVersion: 'v1', kind: 'Node', ...object }),
  }),
  peerings: define({
    title: 'IPsecPeerings',
    remedy: OWN_KINDS,
    selection: () => ({ path: pathOf(typeOf('IPsecPeering')) }),
    read: peeringOf,
  }),
  nodeConfigs: define({
    title: 'IPsecNodeConfigs',
    remedy: OWN_KINDS,
    selection: () => ({ path: pathOf(typeOf('IPsecNodeConfig')) }),
    read: (object) => ownObjectOf(ipsecNodeConfig, object),
  }),
  slices: define({
    title: 'IPsecPeerSlices',
    remedy: OWN_KINDS,
    selection: () => ({ path: pathOf(typeOf('IPsecPeerSlice')) }),
    read: (object) => ownObjectOf(ipsecPeerSlice, object),
  }),
  certificates: define({
    title: 'Certificates',
    remedy: CERT_MANAGER,
    selection: ({ nodesNamespace }) => ofNodes('Certificate', nodesNamespace),
    read: certificateOf,
  }),
  certificateRequests: define({
    title: 'CertificateRequests',
    remedy: CERT_MANAGER,
    optional: true,
    selection: ({ nodesNamespace }) => ({ path: pathOf(typeOf('CertificateRequest'), nodesNamespace) }),
    read: certificateRequestOf,
  }),
  serviceAccounts: define({
    title: 'ServiceAccounts',
    remedy: CORE,
    selection: ({ nodesNamespace }) => ({ ...ofNodes('ServiceAccount', nodesNamespace), metadataOnly: true }),
    read: (object) => writtenOf('ServiceAccount', object),
  }),
  roles: define({
    title: 'Roles',
    remedy: CORE,
    selection: ({ nodesNamespace }) => ofNodes('Role', nodesNamespace),
    read: (object) => ({ ...writtenOf('Role', object), rules: (object as { rules?: unknown }).rules ?? [] }),
  }),
  roleBindings: define({
    title: 'RoleBindings',
    remedy: CORE,
    selection: ({ nodesNamespace }) => ofNodes('RoleBinding', nodesNamespace),
    read: roleBindingOf,
  }),
  secrets: define({
    title: 'Secrets of nodes',
    remedy: CORE,
    selection: ({ nodesNamespace }) => ({ ...ofNodes('Secret', nodesNamespace), metadataOnly: true }),
    read: (object) => writtenOf('Secret', object),
  }),
  preSharedKeys: define({
    title: 'Secrets of type ikemesh.io/pre-shared-key',
    remedy: CORE,
    selection: ({ nodesNamespace }) => ({
      path: pathOf(typeOf('Secret'), nodesNamespace),
      fieldSelector: 'type=ikemesh.io/pre-shared-key',
    }),
    read: preSharedKeyOf,
  }),
  agentPods: define({
    title: 'Pods of agents',
    remedy: CORE,
    selection: ({ ownNamespace, agentAccount }) => ({
      path: pathOf(typeOf('Pod'), ownNamespace),
      // Not by label: whoever may use the ServiceAccount of the agents is an agent.
      fieldSelector: `spec.serviceAccountName=${agentAccount}`,
    }),
    read: agentPodOf,
  }),
} as const;

export type WatchedName = keyof typeof watched;
export type ValueOf<Name extends WatchedName> = NonNullable<ReturnType<(typeof watched)[Name]['read']>>;

function define<T>(kind: Watched<T>): Watched<T> {
  return kind;
}

function ofNodes(kind: string, namespace: string): Selection {
  return { path: pathOf(typeOf(kind), namespace), labelSelector: NODE_UID_LABEL };
}

function parsed<T>(schema: z.ZodType<T>, object: unknown): T | undefined {
  return schema.safeParse(object).data;
}

/** One that cannot be read is kept as such: it is not gone, and its status has to say so. */
function peeringOf(object: StoredObject): IpsecPeering | UnreadablePeering {
  const { status, ...rest } = object as StoredObject & { readonly status?: unknown };
  const readableStatus = peeringStatus.safeParse(status).data;
  // A status is only what an operator said of the peering, of whatever version, and is written anew.
  const readable = { ...rest, ...(readableStatus === undefined ? {} : { status: readableStatus }) };
  const read = readKnownFields(ipsecPeering, readable);
  if (read.ok) return read.value;
  const { name, uid, resourceVersion, generation } = object.metadata as IpsecPeering['metadata'];
  return {
    apiVersion,
    kind: ipsecPeering.kind,
    metadata: { name, uid, resourceVersion, generation },
    status: readableStatus,
    faults: read.error,
  };
}

/** One that cannot be read is kept as such: the node that it is for, and the peers that stand in it, are there. */
function ownObjectOf<T extends KubernetesObject>(
  resource: { readonly kind: UnreadableObject['kind']; readonly schema: z.ZodType<T> },
  object: StoredObject,
): T | UnreadableObject {
  const read = readKnownFields(resource, object);
  if (read.ok) return read.value;
  // What an agent says is no part of what it is told: without it the agent has only said nothing.
  const { status: _, ...rest } = object as StoredObject & { readonly status?: unknown };
  const told = readKnownFields(resource, rest);
  if (told.ok) return told.value;
  return { kind: resource.kind, metadata: { name: object.metadata.name }, faults: told.error };
}

/** Lists leave out kind and version of their items. */
function writtenOf(kind: string, { metadata }: StoredObject): WrittenObject {
  const { name, namespace, uid, labels, ownerReferences } = metadata as WrittenObject['metadata'];
  return { apiVersion: typeOf(kind).apiVersion, kind, metadata: { name, namespace, uid, labels, ownerReferences } };
}

function certificateOf(object: StoredObject): ObservedCertificate | undefined {
  const { spec, status } = object as StoredObject & Partial<ObservedCertificate>;
  if (spec?.secretName === undefined) return undefined;
  const written = writtenOf('Certificate', object);
  const { generation } = object.metadata as ObservedCertificate['metadata'];
  return {
    ...written,
    metadata: { ...written.metadata, generation },
    spec,
    status: {
      conditions: (status?.conditions ?? []).map(({ type, status: holds, reason, message, observedGeneration }) => ({
        type,
        status: holds,
        ...(reason === undefined ? {} : { reason }),
        ...(message === undefined ? {} : { message }),
        ...(observedGeneration === undefined ? {} : { observedGeneration }),
      })),
      notAfter: status?.notAfter,
      renewalTime: status?.renewalTime,
    },
  };
}

function certificateRequestOf(object: StoredObject): CertificateRequest | undefined {
  const { metadata, status } = object as RawRequest;
  const certificate = metadata.annotations?.['cert-manager.io/certificate-name'];
  if (certificate === undefined) return undefined;
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  const text = ready === undefined || ready.status === 'True' ? undefined : `${ready.reason}: ${ready.message}`;
  return { certificate, text };
}

interface RawRequest extends StoredObject {
  readonly metadata: StoredObject['metadata'] & { readonly annotations?: Readonly<Record<string, string>> };
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
  };
}

function roleBindingOf(
  object: StoredObject,
): WrittenObject & { readonly roleRef: unknown; readonly subjects: unknown } {
  const { roleRef, subjects } = object as StoredObject & { roleRef?: unknown; subjects?: unknown };
  return { ...writtenOf('RoleBinding', object), roleRef, subjects };
}

/** The keys themselves are dropped here, before anything else sees them. */
function preSharedKeyOf({ metadata: { name }, ...rest }: StoredObject): PreSharedKeySecret {
  const { data } = rest as { readonly data?: Readonly<Record<string, string>> };
  return { name, keys: Object.entries(data ?? {}).flatMap(([key, value]) => (value === '' ? [] : [key])) };
}

function agentPodOf(object: StoredObject): AgentPod | undefined {
  const { metadata, spec, status } = object as StoredObject & {
    readonly metadata: { readonly deletionTimestamp?: string };
    readonly spec?: { readonly nodeName?: string };
    readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
  };
  if (spec?.nodeName === undefined) return undefined;
  const isReady = status?.conditions?.some(({ type, status: holds }) => type === 'Ready' && holds === 'True') === true;
  return { nodeName: spec.nodeName, uid: metadata.uid, ready: isReady && metadata.deletionTimestamp === undefined };
}
