import * as z from 'zod';

import { MAX_CONDITION_TYPE, MAX_CONDITIONS, MAX_MESSAGE, MAX_REASON } from './limits.ts';
import { generation, keyedList, timestamp } from './scalars.ts';

/** One thing that is known about an object, in the form that all of Kubernetes uses. */
const condition = z.object({
  type: z.string().min(1).max(MAX_CONDITION_TYPE).describe('What the condition is about.'),
  status: z.enum(['True', 'False', 'Unknown']).describe('Whether it holds.'),
  reason: z.string().min(1).max(MAX_REASON).describe('Why, as one word for programs.'),
  message: z.string().max(MAX_MESSAGE).describe('Why, and what to do, for people.'),
  lastTransitionTime: timestamp().describe('When `status` changed last.'),
  observedGeneration: generation().optional().describe('The generation of the spec that was judged.'),
});

/** The conditions of an object; each type once. */
export const conditions = keyedList(condition, ['type'], MAX_CONDITIONS);

export type Condition = z.output<typeof condition>;
