import { expect, it } from 'vitest';

import { RekeyRun } from './rekey.ts';

it('the rekey bench rekeys every Child SA and every IKE SA in each round, again and again', () => {
  const run = new RekeyRun(4);
  run.warmUp();
  run.measureRound();
  run.measureRound();
  const { parameters, figures } = run.result();
  expect(parameters).toMatchObject({ rounds: 2, pairs: 4 });
  expect(figures['childRekeysPerCpuSecond']).toBeGreaterThan(0);
  expect(figures['ikeRekeysPerCpuSecond']).toBeGreaterThan(0);
});
