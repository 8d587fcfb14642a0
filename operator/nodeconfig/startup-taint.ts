import type { Change } from './changes.ts';
import { STARTUP_TAINT } from './names.ts';
import type { Observed } from './observed.ts';

/** A Node, and which of that name. */
export interface NodeKey {
  readonly name: string;
  readonly uid: string;
}

/**
 * Nodes whose startup taint is no longer needed: the agent that is Ready there has carried out all that there is to do, or
 * there is nothing for it to do. `changes` is what is still to be written; `untold` are nodes that wait for a peering.
 */
export function settledNodes(
  observed: Observed,
  changes: readonly Change[],
  untold: ReadonlySet<string>,
): readonly NodeKey[] {
  const configs = new Map(observed.nodeConfigs.map((config) => [config.metadata.name, config]));
  const unwritten = new Set(
    changes.flatMap((change) =>
      change.kind !== 'applyStatus' && change.object.kind === 'IPsecNodeConfig' ? [change.object.metadata.name] : [],
    ),
  );
  return observed.nodes.flatMap(({ metadata: { name, uid = '' }, spec }) => {
    if (spec?.taints?.some(({ key }) => key === STARTUP_TAINT) !== true) return [];
    const podUid = observed.agentPods.get(name);
    if (podUid === undefined || unwritten.has(name) || untold.has(name)) return [];
    const config = configs.get(name);
    if (config === undefined) return [{ name, uid }];
    const { status, metadata } = config;
    const programmed = status?.conditions?.find(({ type }) => type === 'Programmed');
    const isDone =
      config.spec.nodeUID === uid &&
      status?.agent?.podUID === podUid &&
      status.observedGeneration === metadata.generation &&
      programmed?.status === 'True';
    return isDone ? [{ name, uid }] : [];
  });
}
