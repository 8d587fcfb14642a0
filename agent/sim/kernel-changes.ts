import type { CheckList } from './checks/check-list.ts';
import type { Host } from './host.ts';
import { type Selection, selectionOf } from './selection.ts';
import type { SimulatedWorld } from './simulated-world.ts';

/** Looks at what a host's kernel does with its packets after a change of its SAs or policies, and tells the checks. */
export function kernelChanged(world: SimulatedWorld, checks: CheckList, host: Host): void {
  for (const flow of world.flowsFrom(host.node)) {
    const before = world.selected(flow);
    const after = selectionOf(host, flow);
    world.select(flow, after);
    if (!isSame(before, after)) checks.selectionChanged(flow, before, after);
  }
  checks.kernelChanged(host);
}

function isSame(before: Selection, after: Selection): boolean {
  return before.kind === after.kind && (before.kind !== 'sa' || (after.kind === 'sa' && before.state === after.state));
}
