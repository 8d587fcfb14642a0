import { describe, expect, it } from 'vitest';

import { Pair, present, type Side } from '../testing/pair.ts';
import { live, type Way } from '../testing/traffic.ts';
import type { ConnectionConfig } from '../types.ts';

/** A path on which IKE passes and ESP does not, save in UDP. */
const onlyUdp: Way = (_, esp) => (esp.udp === undefined ? undefined : esp);

function connected(changes: Partial<ConnectionConfig> = {}): Pair {
  return new Pair().configure(changes, changes).settle().advance(1_000);
}

function children(pair: Pair, side: Side) {
  return pair.status(side).ikeSas.flatMap((sa) => sa.children.filter(({ state }) => state === 'installed'));
}

function fallbacks(pair: Pair): number {
  return [pair.left, pair.right].flatMap(({ facts }) => facts.filter(({ kind }) => kind === 'espFallback')).length;
}

describe('where ESP is dropped on the path', () => {
  it('it goes in UDP within 16 seconds, in both directions, and stays there', () => {
    const pair = connected();
    live(pair, 10);
    live(pair, 16, onlyUdp);
    for (const side of [pair.left, pair.right]) {
      expect(children(pair, side).map(({ udpEncapsulation }) => udpEncapsulation)).toEqual([true]);
      expect(present(children(pair, side)[0]).arrival).toMatchObject({ inbound: 'received', outbound: 'arrived' });
    }
    expect(fallbacks(pair)).toBe(1);
    pair.command(pair.right, { kind: 'reauthenticate', name: 'left' });
    pair.advance(5_000);
    live(pair, 20, onlyUdp);
    expect(children(pair, pair.left).map(({ udpEncapsulation }) => udpEncapsulation)).toEqual([true]);
    expect(fallbacks(pair)).toBe(1);
  });

  it('from the beginning, it goes in UDP as well', () => {
    const pair = connected();
    live(pair, 20, onlyUdp);
    expect(
      pair
        .status(pair.left)
        .ikeSas.flatMap((sa) => sa.children)
        .at(-1),
    ).toMatchObject({ udpEncapsulation: true });
  });

  it('for one direction only, that is enough', () => {
    const pair = connected();
    live(pair, 10);
    live(pair, 24, (from, esp) => (from === pair.right && esp.udp === undefined ? undefined : esp));
    expect(present(children(pair, pair.right)[0])).toMatchObject({ udpEncapsulation: true });
    expect(present(children(pair, pair.right)[0]).arrival).toMatchObject({ outbound: 'arrived' });
  });

  it('nothing changes where UDP is not allowed, or brings nothing', () => {
    const never = connected({ natTraversal: 'Never' });
    live(never, 30, onlyUdp);
    expect(fallbacks(never)).toBe(0);
    const neither = connected();
    live(neither, 90, () => undefined);
    expect(fallbacks(neither)).toBeLessThanOrEqual(2);
    for (const side of [neither.left, neither.right]) {
      expect(present(children(neither, side).at(-1)).arrival).toMatchObject({ outbound: 'lost' });
    }
  });

  it('nothing changes where all is well', () => {
    const pair = connected();
    live(pair, 60);
    live(pair, 60, (_, esp) => esp, [pair.left]);
    expect(fallbacks(pair)).toBe(0);
  });
});
