import { describe, expect, it } from 'vitest';

import { Pair } from './testing/pair.ts';
import { headline } from './testing/scripted-peer.ts';

describe('a responder whose grant does not get through', () => {
  it('does not take the initiator for dead while that may go on asking for it', () => {
    const liveness = { intervalMs: 5_000, timeoutMs: 10_000 };
    const pair = new Pair().configure({ liveness }, { liveness });
    for (let second = 0; second < 80; second += 1) {
      pair.fire();
      for (const datagram of pair.wire.splice(0)) {
        const isGrant = datagram.from === pair.right && headline(datagram.bytes)[0] === 35;
        if (!isGrant || second >= 40) pair.deliverCopy(datagram);
      }
      pair.at += 1_000;
    }
    expect(pair.right.facts.filter(({ kind }) => kind === 'ikeSaClosed')).toEqual([]);
    expect(pair.encrypts()).toBe(true);
  });
});
