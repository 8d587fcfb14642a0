import { type Done, runPooled } from '../worker-pool.ts';
import type { Exploration } from './explorer.ts';
import { allPlans, isLong, planText } from './plans.ts';
import type { Plan } from './step.ts';

/**
 * Follows everything that two sides may do at the same time in every order, with up to `losses` datagrams lost, what takes
 * long only where all is asked for in `full`; true if nothing breaks. `signal` ends it early.
 */
export async function runInterleavings(
  { losses, full, workers }: { readonly losses: number; readonly full: boolean; readonly workers: number },
  signal: AbortSignal,
): Promise<boolean> {
  const begun = performance.now();
  let explored = 0;
  let failed = 0;
  let situations = 0;
  const onDone = (plan: Plan, done: Done<Exploration>): void => {
    explored += 1;
    if (done.kind === 'result') situations += done.result.situations;
    if (tell(plan, done)) failed += 1;
  };
  const all = allPlans(losses);
  // No thread is to be left alone with the longest at the end.
  const plans = [...(full ? all.filter(isLong) : []), ...all.filter((plan) => !isLong(plan))];
  const module = new URL('./plan-worker.ts', import.meta.url);
  await runPooled({ module, data: undefined, workers, tasks: plans, limitMs: PLAN_LIMIT_MS, signal, onDone });
  if (plans.length < all.length) {
    console.log(`left out without --full: ${all.filter(isLong).map(planText).join('; ')}`);
  }
  const seconds = ((performance.now() - begun) / 1_000).toFixed(1);
  if (explored < plans.length) console.log(`stopped early: there are ${plans.length} plans`);
  console.log(`${explored} plans, ${situations} situations, ${failed} failed (${seconds} s)`);
  return failed === 0;
}

/** Says what came of a plan; true if it failed. */
function tell(plan: Plan, done: Done<Exploration>): boolean {
  if (done.kind === 'crashed') {
    console.log(`FAIL ${planText(plan)}: ${done.reason}`);
    return true;
  }
  const { violation, situations, ends } = done.result;
  const verdict = violation === undefined ? 'ok  ' : 'FAIL';
  console.log(`${verdict} ${planText(plan)}: ${situations} situations, ${ends} ends`);
  if (violation === undefined) return false;
  console.log(`  ${violation.text}`);
  for (const step of violation.steps) console.log(`    ${step}`);
  return true;
}

/** With a datagram lost, the longest plan takes some minutes. */
const PLAN_LIMIT_MS = 3_600_000;
