import { describe, expect, it } from 'vitest';
import type { KernelSnapshot } from '../../dataplane/types.ts';
import { Pair, present, type Side } from '../testing/pair.ts';

function dump(side: Side): KernelSnapshot {
  const dumped = side.kernel.dump();
  if (!dumped.ok) throw new Error(dumped.error.message);
  return dumped.value;
}

/** What the runtime does when the kernel's events overflowed. */
function resync(pair: Pair, side: Side): void {
  pair.handle(side, { kind: 'kernel', event: { kind: 'resync', snapshot: dump(side) } });
  pair.settle();
}

function connected(): Pair {
  return new Pair().configure().settle();
}

describe('after the kernel has lost events', () => {
  it('nothing is touched where the kernel has what was ordered', () => {
    const pair = connected();
    const before = pair.left.commands.length;
    resync(pair, pair.left);
    expect(pair.left.commands.slice(before)).toEqual([]);
  });

  it('nothing is touched between link-local addresses either, which the kernel has without their interfaces', () => {
    const pair = new Pair({ addresses: ['fe80::1%eth0', 'fe80::2%eth0'] }).configure().settle();
    const before = pair.left.commands.length;
    resync(pair, pair.left);
    expect(pair.left.commands.slice(before)).toEqual([]);
    expect(
      dump(pair.left)
        .sas.map(({ id }) => id.destination)
        .sort(),
    ).toEqual(['fe80::1', 'fe80::2']);
  });

  it('a Child SA whose SA somebody removed is asked for anew and the peer gives up its half', () => {
    const pair = connected();
    const [lost] = dump(pair.left).sas;
    pair.left.kernel.execute({ kind: 'deleteSa', id: present(lost).id });
    resync(pair, pair.left);
    pair.advance(30_000);
    const inbound = (side: Side) =>
      side.endpoint.status(pair.at).connections.flatMap(({ ikeSas }) => ikeSas.flatMap(({ children }) => children));
    expect(inbound(pair.left)).toHaveLength(1);
    expect(inbound(pair.right)).toHaveLength(1);
    expect(present(inbound(pair.left)[0]).outboundSpi).toBe(present(inbound(pair.right)[0]).inboundSpi);
    expect(dump(pair.left).sas.map(({ id }) => id.spi)).not.toContain(present(lost).id.spi);
  });

  it('a policy that somebody removed comes back, so that Required goes on blocking', () => {
    const pair = connected();
    const removed = present(pair.policies(pair.left).find((policy) => policy.direction === 'in'));
    pair.left.kernel.execute({ kind: 'deletePolicy', key: removed, index: removed.index });
    expect(pair.policies(pair.left)).toHaveLength(1);
    resync(pair, pair.left);
    const directions = pair.policies(pair.left).map(({ direction }) => direction);
    expect(directions.sort()).toEqual(['in', 'out']);
  });

  it('an SA of ours that nobody knows any more goes', () => {
    const pair = connected();
    const known = dump(pair.left);
    const stray = { ...present(known.sas[0]), id: { ...present(known.sas[0]).id, spi: 0x1234_5678 } };
    pair.handle(pair.left, {
      kind: 'kernel',
      event: { kind: 'resync', snapshot: { ...known, sas: [...known.sas, stray] } },
    });
    expect(pair.left.commands.at(-1)).toEqual({ kind: 'deleteSa', id: stray.id });
  });

  it('what an earlier run has left stays where it was to stay at the start, until it is to go', () => {
    const pair = connected();
    const left = dump(pair.left);
    pair.restarted(pair.left, 99);
    const start = { kind: 'start', connections: [], snapshot: left } as const;
    pair.command(pair.left, { ...start, leavesUnwanted: true });
    resync(pair, pair.left);
    expect(dump(pair.left)).toEqual(left);
    pair.command(pair.left, { kind: 'removeUnwanted', snapshot: left });
    expect([dump(pair.left).sas, pair.policies(pair.left)]).toEqual([[], []]);
  });

  it('foreign SAs and policies are left alone', () => {
    const pair = connected();
    const known = dump(pair.left);
    const before = pair.left.commands.length;
    const foreignSa = { ...present(known.sas[0]), id: { ...present(known.sas[0]).id, spi: 0x777 }, ours: false };
    const own = present(known.policies[0]);
    const foreignPolicy = { ...own, selector: { ...own.selector, protocol: 6 }, index: 8, ours: false };
    pair.handle(pair.left, {
      kind: 'kernel',
      event: {
        kind: 'resync',
        snapshot: { sas: [...known.sas, foreignSa], policies: [...known.policies, foreignPolicy] },
      },
    });
    expect(pair.left.commands.slice(before)).toEqual([]);
  });
});
