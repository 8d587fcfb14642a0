import { pathOf, type ResourceType, typeOf } from '../../kube/resource-path.ts';
import type { Facts, WorkloadFact } from '../diagnosis/facts.ts';
import { type Known, known, type Lack, unknown, valueOr } from '../diagnosis/known.ts';
import { type InstallationFacts, installationOf } from './installation.ts';
import { lackOf } from './lack-of.ts';
import { type ListQuery, listKnown, type RawObject } from './list.ts';
import {
  type ReadObjects,
  readCertificate,
  readConfigs,
  readNode,
  readPeerings,
  readPod,
  readRequest,
  readSlices,
  readWorkload,
} from './read-facts.ts';
import type { Target } from './target.ts';

/** What was gathered, and what could not be, in sentences. */
export interface Gathered {
  readonly facts: Facts;
  readonly installation: InstallationFacts;
  /** Beside the lacks in the facts: single objects that cannot be read. */
  readonly unreadable: readonly string[];
}

/** Nothing can be learned at all: nobody answers, or nobody may be asked. */
export class NothingLearnedError extends Error {
  override readonly name = 'NothingLearnedError';
  readonly lack: Lack;

  constructor(lack: Lack) {
    super(`${lack.what}: ${lack.text}`);
    this.lack = lack;
  }
}

/**
 * Everything that the API server tells of ikemesh, each kind asked for at the same time.
 * @throws NothingLearnedError where the API server does not answer, or not us.
 */
export async function gatherFacts(target: Target): Promise<Gathered> {
  const { progress } = target;
  progress.tell(`asking ${target.connection.server.host}`);
  const installed = await askInstalled(target);
  const [nodes, pods, deployments, daemonSets] = await Promise.all([
    list(target, 'Nodes', typeOf('Node')),
    listOurs(target, 'Pods', typeOf('Pod')),
    listOurs(target, 'Deployments', DEPLOYMENTS),
    listOurs(target, 'DaemonSets', DAEMON_SETS),
  ]);
  const podFacts = mapped(pods, (items) => items.map(readPod));
  const workloads = joined(
    mapped(deployments, (items) => items.map((each) => readWorkload('Deployment', each))),
    mapped(daemonSets, (items) => items.map((each) => readWorkload('DaemonSet', each))),
  );
  const installation = installationOf(valueOr(podFacts, []), valueOr(workloads, []), target.namespace);
  const kinds = installed.known ? await gatherKinds(target, installation) : { ...NO_KINDS, lack: installed.lack };
  const unreadable: string[] = [];
  const own = <T>(
    asked: Known<readonly RawObject[]> | undefined,
    read: (objects: readonly RawObject[]) => ReadObjects<T>,
  ) => {
    if (asked === undefined) return { known: false, lack: installed.known ? NOT_ASKED : installed.lack } as const;
    return mapped(asked, (items) => {
      const found = read(items);
      unreadable.push(...found.unreadable);
      return found.values;
    });
  };
  const facts: Facts = {
    atMs: target.wallMs(),
    installed,
    nodes: mapped(nodes, (items) => items.flatMap((each) => readNode(each) ?? [])),
    peerings: own(kinds.peerings, readPeerings),
    configs: own(kinds.configs, readConfigs),
    slices: own(kinds.slices, readSlices),
    pods: podFacts,
    workloads,
    certificates: mapped(kinds.certificates ?? notAsked('Certificates'), (items) => items.map(readCertificate)),
    requests: mapped(
      kinds.requests ?? notAsked('CertificateRequests'),
      (items) => new Map(items.flatMap((each) => [readRequest(each)].filter((found) => found !== undefined))),
    ),
    agents: new Map(),
    hosts: new Map(),
  };
  return { facts, installation, unreadable };
}

/** What could not be learned, one sentence each, those that have the same reason together. */
export function lacksOf({ facts, unreadable }: Gathered): readonly string[] {
  const { installed, nodes, peerings, configs, slices, pods, workloads, certificates } = facts;
  // Who proves himself by keys only needs no cert-manager.
  const byKeys = peerings.known && peerings.value.every(({ spec }) => spec.authentication.certificate === undefined);
  const needed = byKeys ? [] : [certificates];
  const asked = [installed, nodes, peerings, configs, slices, pods, workloads, ...needed];
  const own = asked.flatMap((each): readonly Lack[] =>
    each.known || each.lack.kind === 'notAsked' ? [] : [each.lack],
  );
  const agents = [...facts.agents.values(), ...facts.hosts.values()].flatMap((each) => (each.known ? [] : [each.lack]));
  return [...new Set([...own, ...agents].map(({ what, text }) => `${what}: ${text}`)), ...unreadable];
}

