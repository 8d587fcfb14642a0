import type { NodePeering } from '../api/ipsec-node-config.ts';
import { NODE_UID_LABEL } from '../nodeconfig/names.ts';
import type { Gone, Observed, UnreadableObject, UnreadablePeering, WrittenObject } from '../nodeconfig/observed.ts';
import type { Departures, Sight } from './departures.ts';
import type { AgentPod } from './watched.ts';
import type { Watches } from './watches.ts';

/** What the API server did not take. */
export type RefusedWrites = Pick<Observed, 'refusedCertificates' | 'refusedNodeConfigs' | 'refusedSlices'>;

/** Everything that is known, as the plan wants it. */
export function gather(watches: Watches, departures: Departures, refused: RefusedWrites, now: number): Observed {
  const peerings = watches.values('peerings');
  const [nodeConfigs, slices] = [watches.values('nodeConfigs'), watches.values('slices')];
  const known: Omit<Observed, 'gone'> = {
    peerings: peerings.filter(isReadable),
    unreadablePeerings: peerings.filter(isUnreadable),
    nodes: watches.values('nodes'),
    nodeConfigs: nodeConfigs.filter(isReadable),
    slices: slices.filter(isReadable),
    unreadableObjects: [...nodeConfigs, ...slices].filter(isUnreadable),
    certificates: watches.values('certificates'),
    access: [...watches.values('serviceAccounts'), ...watches.values('roles'), ...watches.values('roleBindings')],
    secrets: watches.values('secrets'),
    agentPods: agentPodsOf(watches),
    preSharedKeys: new Set(
      watches.values('preSharedKeys').flatMap(({ name, keys }) => keys.map((key) => `${name}/${key}`)),
    ),
    certificateRequests: new Map(
      watches
        .values('certificateRequests')
        .flatMap(({ certificate, text }) => (text === undefined ? [] : [[certificate, text] as const])),
    ),
    ...refused,
    certManager: certManagerOf(watches),
    since: sinceOf(watches),
  };
  const gone: Gone = departures.look(sightOf(known), now);
  return { ...known, gone };
}

function isReadable<T extends object>(object: T): object is Exclude<T, UnreadablePeering | UnreadableObject> {
  return !isUnreadable(object);
}

function isUnreadable<T extends object>(object: T): object is Extract<T, UnreadablePeering | UnreadableObject> {
  return 'faults' in object;
}

/**
 * The Pod of each node whose word counts: the one that is Ready. While an update runs there are two; then it is the one
 * that wrote the status, which the other takes over in its own time, and else the younger one.
 */
function agentPodsOf(watches: Watches): Observed['agentPods'] {
  const writers = new Set(
    watches
      .values('nodeConfigs')
      .filter(isReadable)
      .map(({ status }) => status?.agent?.podUID),
  );
  const ready = [...watches.entries('agentPods')]
    .filter(({ value }) => value.ready)
    .toSorted((left, right) => left.createdAt - right.createdAt);
  const byNode = new Map<string, AgentPod>();
  for (const { value } of ready) {
    const other = byNode.get(value.nodeName);
    if (other === undefined || !writers.has(other.uid) || writers.has(value.uid)) byNode.set(value.nodeName, value);
  }
  return new Map([...byNode].map(([node, { uid }]) => [node, uid]));
}

function certManagerOf(watches: Watches): Observed['certManager'] {
  const state = watches.state('certificates');
  return state.kind === 'failing' && state.failure.kind === 'unknownKind' ? 'Missing' : 'Present';
}

function sinceOf(watches: Watches): Observed['since'] {
  const kinds = ['nodes', 'peerings', 'certificates'] as const;
  return new Map(
    kinds.flatMap((name) => [...watches.entries(name)].map(({ uid, createdAt }) => [uid, createdAt] as const)),
  );
}

function sightOf({
  nodes,
  peerings,
  unreadablePeerings,
  nodeConfigs,
  slices,
  certificates,
  access,
  secrets,
}: Omit<Observed, 'gone'>): Sight {
  const labelled = ({ metadata: { labels } }: WrittenObject) => labels?.[NODE_UID_LABEL] ?? [];
  return {
    nodes: new Set(nodes.map(({ metadata }) => metadata.uid ?? '')),
    nodesInUse: new Set([
      ...nodeConfigs.map(({ spec }) => spec.nodeUID),
      ...slices.flatMap(({ peers }) => peers.map(({ uid }) => uid)),
      ...[...certificates, ...access, ...secrets].flatMap(labelled),
    ]),
    peerings: new Set([...peerings, ...unreadablePeerings].map(({ metadata }) => metadata.name)),
    peeringsInUse: newestOf(nodeConfigs.flatMap(({ spec }) => spec.peerings)),
  };
}

/** When each came to be: one that was made anew under its name may not have reached every node. */
function newestOf(entries: readonly NodePeering[]): Sight['peeringsInUse'] {
  const newest = new Map<string, number | undefined>();
  for (const { name, creationTimestamp } of entries) {
    const createdAt = creationTimestamp === undefined ? undefined : Date.parse(creationTimestamp);
    const known = newest.get(name);
    newest.set(name, known === undefined || (createdAt !== undefined && createdAt > known) ? createdAt : known);
  }
  return newest;
}
