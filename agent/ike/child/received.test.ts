import { describe, expect, it } from 'vitest';

import { childConfig, Pair, type Side } from '../testing/pair.ts';
import { survey } from '../testing/traffic.ts';
import type { ChildConfig } from '../types.ts';

const CHILDREN = 40;

/** A Child for each of many ports: more than one notify has room for. */
function children(): readonly ChildConfig[] {
  return Array.from({ length: CHILDREN }, (_, index) => {
    const traffic = { protocol: 17, fromPort: 5_000 + index, toPort: 5_000 + index };
    return childConfig({ name: `port-${index}`, reqid: 0x6000_0001 + index, local: [traffic], remote: [traffic] });
  });
}

/** Four packets for each Child of a side, every two seconds, at which both look at their kernels. */
function live(pair: Pair, seconds: number, from: readonly Side[], isLost: (port: number) => boolean = () => false) {
  for (let passed = 0; passed < seconds; passed += 2) {
    for (const side of from) for (let packet = 0; packet < 4 * CHILDREN; packet += 1) send(pair, side, packet, isLost);
    pair.advance(2_000);
    for (const side of [pair.left, pair.right]) survey(pair, side);
    pair.settle();
  }
}

function send(pair: Pair, from: Side, packet: number, isLost: (port: number) => boolean): void {
  const to = pair.other(from);
  const port = 5_000 + (packet % CHILDREN);
  const ports = { protocol: 17, sourcePort: port, destinationPort: port, payloadBytes: 100 };
  const fate = from.kernel.outbound({ kind: 'plain', source: from.address, destination: to.address, ...ports });
  if (fate.kind === 'esp' && !isLost(port)) to.kernel.inbound(fate.packet);
}

function outbound(pair: Pair, side: Side): readonly (string | undefined)[] {
  return pair.status(side).ikeSas.flatMap((sa) => sa.children.map(({ arrival }) => arrival?.outbound));
}

describe('a peer with more pairs than a notify has room for', () => {
  it('hears of all of them, whoever sends', () => {
    const pair = new Pair().configure({ children: children() }, { children: children() }).settle().advance(5_000);
    expect(outbound(pair, pair.left)).toHaveLength(CHILDREN);
    live(pair, 12, [pair.left]);
    expect(new Set(outbound(pair, pair.left))).toEqual(new Set(['arrived']));
    live(pair, 12, [pair.left, pair.right]);
    expect(new Set(outbound(pair, pair.right))).toEqual(new Set(['arrived']));
  });

  it('hears of each that nothing arrives on', () => {
    const never = { natTraversal: 'Never', children: children() } as const;
    const pair = new Pair().configure(never, never).settle().advance(5_000);
    live(pair, 12, [pair.left, pair.right]);
    live(pair, 24, [pair.left, pair.right], (port) => port === 5_000 || port === 5_000 + CHILDREN - 1);
    for (const side of [pair.left, pair.right]) {
      const states = outbound(pair, side);
      expect(states.filter((state) => state === 'lost')).toHaveLength(2);
      expect([states[0], states.at(-1)]).toEqual(['lost', 'lost']);
    }
  });
});
