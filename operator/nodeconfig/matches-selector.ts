import type { LabelSelector } from '../api/label-selector.ts';

/** Whether labels meet all parts of a selector, as Kubernetes judges it: a missing label is not in any list of values. */
export function matchesSelector(
  { matchLabels = {}, matchExpressions = [] }: LabelSelector,
  labels: Readonly<Record<string, string>>,
): boolean {
  const hasLabel = (key: string): boolean => Object.hasOwn(labels, key);
  const equal = Object.entries(matchLabels).every(([key, value]) => hasLabel(key) && labels[key] === value);
  return (
    equal &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const listed = hasLabel(key) && values.includes(labels[key] ?? '');
      if (operator === 'In') return listed;
      if (operator === 'NotIn') return !listed;
      return hasLabel(key) === (operator === 'Exists');
    })
  );
}
