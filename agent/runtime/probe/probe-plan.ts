import * as z from 'zod';

import { err, ok, type Result } from '../../result.ts';
import { type IpAddress, parseIpAddress } from '../../wire/ip-address.ts';
import { MAX_PATIENCE_SECONDS, MAX_PROBES, MAX_TARGETS } from './limits.ts';

const address = z.string().transform((text, context): IpAddress => {
  const parsed = parseIpAddress(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: 'custom', message: 'is no IP address' });
  return z.NEVER;
});

const target = z.strictObject({
  /** By which the answer tells it from others. */
  name: z.string().max(300),
  local: address,
  remote: address,
  mode: z.enum(['transport', 'tunnel']),
  /** The other end of the SAs. */
  outerRemote: address,
  /** Of all SAs that may be used between the two addresses. */
  reqids: z.array(z.int().min(1).max(0xffffffff)).min(1).max(64),
});

const plan = z.strictObject({
  /** Shared by all who take part, and by nobody else. */
  token: z.string().regex(/^[0-9a-f]{32}$/),
  /** Of both ends in transport mode; in tunnel mode the next one. */
  port: z.int().min(1_024).max(65_534),
  probes: z.int().min(1).max(MAX_PROBES),
  patienceSeconds: z.int().min(1).max(MAX_PATIENCE_SECONDS),
  targets: z.array(target).min(1).max(MAX_TARGETS),
});

/** Whom a node sends probes to, and how many. */
export type ProbePlan = z.output<typeof plan>;
export type ProbeTarget = ProbePlan['targets'][number];

/** Reads a plan from JSON; the error is a sentence. */
export function parseProbePlan(text: string): Result<ProbePlan, string> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return err('the plan is no JSON: it is written by kubectl ikemesh verify');
  }
  const read = plan.safeParse(value);
  if (read.success) return ok(read.data);
  const [issue] = read.error.issues;
  return err(`the plan cannot be carried out: ${issue?.path.map(String).join('.') ?? ''} ${issue?.message ?? ''}`);
}
