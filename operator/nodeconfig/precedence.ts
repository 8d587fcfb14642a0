/** Orders peerings: the one that wins where two are about the same traffic comes first. */
export function comparePrecedence(
  left: { readonly priority: number; readonly name: string },
  right: { readonly priority: number; readonly name: string },
): number {
  if (left.priority !== right.priority) return right.priority - left.priority;
  return left.name < right.name ? -1 : Number(left.name > right.name);
}
