import { Command } from 'commander';
import { goOnWithoutReaders } from '../../agent/closed-readers.ts';
import { type Counts, runCluster, runIntegration, runLab, runLifecycle, runSimulation, runUnit } from './stages.ts';

goOnWithoutReaders();

/** All tests, the quickest first, in their long forms where asked; the last lines name what failed and count for people and machines. */
async function main(full: boolean): Promise<void> {
  const total = { passed: 0, failed: 0, skipped: 0 };
  const failures: string[] = [];
  for (const stage of [runUnit, runSimulation, runIntegration, runCluster, runLab, runLifecycle]) {
    const counts: Counts = await stage(full);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
    failures.push(...(counts.failures ?? []));
  }
  for (const failure of failures) console.log(`failed: ${failure}`);
  const skipped = total.skipped === 0 ? '' : `, ${total.skipped} skipped`;
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
}

const { full } = new Command('npm test --')
  .description('Runs every stage of tests.')
  .option('--full', 'the long forms of the simulation, the cluster, the lab and the lifecycle matrix', false)
  .parse()
  .opts<{ readonly full: boolean }>();
await main(full);
