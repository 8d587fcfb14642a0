import { describe, expect, it } from 'vitest';

import { DEFAULT_LIMITS } from '../limits.ts';
import { Pair, present, type Side } from '../testing/pair.ts';

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