/** Objects of some kinds of ours, or of cert-manager. */
async function gatherKinds(target: Target, { nodesNamespace }: InstallationFacts) {
  const [peerings, configs, slices, certificates, requests] = await Promise.all([
    list(target, 'IPsecPeerings', typeOf('IPsecPeering')),
    list(target, 'IPsecNodeConfigs', typeOf('IPsecNodeConfig')),
    list(target, 'IPsecPeerSlices', typeOf('IPsecPeerSlice')),
    list(target, `Certificates in namespace ${nodesNamespace}`, typeOf('Certificate'), nodesNamespace),
    list(target, `CertificateRequests in namespace ${nodesNamespace}`, typeOf('CertificateRequest'), nodesNamespace),
  ]);
  return { peerings, configs, slices, certificates, requests };
}

const NO_KINDS = {
  peerings: undefined,
  configs: undefined,
  slices: undefined,
  certificates: undefined,
  requests: undefined,
} as const;

async function askInstalled(target: Target): Promise<Facts['installed']> {
  const what = `the API server at ${target.connection.server.origin}`;
  const answer = await target.client.ask({ method: 'GET', path: '/apis/ikemesh.io/v1alpha1' }, deadline(target));
  if (answer.ok) return known(true);
  const { error } = answer;
  if (error.status === 404) {
    const group = await target.client.ask({ method: 'GET', path: '/apis/ikemesh.io' }, deadline(target));
    const versions = group.ok ? (group.value as { versions?: { version: string }[] }).versions : undefined;
    const text =
      versions === undefined
        ? 'it knows no kinds of ikemesh.io: ikemesh is not installed here (helm install ikemesh …), or this is another cluster'
        : `it knows ${versions.map(({ version }) => version).join(', ')} of ikemesh.io and not v1alpha1: use the plugin of that version`;
    return unknown(what, 'absent', text);
  }
  const lack = lackOf(what, error);
  if (lack.known) return lack;
  // Discovery is open to everybody who is believed; without it there is nobody to learn anything from.
  if (lack.lack.kind === 'unanswered' || lack.lack.kind === 'unauthenticated') throw new NothingLearnedError(lack.lack);
  return { known: true, value: true };
}

function list(target: Target, what: string, type: ResourceType, namespace?: string, query?: ListQuery) {
  return listKnown(target.client, what, pathOf(type, namespace), query, deadline(target));
}

/** Objects of the installation wherever it is, else in the namespace where it is likely. */
async function listOurs(target: Target, what: string, type: ResourceType): Promise<Known<readonly RawObject[]>> {
  const { namespace } = target;
  const query = { labelSelector: 'app.kubernetes.io/part-of=ikemesh' };
  if (namespace !== undefined) return list(target, `${what} in namespace ${namespace}`, type, namespace, query);
  const everywhere = await list(target, what, type, undefined, query);
  if (everywhere.known || everywhere.lack.kind !== 'forbidden') return everywhere;
  const likely = await list(target, `${what} in namespace ${LIKELY}`, type, LIKELY, query);
  return likely.known ? likely : everywhere;
}

/** A time after which an answer is not waited for any longer. */
export function deadline({ timeoutMs }: Target): AbortSignal {
  return AbortSignal.timeout(timeoutMs);
}

function mapped<T, To>(asked: Known<T>, by: (value: T) => To): Known<To> {
  return asked.known ? known(by(asked.value)) : asked;
}

function joined(left: Known<readonly WorkloadFact[]>, right: Known<readonly WorkloadFact[]>): Facts['workloads'] {
  if (!left.known) return left;
  return right.known ? known([...left.value, ...right.value]) : right;
}

function notAsked(what: string): Known<never> {
  return unknown(what, 'notAsked', 'was not asked for');
}

const NOT_ASKED: Lack = { what: 'kinds of ikemesh.io', kind: 'notAsked', text: 'were not asked for' };
const LIKELY = 'ikemesh';
const DEPLOYMENTS: ResourceType = { apiVersion: 'apps/v1', plural: 'deployments' };
const DAEMON_SETS: ResourceType = { apiVersion: 'apps/v1', plural: 'daemonsets' };
