import type * as z from 'zod';

import { ipsecNodeConfig } from '../../api/ipsec-node-config.ts';
import { ipsecPeerSlice } from '../../api/ipsec-peer-slice.ts';
import { ipsecPeering } from '../../api/ipsec-peering.ts';
import { NODE_UID_LABEL } from '../../nodeconfig/names.ts';
import { nodeObject } from '../../nodeconfig/observed.ts';
import type { CertificateFact, Component, NodeFact, PodFact, WorkloadFact } from '../diagnosis/facts.ts';
import type { RawObject } from './list.ts';

/** What was read of objects, and which could not be, one sentence each. */
export interface ReadObjects<T> {
  readonly values: readonly T[];
  readonly unreadable: readonly string[];
}

export const readPeerings = (objects: readonly RawObject[]) => read('IPsecPeering', ipsecPeering.schema, objects);
export const readConfigs = (objects: readonly RawObject[]) => read('IPsecNodeConfig', ipsecNodeConfig.schema, objects);
export const readSlices = (objects: readonly RawObject[]) => read('IPsecPeerSlice', ipsecPeerSlice.schema, objects);

/** Another version of ikemesh may have written what this one cannot read. */
function read<T>(kind: string, schema: z.ZodType<T>, objects: readonly RawObject[]): ReadObjects<T> {
  const values: T[] = [];
  const unreadable: string[] = [];
  for (const object of objects) {
    const parsed = schema.safeParse(object);
    if (parsed.success) values.push(parsed.data);
    else {
      const [issue] = parsed.error.issues;
      const field = issue?.path.map(String).join('.') ?? '';
      unreadable.push(
        `${kind} ${object.metadata.name} was written by another version of ikemesh, its ${field} cannot be read ` +
          `(${issue?.message ?? 'unknown'}): use the plugin of that version`,
      );
    }
  }
  return { values, unreadable };
}

export function readNode(raw: RawObject): NodeFact | undefined {
  const object = nodeObject.safeParse({ ...raw, apiVersion: 'v1', kind: 'Node' }).data;
  if (object === undefined) return undefined;
  const { spec = {}, status = {} } = raw as {
    readonly spec?: { readonly taints?: NodeFact['taints'] };
    readonly status?: { readonly conditions?: readonly RawCondition[]; readonly nodeInfo?: { kernelVersion?: string } };
  };
  const ready = status.conditions?.find(({ type }) => type === 'Ready');
  return {
    object,
    createdAtMs: momentOf(raw.metadata.creationTimestamp),
    ready: statusOf(ready?.status),
    readyText: ready === undefined ? 'its kubelet says nothing' : `${ready.reason ?? ''}: ${ready.message ?? ''}`,
    kernel: status.nodeInfo?.kernelVersion ?? '',
    taints: (spec.taints ?? []).map(({ key, effect }) => ({ key, effect })),
  };
}

export function readPod(raw: RawObject): PodFact {
  const { spec = {}, status = {} } = raw as {
    readonly spec?: { readonly nodeName?: string; readonly containers?: readonly RawContainer[] };
    readonly status?: {
      readonly phase?: string;
      readonly conditions?: readonly RawCondition[];
      readonly initContainerStatuses?: readonly RawContainerStatus[];
      readonly containerStatuses?: readonly RawContainerStatus[];
    };
  };
  const component = componentOf(raw);
  const statuses = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  const unscheduled = status.conditions?.find(
    ({ type, status: holds }) => type === 'PodScheduled' && holds === 'False',
  );
  const ready = status.conditions?.find(({ type }) => type === 'Ready');
  const trouble = statuses.flatMap((each) => containerTrouble(each) ?? [])[0];
  return {
    name: raw.metadata.name,
    namespace: raw.metadata.namespace ?? '',
    uid: raw.metadata.uid ?? '',
    component,
    nodeName: spec.nodeName,
    phase: status.phase ?? 'Unknown',
    ready: ready?.status === 'True',
    readinessSinceMs: momentOf(ready?.lastTransitionTime ?? raw.metadata.creationTimestamp),
    ending: raw.metadata.deletionTimestamp !== undefined,
    createdAtMs: momentOf(raw.metadata.creationTimestamp),
    restarts: statuses.reduce((sum, { restartCount = 0 }) => sum + restartCount, 0),
    trouble: trouble ?? (unscheduled && `${unscheduled.reason}: ${unscheduled.message}`),
    args: argsOf(spec.containers, component),
  };
}

