import type { Enforcement } from '../api/ipsec-node-config.ts';
import type { Draft } from './draft.ts';
import { leastEnforcement } from './enforcement.ts';
import type { Observed } from './observed.ts';

/** What all of a peering's nodes that can take part were told to enforce of it. */
export function writtenEnforcements({ peering, members }: Draft): readonly Enforcement[] {
  return members
    .filter(({ obstacle }) => obstacle === undefined)
    .flatMap(({ node: { config } }) =>
      (config?.spec.peerings ?? []).flatMap(({ name, enforcement }) =>
        name === peering.metadata.name ? [enforcement] : [],
      ),
    );
}

/**
 * The step that all nodes of a peering were told, also where somebody has deleted what says so: the status of the peering
 * remembers it. The least of all counts, for where writing ended half-way nobody may refuse what others still send. Nodes
 * that were never told, as where the selector matches only others by now, begin at the beginning.
 */
export function toldEnforcement(draft: Draft, { slices }: Observed): Enforcement | undefined {
  const written = leastEnforcement(writtenEnforcements(draft));
  if (written !== undefined) return written;
  const { metadata, status } = draft.peering;
  const names = new Set(draft.members.map(({ node }) => node.name));
  const isSame =
    status?.observedGeneration === metadata.generation ||
    slices.some(({ peering, peers }) => peering === metadata.name && peers.some(({ name }) => names.has(name)));
  return isSame ? status?.enforcement : undefined;
}
