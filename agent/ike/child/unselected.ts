import type { SaId } from '../../dataplane/types.ts';
import type { Connection } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import type { Instant } from '../types.ts';

/*
 * The kernel looks up a packet's SA before it sends the packet through it, and may put the sender to sleep in between, for
 * want of memory as a rule. An SA that is deleted meanwhile refuses the packet (XfrmOutStateInvalid). So an outbound SA
 * stays for a moment after the policies have been turned away from it.
 */

/** An outbound SA that no policy selects any more. */
export interface UnselectedSa {
  readonly id: SaId;
  readonly removeAt: Instant;
}

/**
 * Lets an outbound SA of a connection go once the packets are through that were given to it; policies must have changed
 * before. One that has no successor goes at once: policies are still pinned to it, and are to block.
 */
export function deleteUnselected(core: Core, at: Instant, { policies }: Connection, id: SaId): void {
  const { unselectedGraceMs } = core.context.limits;
  const isSelected = [...policies.values()].some(({ template }) => template?.spi === id.spi);
  if (unselectedGraceMs > 0 && !isSelected) core.unselected.push({ id, removeAt: at + unselectedGraceMs });
  else core.command({ kind: 'deleteSa', id }, undefined, 0, 0);
}

/** Deletes the SAs whose moment is over. */
export function deleteDueUnselected(core: Core, at: Instant): void {
  const { unselected } = core;
  const firstThatStays = unselected.findIndex(({ removeAt }) => removeAt > at);
  const due = unselected.splice(0, firstThatStays < 0 ? unselected.length : firstThatStays);
  for (const { id } of due) core.command({ kind: 'deleteSa', id }, undefined, 0, 0);
}

/** When the next one is due: all stay equally long, so it is the first. */
export function nextUnselectedAt({ unselected }: Core): Instant | undefined {
  return unselected[0]?.removeAt;
}
