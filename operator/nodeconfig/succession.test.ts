import { describe, expect, it } from 'vitest';

import type { IpsecPeering } from '../api/ipsec-peering.ts';
import type { ImaginedCluster } from '../offline/imagined-cluster.ts';
import { atSecond, clusterOf, gatewayOf, meshOf, nodesOf } from './testing/builders.ts';

const REQUIRED = { 'spec.enforcement': 'Required' };

describe('the traffic of a Required peering that is deleted', () => {
  it.each([
    ['a mesh', meshOf('first', { ...REQUIRED, 'spec.priority': 1 }), meshOf('second', REQUIRED)],
    ['a gateway', gatewayOf('first', { ...REQUIRED, 'spec.priority': 1 }), gatewayOf('second', REQUIRED)],
  ])('stays Required until another one that had no part in it enforces as much: %s', (_, first, second) => {
    const cluster = overlapped(first, second);
    const levels = succeed(cluster);
    expect(new Set(levels.flat())).toEqual(new Set(['Required']));
    expect(entriesOf(cluster)).toEqual([
      ['second', 0, 'Required', 'Required'],
      ['second', 0, 'Required', 'Required'],
    ]);
  });

  it('is protected as the one that takes over says, from the first moment', () => {
    const cluster = overlapped(meshOf('first', { ...REQUIRED, 'spec.priority': 1 }), meshOf('second', REQUIRED));
    forget(cluster);
    cluster.step(atSecond(1));
    expect(entriesOf(cluster)[0]).toEqual(['second', 0, 'Optional', 'Optional']);
    expect(cluster.observed().nodeConfigs[0]?.spec.peerings[1]).toMatchObject({ name: 'first', priority: -1_000 });
  });

  it.each([
    ['the other is to be Permissive', meshOf('second'), REQUIRED],
    ['the other is about other traffic', meshOf('second', { ...REQUIRED, 'spec.traffic.scope': 'Pods' }), REQUIRED],
    ['it was Permissive itself', meshOf('second', REQUIRED), { 'spec.enforcement': 'Permissive' }],
  ])('is let go at once where %s', (_, second, fields) => {
    const cluster = overlapped(meshOf('first', { ...fields, 'spec.priority': 1 }), second);
    forget(cluster);
    cluster.step(atSecond(1));
    expect(entriesOf(cluster).map(([name]) => name)).toEqual(['second', 'second']);
  });

  it('is let go where the one that was to take over is deleted as well', () => {
    const cluster = overlapped(meshOf('first', { ...REQUIRED, 'spec.priority': 1 }), meshOf('second', REQUIRED));
    forget(cluster);
    cluster.step(atSecond(1));
    cluster.given = { ...cluster.given, peerings: [] };
    cluster.gone = { ...cluster.gone, peerings: new Set(['first', 'second']) };
    cluster.settle(atSecond(2));
    expect(entriesOf(cluster)).toEqual([]);
  });
});

/** A peering that is in force, and one that came later and has no part in its traffic. */
function overlapped(first: IpsecPeering, second: IpsecPeering): ImaginedCluster {
  const cluster = clusterOf({ peerings: [first], nodes: nodesOf(2) });
  cluster.settle(atSecond(0));
  const [numbered] = clusterOf({ peerings: [second], nodes: [] }).given.peerings;
  if (numbered === undefined) throw new Error('the second peering is not there');
  cluster.given = { ...cluster.given, peerings: [...cluster.given.peerings, numbered] };
  cluster.settle(atSecond(0));
  return cluster;
}

/** The first peering is deleted, and known to be. */
function forget(cluster: ImaginedCluster): void {
  const peerings = cluster.given.peerings.filter(({ metadata }) => metadata.name !== 'first');
  cluster.given = { ...cluster.given, peerings };
  cluster.gone = { ...cluster.gone, peerings: new Set(['first']) };
}

/** Deletes the first peering and follows the plan to its end; the strictest level of each node after each step. */
function succeed(cluster: ImaginedCluster): readonly (readonly string[])[] {
  forget(cluster);
  const levels: string[][] = [];
  for (let isDone = false; !isDone; ) {
    const changes = cluster.step(atSecond(1));
    isDone = !cluster.work() && changes.length === 0;
    const { nodeConfigs } = cluster.observed();
    levels.push(
      nodeConfigs.map(({ spec }) =>
        spec.peerings.some(({ enforcement }) => Object.values(enforcement).every((level) => level === 'Required'))
          ? 'Required'
          : 'Optional',
      ),
    );
  }
  return levels;
}

function entriesOf(cluster: ImaginedCluster): readonly (readonly unknown[])[] {
  return cluster
    .observed()
    .nodeConfigs.flatMap(({ spec }) =>
      spec.peerings.map(({ name, priority, enforcement }) => [
        name,
        priority,
        enforcement.outbound,
        enforcement.inbound,
      ]),
    );
}
