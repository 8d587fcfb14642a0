import type { NodePeering } from '../api/ipsec-node-config.ts';
import type { ApiClient } from '../kube/api-client.ts';
import { pathOf, typeOf } from '../kube/resource-path.ts';
import { type ClusterObject, listAll, must } from './cluster.ts';
import { allAtOnce, type Patience, until } from './patience.ts';

/** What of an IPsecNodeConfig matters here; nothing is asked of the rest, which another version may have written. */
export interface NodeConfig extends ClusterObject {
  readonly spec: { readonly peerings: readonly NodePeering[] };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly peerings?: readonly { readonly name: string }[];
  };
}

/** What became of the nodes. */
export interface RemovalOutcome {
  /** Nodes whose agents have taken everything out of the kernel. */
  readonly cleared: readonly string[];
  /** Nodes that are there and have not said so. */
  readonly leftBehind: readonly string[];
}

/**
 * Tells all agents to take their policies and SAs out of the kernel, and waits until they have. First everybody stops to
 * refuse plaintext, so that nobody drops what a node sends that has ended earlier.
 */
export async function removeFromNodes(client: ApiClient, patience: Patience): Promise<RemovalOutcome> {
  const nodes = new Set((await listAll(client, typeOf('Node'))).map(({ metadata }) => metadata.name));
  const before = await listAll<NodeConfig>(client, typeOf('IPsecNodeConfig'));
  const refusing = before.filter(({ spec }) => spec.peerings.some(isEnforced));
  if (refusing.length > 0) {
    patience.say(`${refusing.length} nodes refuse plaintext; they are told to let it pass.`);
    await writePeerings(client, refusing, (peerings) => peerings.map(permissive));
    await waitFor(client, patience, patience.milliseconds / 2, nodes, isCurrent);
  }
  const busy = (await listAll<NodeConfig>(client, typeOf('IPsecNodeConfig'))).filter(
    ({ spec }) => spec.peerings.length > 0,
  );
  if (busy.length > 0) {
    patience.say(`${busy.length} nodes are told to take everything of ikemesh out of their kernels.`);
    await writePeerings(client, busy, () => []);
  }
  const configs = await waitFor(client, patience, patience.milliseconds, nodes, isCleared);
  const present = configs.filter(({ metadata }) => nodes.has(metadata.name));
  const names = (some: readonly NodeConfig[]) => some.map(({ metadata }) => metadata.name).sort();
  return {
    cleared: names(present.filter(isCleared)),
    leftBehind: names(present.filter((each) => !isCleared(each))),
  };
}

/** Until the agents of all nodes that are there have done it, or patience ends; answers how things are then. */
async function waitFor(
  client: ApiClient,
  patience: Patience,
  milliseconds: number,
  nodes: ReadonlySet<string>,
  done: (config: NodeConfig) => boolean,
): Promise<readonly NodeConfig[]> {
  let configs: readonly NodeConfig[] = [];
  await until(patience, milliseconds, async () => {
    configs = await listAll<NodeConfig>(client, typeOf('IPsecNodeConfig'));
    const waiting = configs.filter((each) => nodes.has(each.metadata.name) && !done(each));
    return waiting.length === 0 ? undefined : `waiting for the agents of ${waiting.length} nodes`;
  });
  return configs;
}

async function writePeerings(
  client: ApiClient,
  configs: readonly NodeConfig[],
  change: (peerings: readonly NodePeering[]) => readonly NodePeering[],
): Promise<void> {
  await allAtOnce(configs, async ({ metadata: { name, uid }, spec }) => {
    const answer = await client.ask({
      method: 'PATCH',
      path: pathOf(typeOf('IPsecNodeConfig'), undefined, name),
      query: { fieldManager: FIELD_MANAGER },
      contentType: 'application/merge-patch+json',
      // With its UID it is this object or none.
      body: { metadata: { uid }, spec: { peerings: change(spec.peerings) } },
    });
    // One that was deleted meanwhile is no concern.
    if (!answer.ok && answer.error.status === 404) return;
    must(`IPsecNodeConfig ${name} cannot be emptied`, answer);
  });
}

function isEnforced({ enforcement }: NodePeering): boolean {
  return enforcement.inbound === 'Required' || enforcement.outbound === 'Required';
}

function permissive(peering: NodePeering): NodePeering {
  return { ...peering, enforcement: { inbound: 'Optional', outbound: 'Optional' } };
}

/** Whether the agent carries out what was written last. */
function isCurrent({ metadata, status }: NodeConfig): boolean {
  return status?.observedGeneration !== undefined && status.observedGeneration === metadata.generation;
}

function isCleared(config: NodeConfig): boolean {
  return config.spec.peerings.length === 0 && isCurrent(config) && (config.status?.peerings ?? []).length === 0;
}

const FIELD_MANAGER = 'ikemesh-uninstall';
