import { describe, expect, it } from 'vitest';

import { DEFAULT_LIMITS } from '../limits.ts';
import { Pair, proposal, type Side } from '../testing/pair.ts';
import type { ConnectionConfig } from '../types.ts';

/** IPv4 and UDP. */
const HEADERS_BYTES = 28;

function connected(changes: Partial<ConnectionConfig> = {}): Pair {
  return new Pair().configure(changes, changes).settle().advance(10_000);
}

/** A pair on whose path packets of so many bytes arrive. */
function narrowed(path: number, pair = connected()): Pair {
  pair.mostBytes = path - HEADERS_BYTES;
  return pair;
}

function search(pair: Pair, most: number, side: Side = pair.left): void {
  pair.command(side, { kind: 'searchPathMtu', name: pair.other(side).name, most });
}

function probes(pair: Pair): readonly number[] {
  return pair.sent.filter(({ whole }) => whole).map(({ bytes }) => bytes.length + HEADERS_BYTES);
}

describe('the search for the path MTU', () => {
  it('takes one packet that must not be cut up, where the path lets pass what the interface sends', () => {
    const pair = narrowed(1_500);
    search(pair, 1_500);
    pair.settle();
    expect(pair.status(pair.left).pathMtu).toBe(1_500);
    expect(probes(pair)).toEqual([1_500]);
  });

  it.each([1_492, 1_400, 1_280, 1_000, 600])('finds a path of %i whose routers are not heard', (path) => {
    const pair = narrowed(path);
    search(pair, 1_500);
    pair.advance(60_000);
    const found = pair.status(pair.left).pathMtu ?? 0;
    expect(found).toBeLessThanOrEqual(path);
    expect(found).toBeGreaterThan(path - 4);
  });

  it('never has the IKE SA end, or its Child SA, and tells the peer apart from a dead one', () => {
    const pair = narrowed(580);
    search(pair, 9_000);
    pair.advance(600_000);
    const kinds = [pair.left, pair.right].flatMap(({ facts }) => facts.map(({ kind }) => kind));
    expect(kinds.filter((kind) => kind === 'ikeSaClosed' || kind === 'childSaClosed')).toEqual([]);
    expect(pair.status(pair.left).ikeSas).toHaveLength(1);
    expect(pair.packet(pair.left)).toBe('encrypted');
  });

  it('takes a second for each packet that is too long, and three of a length before that is believed', () => {
    const pair = narrowed(1_400);
    search(pair, 1_500);
    pair.advance(1_200);
    expect(probes(pair)).toEqual([1_500, 1_500]);
    pair.advance(1_200);
    expect(probes(pair)).toEqual([1_500, 1_500, 1_500]);
  });

  it('does not take a packet that was lost once for one that is too long', () => {
    const pair = narrowed(1_000);
    search(pair, 1_500);
    pair.fire();
    pair.wire.length = 0;
    pair.mostBytes = 1_500;
    pair.advance(5_000);
    expect(pair.status(pair.left).pathMtu).toBe(1_500);
  });

  it('leaves the size of all other messages as it was', () => {
    const pair = narrowed(1_300);
    search(pair, 1_500);
    pair.advance(60_000);
    const before = pair.sent.length;
    pair.command(pair.left, { kind: 'reauthenticate', name: 'right' });
    pair.advance(5_000);
    expect(pair.status(pair.left).ikeSas.map(({ state }) => state)).toEqual(['established']);
    expect(pair.sent.length).toBeGreaterThan(before);
  });

  it('lets other requests pass in between, and is not begun twice', () => {
    const pair = narrowed(1_400);
    search(pair, 1_500);
    search(pair, 1_500);
    pair.command(pair.left, { kind: 'rekeyChild', name: 'right', child: 'hosts' });
    pair.advance(60_000);
    expect(pair.left.facts.filter(({ kind }) => kind === 'childSaRekeyed')).toHaveLength(1);
    expect(pair.left.facts.filter(({ kind }) => kind === 'pathMtuFound')).toHaveLength(1);
  });

  it('fills packets as far as block ciphers let it, and says what it has filled', () => {
    const pair = narrowed(1_500, connected({ proposals: [proposal('aes256', 'sha256', 'prfsha256', 'x25519')] }));
    search(pair, 1_500);
    pair.settle();
    const [length = 0] = probes(pair);
    expect(length).toBeLessThanOrEqual(1_500);
    expect(length).toBeGreaterThan(1_500 - 16);
    expect(pair.status(pair.left).pathMtu).toBe(length);
  });

  it('sends none that is longer than the longest that is worth a try', () => {
    const pair = connected();
    search(pair, 65_536);
    pair.settle();
    expect(probes(pair)).toEqual([DEFAULT_LIMITS.pathProbeMostBytes]);
  });

  it('is no notify that a peer wonders at', () => {
    const pair = narrowed(1_500);
    search(pair, 1_500);
    pair.settle();
    expect(pair.right.facts.filter(({ kind }) => kind === 'notifyIgnored')).toEqual([]);
  });
});
