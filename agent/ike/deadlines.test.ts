import { describe, expect, it } from 'vitest';

import { DEFAULT_LIMITS } from './limits.ts';
import { Pair } from './testing/pair.ts';
import { headline } from './testing/scripted-peer.ts';

const liveness = { intervalMs: 5_000, timeoutMs: 10_000 };

/** Delivers everything for some seconds but what grants the right side's Child SA. */
function withoutGrants(pair: Pair, seconds: number): void {
  for (let second = 0; second < seconds; second += 1) {
    pair.fire();
    for (const datagram of pair.wire.splice(0)) {
      const isGrant = datagram.from === pair.right && headline(datagram.bytes)[0] === 35;
      if (!isGrant) pair.deliverCopy(datagram);
    }
    pair.at += 1_000;
  }
}

describe('a responder whose grant does not get through', () => {
  it('does not take the initiator for dead while that may go on asking for it', () => {
    const pair = new Pair().configure({ liveness }, { liveness });
    withoutGrants(pair, 40);
    pair.advance(40_000);
    expect(pair.right.facts.filter(({ kind }) => kind === 'ikeSaClosed')).toEqual([]);
    expect(pair.encrypts()).toBe(true);
  });

  it.each([8, 20, 30])(
    'keeps nothing of an initiator that is taken out of the list after %i s longer than one that is dead',
    (seconds) => {
      const pair = new Pair().configure({ liveness }, { liveness });
      withoutGrants(pair, seconds);
      expect(pair.sas(pair.right)).toHaveLength(2);
      pair.command(pair.right, { kind: 'removeConnection', name: 'left' });
      withoutGrants(pair, (liveness.timeoutMs + DEFAULT_LIMITS.supersededGraceMs) / 1_000 + 2);
      expect(pair.sas(pair.right)).toEqual([]);
    },
  );
});
