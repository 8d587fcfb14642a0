import { pathOf, type ResourceType, typeOf } from '../../kube/resource-path.ts';
import { deadline } from '../cluster/gather-facts.ts';
import { lackOf } from '../cluster/lack-of.ts';
import { listKnown, type RawObject } from '../cluster/list.ts';
import type { Target } from '../cluster/target.ts';
import { type Known, known } from '../diagnosis/known.ts';
import type { ClockOffset } from './host-answer.ts';
import { type DaemonSetFact, type KnownPlugin, type PluginObject, type PodNetwork, pluginOf } from './pod-network.ts';

/** How packets of pods get from node to node, by the network plugin that is seen in the API; undefined where none is. */
export async function readPodNetwork(target: Target): Promise<Known<PodNetwork | undefined>> {
  const listed = await list(target, 'DaemonSets of all namespaces', DAEMON_SETS);
  if (!listed.known) return listed;
  for (const daemonSet of listed.value.map(readDaemonSet)) {
    const plugin = pluginOf(daemonSet);
    if (plugin === undefined) continue;
    const settings = {
      daemonSet,
      config: await configOf(target, plugin, daemonSet),
      objects: await objectsOf(target, plugin),
    };
    return known({ name: plugin.name, ...plugin.read(settings) });
  }
  return known(undefined);
}

/**
 * How far the clock of each node is ahead of the API server's: a kubelet writes into its Lease every ten seconds what its clock
 * says, and the API server beside it what its own does.
 */
export async function readLeaseClocks(target: Target): Promise<ReadonlyMap<string, ClockOffset>> {
  const listed = await listKnown(
    target.client,
    'Leases',
    pathOf(typeOf('Lease'), 'kube-node-lease'),
    {},
    deadline(target),
  );
  if (!listed.known) return new Map();
  return new Map(listed.value.flatMap((lease) => [leaseOffset(lease)].filter((offset) => offset !== undefined)));
}

/** Whether the API server has cert-manager's kinds. */
export async function hasCertManager(target: Target): Promise<Known<boolean>> {
  const answer = await target.client.ask({ method: 'GET', path: '/apis/cert-manager.io/v1' }, deadline(target));
  if (answer.ok) return known(true);
  return answer.error.status === 404 ? known(false) : lackOf('kinds of cert-manager.io', answer.error);
}

/** `1.37.0` */
export async function readServerVersion(target: Target): Promise<Known<string>> {
  const answer = await target.client.ask({ method: 'GET', path: '/version' }, deadline(target));
  if (!answer.ok) return lackOf('the version of the API server', answer.error);
  const { gitVersion } = (answer.value ?? {}) as { readonly gitVersion?: unknown };
  return known(typeof gitVersion === 'string' ? gitVersion.replace(/^v/, '') : '');
}

function list(target: Target, what: string, type: ResourceType): Promise<Known<readonly RawObject[]>> {
  return listKnown(target.client, what, pathOf(type), {}, deadline(target));
}

async function configOf(target: Target, { configMap }: KnownPlugin, { namespace }: DaemonSetFact) {
  if (configMap === undefined) return undefined;
  const path = pathOf({ apiVersion: 'v1', plural: 'configmaps' }, namespace, configMap);
  const answer = await target.client.ask({ method: 'GET', path }, deadline(target));
  return answer.ok ? strings((answer.value as { readonly data?: unknown } | null)?.data) : undefined;
}

async function objectsOf(target: Target, { kinds }: KnownPlugin): Promise<readonly PluginObject[] | undefined> {
  if (kinds === undefined) return undefined;
  const lists = await Promise.all(
    kinds.map(async ({ kind, ...type }) => {
      const found = await list(target, type.plural, type);
      const objects = found.known ? found.value : undefined;
      return objects?.map(({ spec }): PluginObject => ({ kind, spec: (spec ?? {}) as PluginObject['spec'] }));
    }),
  );
  return lists.some((each) => each === undefined) ? undefined : lists.flatMap((each) => each ?? []);
}

/** The object is anybody's: of everything only what is as expected is taken. */
function readDaemonSet({ metadata, spec }: RawObject): DaemonSetFact {
  const { containers = [] } = (spec as RawSpec | undefined)?.template?.spec ?? {};
  const env = containers.flatMap((each) => each.env ?? []).map(({ name, value }) => [name, value ?? ''] as const);
  return {
    name: metadata.name,
    namespace: metadata.namespace ?? '',
    args: containers.flatMap(({ command = [], args = [] }) => [...command, ...args]),
    env: Object.fromEntries(env),
  };
}

function leaseOffset({ metadata, spec }: RawObject): readonly [string, ClockOffset] | undefined {
  const { renewTime } = (spec ?? {}) as { readonly renewTime?: string };
  const { managedFields = [] } = metadata as { readonly managedFields?: readonly { readonly time?: string }[] };
  const written = Math.max(...managedFields.map(({ time }) => Date.parse(time ?? '')));
  const renewed = Date.parse(renewTime ?? '');
  if (!Number.isFinite(written) || !Number.isFinite(renewed)) return undefined;
  // The API server's time is in whole seconds, and the way to it takes a moment.
  return [metadata.name, { offsetMs: renewed - written - 500, uncertaintyMs: LEASE_UNCERTAINTY_MS }];
}

function strings(value: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries((value ?? {}) as Readonly<Record<string, unknown>>);
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

interface RawSpec {
  readonly template?: {
    readonly spec?: {
      readonly containers?: readonly {
        readonly command?: readonly string[];
        readonly args?: readonly string[];
        readonly env?: readonly { readonly name: string; readonly value?: string }[];
      }[];
    };
  };
}

const DAEMON_SETS: ResourceType = { apiVersion: 'apps/v1', plural: 'daemonsets' };
const LEASE_UNCERTAINTY_MS = 2_000;
