import { describe, expect, it } from 'vitest';

import { DEFAULT_LIMITS } from '../limits.ts';
import { childConfig, connectionConfig, Pair, present, type Side } from '../testing/pair.ts';

const { unselectedGraceMs } = DEFAULT_LIMITS;

/** The SPI that a side sends on by its newest Child SA. */
function outbound(pair: Pair, side: Side): number {
  return present(pair.status(side).ikeSas.at(-1)?.children.at(-1)).outboundSpi;
}

function has(pair: Pair, side: Side, spi: number): boolean {
  return pair.sas(side).some(({ id }) => id.spi === spi);
}

function pins(side: Side): readonly (number | undefined)[] {
  return side.kernel.kernel.policies.all().map(({ spec }) => spec.template?.spi);
}

/** A packet may have been given the old SA before the policies changed, and not have got through it yet. */
describe('an outbound SA that is not sent on any more', () => {
  const limits = { unselectedGraceMs };

  it('stays at both ends for a moment after a rekey, selected by nothing', () => {
    const pair = new Pair({ limits }).configure().settle().advance(1_000);
    const sides = [pair.left, pair.right] as const;
    const old = sides.map((side) => outbound(pair, side));
    pair.command(pair.left, { kind: 'rekeyChild', name: 'right', child: 'hosts' });
    pair.settle();
    for (const [index, side] of sides.entries()) {
      const spi = present(old[index]);
      expect(pins(side)).not.toContain(spi);
      expect(has(pair, side, spi)).toBe(true);
    }
    pair.advance(unselectedGraceMs);
    for (const [index, side] of sides.entries()) expect(has(pair, side, present(old[index]))).toBe(false);
  });

  it.each(['older', 'newer'])(
    'is not gone back to by an agent that ended while policies went over, whose kernel names the %s one first',
    (first) => {
      const traffic = [6, 17].map((protocol) => ({ protocol, fromPort: 0, toPort: 65_535 }));
      const children = [childConfig({ local: traffic, remote: traffic })];
      const pair = new Pair({ limits }).configure({ children }, { children }).settle().advance(5_000);
      const [left, right] = [pair.left, pair.right];
      const old = outbound(pair, right);
      pair.command(left, { kind: 'rekeyChild', name: 'right', child: 'hosts' });
      pair.settle();
      const current = outbound(pair, right);
      const outward = pair
        .policies(right)
        .filter(({ direction, template }) => direction === 'out' && template !== undefined);
      expect(outward.length).toBeGreaterThan(1);
      const { ours: _, ...policy } = present(outward[0]);
      const template = { ...present(policy.template), spi: old };
      expect(right.kernel.execute({ kind: 'putPolicy', policy: { ...policy, template } }).ok).toBe(true);
      const dumped = right.kernel.dump();
      if (!dumped.ok) throw new Error(dumped.error.message);
      const sas = dumped.value.sas.toSorted((one, other) => one.addedAt - other.addedAt);
      const snapshot = { ...dumped.value, sas: first === 'older' ? sas : sas.toReversed() };
      pair.restarted(right, 99);
      pair.command(right, { kind: 'start', connections: [connectionConfig(right, left, { children })], snapshot });
      expect(new Set(pins(right).filter((spi) => spi === old || spi === current))).toEqual(new Set([current]));
    },
  );

  it('goes at once where nothing has taken its place, for what is sent then is to be blocked', () => {
    const pair = new Pair({ limits }).configure().settle().advance(1_000);
    const spi = outbound(pair, pair.left);
    pair.command(pair.left, { kind: 'terminate', name: 'right' });
    pair.settle();
    expect(has(pair, pair.left, spi)).toBe(false);
  });

  it('is deleted again where the kernel refused that', () => {
    const pair = new Pair({ limits }).configure().settle().advance(1_000);
    const spi = outbound(pair, pair.left);
    let refused = 0;
    pair.left.refuse = (command) =>
      command.kind === 'deleteSa' && command.id.spi === spi && refused++ === 0 ? 'busy' : undefined;
    pair.command(pair.left, { kind: 'rekeyChild', name: 'right', child: 'hosts' });
    pair.settle().advance(unselectedGraceMs);
    expect(refused).toBe(1);
    pair.advance(5_000);
    expect(has(pair, pair.left, spi)).toBe(false);
  });
});
