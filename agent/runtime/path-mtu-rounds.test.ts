import { describe, expect, it } from 'vitest';

import { address, connectionConfig } from '../ike/testing/pair.ts';
import { PathMtuRounds } from './path-mtu-rounds.ts';
import { TestWorld } from './testing/agents.ts';

const NODE = { name: 'node', address: address('10.0.0.1') };

function rounds(peers: number) {
  const world = new TestWorld();
  const searches: (readonly [at: number, connection: string, most: number])[] = [];
  const connections = Array.from({ length: peers }, (_, index) =>
    connectionConfig(NODE, { name: `peer-${index}`, address: address(`10.0.1.${index}`) }),
  );
  const started = world.clock.monotonicMs();
  const all = new PathMtuRounds({
    timers: world.timers,
    // No way leads to the last one.
    pathMtus: { between: (_, remote) => (remote === '10.0.1.9' ? undefined : { link: 9_000, path: 1_500 }) },
    connections: () => connections,
    search: (connection, most) => searches.push([(world.clock.monotonicMs() - started) / 1_000, connection, most]),
  });
  all.start();
  return { world, all, searches, connections };
}

describe('rounds of searches for path MTUs', () => {
  it('ask each peer once there is an IKE SA with it, one a second, by what its interface sends', () => {
    const { world, all, searches } = rounds(3);
    world.pass(20_000);
    for (const name of ['peer-1', 'peer-2', 'peer-1']) all.established(name);
    world.pass(60_000);
    all.established('peer-0');
    world.pass(60_000);
    expect(searches).toEqual([
      [21, 'peer-1', 9_000],
      [22, 'peer-2', 9_000],
      [81, 'peer-0', 9_000],
    ]);
  });

  it('ask all of them every ten minutes, those of then', () => {
    const { world, searches, connections } = rounds(2);
    world.pass(660_000);
    connections.pop();
    world.pass(600_000);
    expect(searches).toEqual([
      [601, 'peer-0', 9_000],
      [602, 'peer-1', 9_000],
      [1_201, 'peer-0', 9_000],
    ]);
  });

  it('pass over whom there is no way to, and end when they are told to', () => {
    const { world, all, searches } = rounds(10);
    world.pass(660_000);
    expect(searches.map(([, name]) => name)).not.toContain('peer-9');
    expect(searches).toHaveLength(9);
    all.established('peer-1');
    all.stop();
    world.pass(1_200_000);
    expect(searches).toHaveLength(9);
  });
});
