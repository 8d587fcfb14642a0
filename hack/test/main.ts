import { type Counts, runCluster, runIntegration, runLab, runSimulation, runUnit } from './stages.ts';

/** All tests, the quickest first; the last line counts them for people and machines. */
async function main(): Promise<void> {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const stage of [runUnit, runSimulation, runIntegration, runCluster, runLab]) {
    const counts: Counts = await stage();
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  }
  const skipped = total.skipped === 0 ? '' : `, ${total.skipped} skipped`;
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
}

await main();
