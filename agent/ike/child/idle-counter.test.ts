import { describe, expect, it } from 'vitest';

import { decodeHeader } from '../../wire/header.ts';
import { ExchangeType } from '../../wire/registry.ts';
import { type Datagram, Pair, type PairOptions, present, type Side } from '../testing/pair.ts';
import { headline } from '../testing/scripted-peer.ts';

const LIVENESS = { liveness: { intervalMs: 10_000, timeoutMs: 20_000 } };

/** A pair that has rekeyed its Child SA, and the left's old inbound SA. */
function rekeyed(options: PairOptions = {}): { readonly pair: Pair; readonly old: number } {
  const pair = new Pair(options).configure().settle().advance(1_000);
  const old = inbound(pair, pair.left);
  pair.command(pair.left, { kind: 'rekeyChild', name: 'right', child: 'hosts' });
  pair.settle();
  return { pair, old };
}

/** The SPI that a side receives on by its newest Child SA. */
function inbound(pair: Pair, side: Side): number {
  return present(pair.status(side).ikeSas.at(-1)?.children.at(-1)).inboundSpi;
}

function has(pair: Pair, side: Side, spi: number): boolean {
  return pair.sas(side).some(({ id }) => id.spi === spi);
}

/** A packet arrives on an SA. */
function receive(pair: Pair, side: Side, spi: number): void {
  const state = side.kernel.kernel.states.all().find(({ id }) => id.spi === spi);
  if (state !== undefined) state.packets += 1;
  pair.advance(1_000);
}

describe('an inbound SA that has been replaced', () => {
  it('goes when nothing has come on it for the grace', () => {
    const { pair, old } = rekeyed();
    pair.advance(4_000);
    expect(has(pair, pair.left, old)).toBe(true);
    pair.advance(2_000);
    expect(has(pair, pair.left, old)).toBe(false);
  });

  it('stays while packets come on it, whatever the peer has said, and goes soon after', () => {
    const { pair, old } = rekeyed();
    for (let second = 0; second < 30; second += 1) receive(pair, pair.left, old);
    expect(has(pair, pair.left, old)).toBe(true);
    pair.advance(11_000);
    expect(has(pair, pair.left, old)).toBe(false);
  });

  it('goes in the end although a peer sends on it for ever', () => {
    const { pair, old } = rekeyed({ limits: { retiringLongestMs: 30_000 } });
    for (let second = 0; second < 45; second += 1) receive(pair, pair.left, old);
    expect(has(pair, pair.left, old)).toBe(false);
  });

  it('goes although the kernel cannot count it', () => {
    const { pair, old } = rekeyed();
    pair.left.refuse = ({ kind }) => (kind === 'queryCounters' ? 'no memory' : undefined);
    pair.advance(11_000);
    expect(has(pair, pair.left, old)).toBe(false);
  });

  it('goes with its connection, however much comes on it', () => {
    const { pair, old } = rekeyed();
    pair.command(pair.left, { kind: 'removeConnection', name: 'right' });
    for (let second = 0; second < 10; second += 1) receive(pair, pair.left, old);
    expect(has(pair, pair.left, old)).toBe(false);
  });
});

describe('an inbound SA whose Delete nobody has answered', () => {
  it('stays until the peer must have found the IKE SA dead: it may go back to it until then', () => {
    const pair = new Pair().configure(LIVENESS, LIVENESS).settle().advance(1_000);
    const old = inbound(pair, pair.left);
    const { initiatorSpi } = present(pair.status(pair.left).ikeSas[0]);
    pair.command(pair.left, { kind: 'reauthenticate', name: 'right' });
    const isOfOld = ({ bytes }: Datagram): boolean => {
      const header = decodeHeader(bytes);
      return (
        header.ok && header.value.initiatorSpi === initiatorSpi && headline(bytes)[0] === ExchangeType.INFORMATIONAL
      );
    };
    const pass = (seconds: number): void => {
      for (let step = 0; step < 10 * seconds; step += 1) {
        pair.fire();
        while (pair.wire.length > 0) {
          if (pair.wire.every(isOfOld)) pair.wire.length = 0;
          else if (pair.wire[0] !== undefined && isOfOld(pair.wire[0])) pair.wire.shift();
          else pair.deliver();
        }
        pair.at += 100;
      }
    };
    pass(20);
    expect(pair.status(pair.left).ikeSas).toHaveLength(1);
    expect(has(pair, pair.left, old)).toBe(true);
    pass(15);
    expect(pair.status(pair.right).ikeSas).toHaveLength(1);
    expect(has(pair, pair.left, old)).toBe(true);
    pass(20);
    expect(has(pair, pair.left, old)).toBe(false);
  });
});
