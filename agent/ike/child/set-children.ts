import type { Connection } from '../connection/connection.ts';
import type { IkeSa } from '../state.ts';
import type { ChildSa } from './child-sa.ts';

/** Changes the Child SAs of an IKE SA, where it can have any. */
export function setChildren(sa: IkeSa, change: (children: readonly ChildSa[]) => readonly ChildSa[]): void {
  if (sa.state.kind !== 'established') return;
  const children = change(sa.state.children);
  if (children !== sa.state.children) sa.state = { ...sa.state, children };
}

/** Child SAs with each as `change` makes it; the same array where it leaves all as they are. */
export function changed(children: readonly ChildSa[], change: (child: ChildSa) => ChildSa): readonly ChildSa[] {
  const after = children.map(change);
  return after.every((child, index) => child === children[index]) ? children : after;
}

export function ownerOf(connection: Connection, child: ChildSa): IkeSa | undefined {
  return connection.ikeSas.find(({ state }) => state.kind === 'established' && state.children.includes(child));
}