export function readWorkload(kind: WorkloadFact['kind'], raw: RawObject): WorkloadFact {
  const { spec = {}, status = {} } = raw as {
    readonly spec?: {
      readonly replicas?: number;
      readonly template?: {
        readonly spec?: {
          readonly containers?: readonly RawContainer[];
          readonly nodeSelector?: Readonly<Record<string, string>>;
        };
      };
    };
    readonly status?: {
      readonly readyReplicas?: number;
      readonly desiredNumberScheduled?: number;
      readonly numberReady?: number;
    };
  };
  const component = componentOf(raw);
  const { containers, nodeSelector = {} } = spec.template?.spec ?? {};
  const image = containers?.[0]?.image ?? '';
  return {
    kind,
    name: raw.metadata.name,
    namespace: raw.metadata.namespace ?? '',
    component,
    wanted: (kind === 'Deployment' ? spec.replicas : status.desiredNumberScheduled) ?? 0,
    ready: (kind === 'Deployment' ? status.readyReplicas : status.numberReady) ?? 0,
    args: argsOf(containers, component),
    nodeSelector,
    version: raw.metadata.labels?.['app.kubernetes.io/version'] ?? image.split(':').at(-1) ?? '',
  };
}

export function readCertificate(raw: RawObject): CertificateFact {
  const { spec = {}, status = {} } = raw as {
    readonly spec?: { readonly secretName?: string; readonly issuerRef?: { readonly kind?: string; name?: string } };
    readonly status?: {
      readonly conditions?: readonly RawCondition[];
      readonly notAfter?: string;
      readonly renewalTime?: string;
    };
  };
  const ready = status.conditions?.find(({ type }) => type === 'Ready');
  const issuing = status.conditions?.find(({ type }) => type === 'Issuing');
  const told = issuing?.reason === 'Failed' ? issuing : ready;
  return {
    name: raw.metadata.name,
    secretName: spec.secretName ?? '',
    nodeUid: raw.metadata.labels?.[NODE_UID_LABEL],
    issuer: `${spec.issuerRef?.kind ?? 'Issuer'} ${spec.issuerRef?.name ?? ''}`,
    ready: statusOf(ready?.status),
    text: told === undefined ? 'cert-manager says nothing of it' : `${told.reason ?? ''}: ${told.message ?? ''}`,
    notAfter: status.notAfter,
    renewalTime: status.renewalTime,
    issuing: issuing && {
      status: issuing.status,
      reason: issuing.reason ?? '',
      message: issuing.message ?? '',
    },
  };
}

/** What cert-manager says of a request that is open, and for which Certificate. */
export function readRequest(raw: RawObject): readonly [string, string] | undefined {
  const certificate = raw.metadata.annotations?.['cert-manager.io/certificate-name'];
  const { conditions = [] } = (raw['status'] ?? {}) as { readonly conditions?: readonly RawCondition[] };
  const ready = conditions.find(({ type }) => type === 'Ready');
  if (certificate === undefined || ready === undefined || ready.status === 'True') return undefined;
  return [certificate, `${ready.reason ?? ''}: ${ready.message ?? ''}`];
}

interface RawCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

interface RawContainer {
  readonly name: string;
  readonly image?: string;
  readonly args?: readonly string[];
}

interface RawContainerStatus {
  readonly name: string;
  readonly restartCount?: number;
  readonly state?: {
    readonly waiting?: RawCondition;
    readonly terminated?: RawCondition & { readonly exitCode?: number };
  };
  readonly lastState?: { readonly terminated?: RawCondition & { readonly exitCode?: number } };
}

function containerTrouble({ name, state = {}, lastState }: RawContainerStatus): string | undefined {
  const { waiting, terminated } = state;
  const ended = lastState?.terminated;
  const code = ended?.exitCode === undefined ? '' : `; it ended with ${ended.exitCode} (${ended.reason ?? ''})`;
  if (waiting?.reason !== undefined && !STARTING.has(waiting.reason)) {
    return `${waiting.reason} in container ${name}: ${waiting.message ?? ''}${code}`;
  }
  if (terminated?.exitCode !== undefined && terminated.exitCode !== 0) {
    return `container ${name} ended with ${terminated.exitCode} (${terminated.reason ?? ''})`;
  }
  return undefined;
}

function componentOf({ metadata: { labels } }: RawObject): Component {
  const component = labels?.['app.kubernetes.io/component'];
  return COMPONENTS.find((each) => each === component) ?? 'other';
}

function argsOf(containers: readonly RawContainer[] | undefined, component: string): readonly string[] {
  const found = containers?.find(({ name }) => name === component) ?? containers?.[0];
  return (found?.args ?? []).slice(0, MAX_ARGS);
}

function statusOf(text: string | undefined): 'True' | 'False' | 'Unknown' {
  return text === 'True' || text === 'False' ? text : 'Unknown';
}

function momentOf(timestamp: string | undefined): number {
  return timestamp === undefined ? 0 : Date.parse(timestamp);
}

const STARTING: ReadonlySet<string> = new Set(['ContainerCreating', 'PodInitializing']);
const COMPONENTS: readonly Component[] = ['agent', 'holder', 'operator'];
const MAX_ARGS = 100;
