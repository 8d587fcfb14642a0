import type { InteropLink } from '../interop/interop-link.ts';
import { interopScenarios } from '../interop/interop-scenario.ts';
import { expectNothingLost } from '../traffic/counted-stream.ts';

const REAUTHENTICATIONS = 10;
/** The shortest that our configuration takes. */
const OURS = '10s';

/**
 * 200 packets per second flow each way while one IKE SA after the other, each with new proofs of identity, takes the place of
 * the one before; none may be lost.
 */
async function reauthenticates(link: InteropLink): Promise<void> {
  await link.connect();
  const stream = await link.stream(200);
  await link.passes(100);
  for (let round = 1; round <= REAUTHENTICATIONS; round += 1) {
    link.lab.step(`reauthentication ${round} of ${REAUTHENTICATIONS}`);
    const before = (await link.peer()).ikeSas.map(({ number }) => number);
    await link.peerUntil(
      'another IKE SA, and it alone',
      ({ ikeSas, state }) => {
        const [only, second] = ikeSas;
        if (state !== 'encrypting' || only === undefined || second !== undefined) return false;
        return !before.includes(only.number) && only.children.length === 1;
      },
      40_000,
    );
  }
  await link.passes(100);
  expectNothingLost(await stream.stop());
  // Who is asked to begin does not always do so; then we do, and they send on a new Child SA as soon as they have granted it.
  await link.close({ early: true });
}

export default interopScenarios({
  name: 'reauthenticates',
  description: `identities are proven anew ${REAUTHENTICATIONS} times under 200 packets/s: none is lost`,
  roles: ['initiator'],
  timeoutMs: 400_000,
  // Ten of the shortest lifetimes take their time.
  rare: true,
  settings: { ours: { peer: { lifetimes: { reauthentication: OURS } } } },
  run: reauthenticates,
});
