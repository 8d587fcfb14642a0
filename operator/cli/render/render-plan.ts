import type { IpsecNodeConfig } from '../../api/ipsec-node-config.ts';
import type { IpsecPeering } from '../../api/ipsec-peering.ts';
import type { ClusterSettings, Moment, Observed } from '../../nodeconfig/observed.ts';
import { ImaginedCluster } from '../../offline/imagined-cluster.ts';
import { fieldChanges } from './field-changes.ts';

/** What applying peerings would change. */
export interface RenderedPlan {
  readonly peerings: readonly RenderedPeering[];
  /** Nodes that are told something else, by name. */
  readonly nodes: readonly { readonly name: string; readonly changes: readonly string[] }[];
  readonly unchangedNodes: number;
}

export interface RenderedPeering {
  readonly name: string;
  readonly change: 'created' | 'changed' | 'unchanged';
  readonly fields: readonly string[];
  /** How nodes come to the end, as `Optional out, Optional in`; more than one where nothing may be lost between. */
  readonly steps: readonly string[];
  /** Once cert-manager has issued and every agent has done what it is told. */
  readonly conditions: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason: string;
    readonly message: string;
  }[];
}

/**
 * Follows the operator's own plan twice, from what there is: without and with the peerings. What differs is what they
 * change. Everybody works, and pre-shared keys are there.
 */
export function renderPlan(
  observed: Observed,
  wanted: readonly IpsecPeering[],
  settings: ClusterSettings,
  at: Moment,
): RenderedPlan {
  const written = [...observed.nodeConfigs, ...observed.slices, ...observed.certificates];
  const given = { peerings: observed.peerings, nodes: observed.nodes, written };
  const workers = { issues: () => true, hasAgent: () => true };
  const before = new ImaginedCluster(given, settings, workers);
  before.settle(at);
  const present = new Map(observed.peerings.map((peering) => [peering.metadata.name, peering]));
  const applied = wanted.map((peering) => appliedTo(present.get(peering.metadata.name), peering));
  const names = new Set(applied.map(({ metadata }) => metadata.name));
  const after = new ImaginedCluster(
    {
      peerings: [...before.given.peerings.filter(({ metadata }) => !names.has(metadata.name)), ...applied],
      nodes: before.given.nodes,
      written: writtenIn(before),
    },
    settings,
    workers,
  );
  const steps = settleByStep(after, names, at);
  const nodes = nodeChanges(before, after);
  return {
    peerings: applied.map((peering) => renderedPeering(peering, present.get(peering.metadata.name), after, steps)),
    nodes,
    unchangedNodes: observed.nodes.length - nodes.length,
  };
}

/** What the API server makes of it: a new spec of the same object. */
function appliedTo(present: IpsecPeering | undefined, { spec, ...wanted }: IpsecPeering): IpsecPeering {
  if (present === undefined) return { ...wanted, spec };
  return { ...present, spec };
}

function renderedPeering(
  { metadata: { name }, spec }: IpsecPeering,
  present: IpsecPeering | undefined,
  after: ImaginedCluster,
  steps: ReadonlyMap<string, readonly string[]>,
): RenderedPeering {
  const fields = present === undefined ? [] : fieldChanges(present.spec, spec).map((text) => `spec.${text}`);
  const conditions = after.given.peerings.find(({ metadata }) => metadata.name === name)?.status?.conditions ?? [];
  return {
    name,
    change: present === undefined ? 'created' : fields.length > 0 ? 'changed' : 'unchanged',
    fields,
    steps: steps.get(name) ?? [],
    conditions: conditions.map(({ type, status, reason, message }) => ({ type, status, reason, message })),
  };
}

/** Lets the plan come to rest; answers by which levels of enforcement the nodes come to their end. */
function settleByStep(
  cluster: ImaginedCluster,
  names: ReadonlySet<string>,
  at: Moment,
): ReadonlyMap<string, readonly string[]> {
  const steps = new Map<string, string[]>();
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const changes = cluster.step(at);
    for (const { spec } of cluster.observed().nodeConfigs) {
      for (const { name, enforcement } of spec.peerings) {
        if (!names.has(name)) continue;
        const text = `${enforcement.outbound} out, ${enforcement.inbound} in`;
        const known = steps.get(name) ?? [];
        if (known.at(-1) !== text) steps.set(name, [...known, text]);
      }
    }
    if (!cluster.work() && changes.length === 0) break;
  }
  return steps;
}

function nodeChanges(before: ImaginedCluster, after: ImaginedCluster): RenderedPlan['nodes'] {
  const [left, right] = [configsOf(before), configsOf(after)];
  const certificates = [certificatesOf(before), certificatesOf(after)] as const;
  return [...new Set([...left.keys(), ...right.keys()])].sort().flatMap((name) => {
    const changes = [
      ...entryChanges(left.get(name), right.get(name)),
      ...certificateChanges(certificates[0].get(name), certificates[1].get(name)),
    ];
    return changes.length === 0 ? [] : [{ name, changes }];
  });
}

function entryChanges(before: IpsecNodeConfig | undefined, after: IpsecNodeConfig | undefined): readonly string[] {
  const [left, right] = [before, after].map(
    (config) => new Map((config?.spec.peerings ?? []).map((entry) => [entry.name, entry])),
  );
  const names = [...new Set([...(left?.keys() ?? []), ...(right?.keys() ?? [])])];
  return names.flatMap((name) => {
    const [was, is] = [left?.get(name), right?.get(name)];
    if (was === undefined && is !== undefined) {
      return [`takes part in ${name}, by ${is.addresses.join(' and ')}`];
    }
    if (is === undefined) return [`takes part in ${name} no more: its SAs and policies go`];
    return fieldChanges(was, is).map((text) => `${name}: ${text}`);
  });
}

function certificateChanges(before: readonly string[] = [], after: readonly string[] = []): readonly string[] {
  return [
    ...after.filter((name) => !before.includes(name)).map((name) => `gets the certificate ${name}`),
    ...before.filter((name) => !after.includes(name)).map((name) => `gives up the certificate ${name}`),
  ];
}

function configsOf(cluster: ImaginedCluster): ReadonlyMap<string, IpsecNodeConfig> {
  return new Map(cluster.observed().nodeConfigs.map((config) => [config.metadata.name, config]));
}

/** Secrets that nodes are told to use, by node. */
function certificatesOf(cluster: ImaginedCluster): ReadonlyMap<string, readonly string[]> {
  return new Map(
    cluster
      .observed()
      .nodeConfigs.map(({ metadata, spec }) => [
        metadata.name,
        [...new Set(spec.peerings.flatMap(({ authentication }) => authentication.certificate?.secretName ?? []))],
      ]),
  );
}

function writtenIn(cluster: ImaginedCluster) {
  const { nodeConfigs, slices, certificates, access } = cluster.observed();
  return [...nodeConfigs, ...slices, ...certificates, ...access];
}

/** Objects, certificates, slices, and three steps of enforcement. */
const MAX_ROUNDS = 20;
