import { policyKeyText } from '../../dataplane/texts.ts';
import type { DataplaneCommand, DataplaneError } from '../../dataplane/types.ts';
import type { Core } from '../core.ts';
import type { Instant } from '../types.ts';
import { orderPolicies } from './order-policies.ts';

/** Orders that the kernel refused and that are given again: until it obeys, something is open or left over. */
export interface RefusedCommands {
  /** When to give them again; undefined where there is none. */
  retryAt: Instant | undefined;
  /** How often in a row they were refused, the last time at `triedAt`. */
  refusals: number;
  triedAt: Instant;
  /** Policies are ordered anew from what their connections need by then. */
  deletions: Extract<DataplaneCommand, { kind: 'deleteSa' | 'deletePolicy' }>[];
}

/** Remembers what has to be ordered again. What belongs to somebody else is left to them. */
export function rememberRefused(core: Core, at: Instant, command: DataplaneCommand, error: DataplaneError): void {
  const { refused } = core;
  const { kernelRetryMs, kernelRetryCeilingMs, refusedDeletions } = core.context.limits;
  if (error.errno === 'CONFLICT' || NOT_REPEATED.has(command.kind)) return;
  const deletion = command.kind === 'deleteSa' || command.kind === 'deletePolicy';
  if (deletion && refused.deletions.length < refusedDeletions) refused.deletions.push(command);
  if (refused.retryAt !== undefined) return;
  // The kernel answers at once: what it refuses later has nothing to do with the last attempt.
  if (at > refused.triedAt) refused.refusals = 0;
  refused.retryAt = at + Math.min(kernelRetryMs * RETRY_FACTOR ** refused.refusals, kernelRetryCeilingMs);
  refused.refusals += 1;
}

/** Gives the orders again. */
export function retryRefused(core: Core, at: Instant): void {
  const { deletions } = core.refused;
  core.refused.triedAt = at;
  core.refused.retryAt = undefined;
  core.refused.deletions = [];
  const wanted = new Set<string>();
  for (const connection of [...core.connections.values(), ...core.departing]) {
    if (connection.policiesUncertain) orderPolicies(core, connection);
    for (const key of connection.policies.keys()) wanted.add(key);
  }
  for (const command of deletions) {
    const isWanted = command.kind === 'deletePolicy' && wanted.has(policyKeyText(command.key));
    if (!isWanted) core.command(command, undefined, 0, 0);
  }
}

/** What is repeated elsewhere, or would come too late. */
const NOT_REPEATED: ReadonlySet<DataplaneCommand['kind']> = new Set([
  'queryCounters',
  'updateEncapsulation',
  'awaitSa',
  'forgetSa',
]);
const RETRY_FACTOR = 1.5;
