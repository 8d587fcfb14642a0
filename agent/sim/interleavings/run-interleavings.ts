import { explore } from './explorer.ts';
import { allPlans, planText } from './plans.ts';

/** Follows everything that two sides may do at the same time in every order, with up to `losses` datagrams lost. */
export function runInterleavings(losses: number): boolean {
  const begun = performance.now();
  let failed = 0;
  let situations = 0;
  const plans = allPlans(losses);
  for (const each of plans) {
    const { violation, ends, ...found } = explore(each);
    situations += found.situations;
    console.log(
      `${violation === undefined ? 'ok  ' : 'FAIL'} ${planText(each)}: ${found.situations} situations, ${ends} ends`,
    );
    if (violation === undefined) continue;
    failed += 1;
    console.log(`  ${violation.text}`);
    for (const step of violation.steps) console.log(`    ${step}`);
  }
  const seconds = ((performance.now() - begun) / 1_000).toFixed(1);
  console.log(`${plans.length} plans, ${situations} situations, ${failed} failed (${seconds} s)`);
  return failed === 0;
}
