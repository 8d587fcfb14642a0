import { describe, expect, it } from 'vitest';

import { changesOf } from './changes.ts';
import type { Observed, UnreadableObject } from './observed.ts';
import { plan } from './plan.ts';
import { atSecond, clusterOf, gatewayOf, meshOf, nodesOf, settings } from './testing/builders.ts';

const faults = [{ field: 'spec.peerings[0].mssClamp', text: 'must be Auto or Disabled' }];

describe('an IPsecNodeConfig that this version cannot read', () => {
  it('is not written, and its node keeps its certificate, its rights and its place with its peers', () => {
    const observed = withoutConfig(settled().observed(), 'node-3');
    // Of a peering that is not accepted nothing but that object says what the node has of it.
    for (const each of [observed, { ...observed, preSharedKeys: new Set<string>() }, { ...observed, slices: [] }]) {
      const planned = plan(each, settings, atSecond(1));
      const touched = changesOf(each, planned).filter((change) => change.kind !== 'applyStatus');
      expect(touched.map(({ object }) => object.kind).filter((kind) => kind !== 'IPsecPeerSlice')).toEqual([]);
      expect(planned.slices.flatMap(({ peers }) => peers.map(({ name }) => name))).toEqual([
        'node-1',
        'node-2',
        'node-3',
      ]);
      expect(planned.untold).toEqual(new Set(['node-3']));
    }
  });

  it('leaves the certificate of a peering that is not there at the moment', () => {
    const observed = withoutConfig(settled().observed(), 'node-3');
    expect(plan({ ...observed, peerings: [] }, settings, atSecond(1)).deletions).toEqual([]);
  });

  it('is named by its peering, with what to do', () => {
    const { statuses } = plan(withoutConfig(settled().observed(), 'node-3'), settings, atSecond(1));
    const said = statuses.get('cluster')?.conditions?.find(({ type }) => type === 'Programmed');
    expect(said).toMatchObject({ status: 'False', reason: 'Unreadable' });
    expect(said?.message).toMatch(
      /spec\.peerings\[0\]\.mssClamp \(must be .*\) of IPsecNodeConfig node-3.*upgrade ikemesh/,
    );
  });

  it('keeps all others from refusing plaintext, which its node may still send', () => {
    const cluster = settled();
    const observed = withoutConfig(cluster.observed(), 'node-3');
    const required = [meshOf('cluster', { 'spec.enforcement': 'Required' })];
    const { nodeConfigs } = plan({ ...observed, peerings: required }, settings, atSecond(1));
    const enforced = nodeConfigs.map(({ spec }) => spec.peerings.find(({ name }) => name === 'cluster')?.enforcement);
    expect(enforced).toEqual(Array(2).fill({ outbound: 'Optional', inbound: 'Optional' }));
  });
});

it('peers that stand in a slice which this version cannot read keep their places, and no slice is written over it', () => {
  const observed = settled().observed();
  const unreadableObjects = observed.slices.map(({ metadata }) => unreadable('IPsecPeerSlice', metadata.name));
  const given = { ...observed, slices: [], unreadableObjects };
  const planned = plan(given, settings, atSecond(1));
  expect(planned.slices).toEqual([]);
  const said = planned.statuses.get('cluster')?.conditions?.find(({ type }) => type === 'Programmed');
  expect(said?.message).toContain(`of IPsecPeerSlice ${observed.slices[0]?.metadata.name}`);
  expect(planned.statuses.get('office')?.conditions).toEqual(observed.peerings[1]?.status?.conditions);
});

function settled() {
  const cluster = clusterOf({ peerings: [meshOf('cluster'), gatewayOf('office')], nodes: nodesOf(3) });
  cluster.settle(atSecond(0));
  return cluster;
}

function withoutConfig(observed: Observed, node: string): Observed {
  const nodeConfigs = observed.nodeConfigs.filter(({ metadata }) => metadata.name !== node);
  return { ...observed, nodeConfigs, unreadableObjects: [unreadable('IPsecNodeConfig', node)] };
}

function unreadable(kind: UnreadableObject['kind'], name: string): UnreadableObject {
  return { kind, metadata: { name }, faults };
}
