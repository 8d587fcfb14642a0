import { describe, expect, it } from 'vitest';

import { address, childConfig, Pair, type PairOptions, present, type Side } from '../testing/pair.ts';
import type { SelectorConfig } from '../types.ts';

function net(text: string): SelectorConfig {
  return { prefix: { address: address(text), length: 24 }, protocol: 0, fromPort: 0, toPort: 65_535 };
}

/** An established pair; the left side stands behind a NAT where `nat` says so. Liveness is rare. */
function established(nat: boolean, pretend: 'Auto' | 'Always' = 'Auto', options: PairOptions = {}): Pair {
  const pair = new Pair(options);
  if (nat) pair.nat = { inside: pair.left, publicAddress: address('203.0.113.9'), portShift: 20_000 };
  const tunnel = (local: string, remote: string) => ({
    children: [childConfig({ mode: 'tunnel', local: [net(local)], remote: [net(remote)] })],
    liveness: { intervalMs: 3_600_000, timeoutMs: 60_000 },
  });
  pair.configureLeft({ ...tunnel('10.1.0.0', '10.2.0.0'), natTraversal: pretend });
  pair.configureRight({ remoteAddress: nat ? 'any' : pair.left.address, ...tunnel('10.2.0.0', '10.1.0.0') });
  return pair.settle();
}

function gaps(side: Side): readonly number[] {
  return side.keepalives.slice(1).map(({ at }, index) => at - present(side.keepalives[index]).at);
}

describe('NAT keepalives', () => {
  it('go out every 20 s at the latest from the side behind the NAT, and from no other', () => {
    const pair = established(true).advance(300_000);
    expect(pair.left.keepalives.length).toBeGreaterThanOrEqual(15);
    expect(Math.max(...gaps(pair.left))).toBeLessThanOrEqual(20_000);
    expect(Math.min(...gaps(pair.left))).toBeGreaterThanOrEqual(15_000);
    expect(pair.left.keepalives[0]?.path).toMatchObject({ localPort: 4500, remotePort: 4500 });
    expect(pair.right.keepalives).toEqual([]);
  });

  it('are not sent where there is no NAT', () => {
    const pair = established(false).advance(300_000);
    expect([...pair.left.keepalives, ...pair.right.keepalives]).toEqual([]);
  });

  it('are sent where natTraversal is Always: a firewall forgets as a NAT does', () => {
    const pair = established(false, 'Always').advance(60_000);
    expect(pair.left.keepalives.length).toBeGreaterThanOrEqual(3);
    expect(pair.right.keepalives).toEqual([]);
  });

  it('wait for 20 s of silence: a request of ours is as good', () => {
    const pair = established(true);
    for (let count = 0; count < 10; count += 1) {
      pair.advance(14_000);
      pair.command(pair.left, { kind: 'checkLiveness', name: 'right' });
      pair.settle();
    }
    expect(pair.left.keepalives).toEqual([]);
  });

  it('are left to a kernel that sends them by itself, and asked of it on the way out', () => {
    const pair = established(true, 'Auto', { kernelSendsKeepalives: true }).advance(300_000);
    expect(pair.left.keepalives).toEqual([]);
    const asked = (side: Side) =>
      side.commands.flatMap((command) => (command.kind === 'addSa' ? [command.sa.natKeepaliveSeconds] : []));
    expect(asked(pair.left)).toEqual([undefined, 20]);
    expect(asked(pair.right)).toEqual([undefined, undefined]);
    // Without an SA the kernel has nothing to send them for.
    pair.command(pair.left, { kind: 'terminateChild', name: 'right', child: 'hosts' });
    pair.right.refuse = ({ kind }) => (kind === 'addSa' ? 'no' : undefined);
    pair.advance(100_000);
    expect(pair.left.keepalives.length).toBeGreaterThan(0);
  });

  it('end with the IKE SA', () => {
    const pair = established(true);
    pair.command(pair.left, { kind: 'removeConnection', name: 'right' });
    pair.settle().advance(300_000);
    expect(pair.left.keepalives).toEqual([]);
  });
});
