import assert from 'node:assert/strict';

import { compareKernels } from '../dataplane/differential.ts';
import { description, RealWorld } from '../dataplane/real-world.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';

const scenario: Scenario = {
  name: 'dataplane-differential',
  description: 'the same random commands and packets have the same fate in the fake kernel and in Linux',
  timeoutMs: 300_000,
  run,
};
export default scenario;

/** Another life: `DATAPLANE_SEED=7 DATAPLANE_STEPS=3000 npm run lab -- dataplane-differential`. */
async function run(lab: Lab): Promise<void> {
  const { DATAPLANE_SEED, DATAPLANE_STEPS } = process.env;
  const seed = Number(DATAPLANE_SEED ?? 57);
  const steps = Number(DATAPLANE_STEPS ?? 800);
  const real = await RealWorld.in(await lab.topology(description));
  try {
    lab.step(`a random life of ${steps} steps; replay it with DATAPLANE_SEED=${seed} DATAPLANE_STEPS=${steps}`);
    const { commands, packets, encrypted, fates } = await compareKernels(real, seed, steps);
    lab.step(`${commands} commands and ${packets} packets, ${encrypted} of them through an SA: no difference`);
    lab.step([...fates].map(([fate, count]) => `${fate}: ${count}`).join(', '));
    if (DATAPLANE_SEED !== undefined) return;
    // A life in which nothing passes or nothing is dropped compares little.
    assert.ok(encrypted >= packets / 10, `only ${encrypted} of ${packets} packets came through an SA`);
    for (const fate of expectedFates) assert.ok(fates.has(fate), `nothing was ever ${fate}`);
  } finally {
    real.close();
  }
}

/** What the life that is lived by default meets, among much else. */
const expectedFates: readonly string[] = [
  'arrived',
  'acquire',
  'expire',
  'mapping',
  'west XfrmInTmplMismatch 1',
  'west XfrmOutNoStates 1',
  'west XfrmInNoPols 1',
  'west XfrmInStateSeqError 1',
];
