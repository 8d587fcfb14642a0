import * as z from 'zod';

import { MAX_LABEL_KEY, MAX_SELECTOR_PARTS, MAX_SELECTOR_VALUES, MAX_WORD } from './limits.ts';
import { type Rule, ruled } from './rule.ts';
import { atomicList } from './scalars.ts';

/** A requirement on one label. */
const requirement = ruled(
  z.object({
    key: ruled(z.string().max(MAX_LABEL_KEY), {
      cel: '!format.qualifiedName().validate(self).hasValue()',
      holds: isQualifiedName,
      message: 'must be the key of a label, such as kubernetes.io/arch',
    }).describe('Key of the label.'),
    operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']).describe('How the label is compared with `values`.'),
    values: atomicList(z.string().max(MAX_WORD), MAX_SELECTOR_VALUES)
      .optional()
      .describe('Values for In and NotIn; none for Exists and DoesNotExist.'),
  }),
  {
    cel: "self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : !has(self.values) || size(self.values) == 0",
    holds: ({ operator, values }) => ['In', 'NotIn'].includes(operator) === (values ?? []).length > 0,
    message: 'In and NotIn need at least one value; Exists and DoesNotExist take none',
    path: ['values'],
  },
);

const labelRule: Rule<Readonly<Record<string, string>>> = {
  cel: 'self.all(k, !format.qualifiedName().validate(k).hasValue() && !format.labelValue().validate(self[k]).hasValue())',
  holds: (labels) => Object.entries(labels).every(([key, value]) => isQualifiedName(key) && LABEL_VALUE.test(value)),
  message: 'must be labels: keys such as kubernetes.io/arch, values of at most 63 letters, digits, "-", "_" and "."',
};

/** A selector of Kubernetes; all parts must match, an empty one matches everything. */
export const labelSelector = z
  .object({
    matchLabels: ruled(
      z
        .record(z.string(), z.string().max(MAX_WORD))
        .refine(
          (labels) => Object.keys(labels).length <= MAX_SELECTOR_PARTS,
          `has more than ${MAX_SELECTOR_PARTS} labels`,
        )
        .meta({ maxProperties: MAX_SELECTOR_PARTS }),
      labelRule,
    )
      .optional()
      .describe('Labels that a node must have, with these values.'),
    matchExpressions: atomicList(requirement, MAX_SELECTOR_PARTS)
      .optional()
      .describe('Requirements on labels, all of which must be met.'),
  })
  .meta({ 'x-kubernetes-map-type': 'atomic' });

export type LabelSelector = z.output<typeof labelSelector>;

function isQualifiedName(key: string): boolean {
  const [name = '', prefix, rest] = key.split('/').reverse();
  if (rest !== undefined || !LABEL_NAME.test(name)) return false;
  return prefix === undefined || (prefix.length <= 253 && PREFIX.test(prefix));
}

const LABEL_NAME = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/;
const PREFIX = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;
