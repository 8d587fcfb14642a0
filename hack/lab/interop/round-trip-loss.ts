import assert from 'node:assert/strict';

import { type DirectionReport, expectNothingLost } from '../traffic/counted-stream.ts';
import { readXfrmStat } from '../xfrm/xfrm-stat.ts';
import type { InteropLink } from './interop-link.ts';

/** What the kernel counts packets as that come on an SA which it does not have yet. */
export const unknownSaCounter = 'XfrmInNoStates';

/**
 * Throws if more was lost than this: a peer that does not know a new IKE SA for the successor of another one sends on the
 * new Child SA from the moment that it has it as the responder, which is a round trip before we have it. On the way to
 * the peer nothing may be lost.
 */
export async function expectOnlyRoundTripLost(
  link: InteropLink,
  [toThem, toUs]: readonly [DirectionReport, DirectionReport],
): Promise<void> {
  expectNothingLost([toThem]);
  const unknown = (await readXfrmStat(link.machines.gateways.ours)).get(unknownSaCounter) ?? 0;
  link.lab.step(`${toUs.lost} of ${toUs.sent} lost on the way to us, longest gap ${toUs.longestGapMs} ms`);
  assert.equal(toUs.lost, unknown, 'what was lost came on an SA that we did not have yet');
  assert.ok(toUs.lost <= mostLost, `${toUs.lost} packets were lost on the way to us`);
}

/** At 200 packets/s: a round trip in a guest takes up to a hundred milliseconds, on a busy machine more. */
const mostLost = 60;
