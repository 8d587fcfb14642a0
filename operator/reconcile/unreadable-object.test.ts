import { describe, expect, it } from 'vitest';

import type { StoredObject } from '../controller/source.ts';
import { ApiClient } from '../kube/api-client.ts';
import { plan } from '../nodeconfig/plan.ts';
import { atSecond, clusterOf, meshOf, nodesOf, settings } from '../nodeconfig/testing/builders.ts';
import { Departures } from './departures.ts';
import { gather } from './gather.ts';
import { watched } from './watched.ts';
import { Watches } from './watches.ts';

const PLACES = { nodesNamespace: 'ikemesh-nodes', ownNamespace: 'ikemesh', agentAccount: 'ikemesh-agent' };
const IGNORE = { changed: () => {}, lost: () => {}, replaced: () => {}, state: () => {} };
const REFUSED = { refusedCertificates: new Map(), refusedNodeConfigs: new Map(), refusedSlices: new Map() };

describe('an object of the operator that this version cannot read', () => {
  it('is there all the same, and stays as it is', () => {
    const cluster = clusterOf({ peerings: [meshOf('cluster')], nodes: nodesOf(2) });
    cluster.settle(atSecond(0));
    const { nodeConfigs, slices, peerings, nodes } = cluster.observed();
    const watches = new Watches(
      new ApiClient({ server: new URL('http://127.0.0.1:1'), options: async () => ({}) }),
      PLACES,
      IGNORE,
    );
    for (const each of peerings) watches.put('peerings', stored(each));
    for (const each of nodes) watches.put('nodes', stored(each));
    for (const each of nodeConfigs)
      watches.put('nodeConfigs', stored({ ...each, spec: { ...each.spec, peerings: [{ name: 'newer' }] } }));
    for (const each of slices) watches.put('slices', stored({ ...each, peers: 'newer' }));
    const evidence = { nodeUids: async () => undefined, peeringWasDeleted: async () => false };
    const observed = gather(watches, new Departures(evidence, () => {}), REFUSED, 0);
    expect([observed.nodeConfigs, observed.slices]).toEqual([[], []]);
    const named = observed.unreadableObjects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(named).toEqual([
      'IPsecNodeConfig node-1',
      'IPsecNodeConfig node-2',
      `IPsecPeerSlice ${slices[0]?.metadata.name}`,
    ]);
    const planned = plan(observed, settings, atSecond(1));
    expect([planned.nodeConfigs, planned.slices, planned.access, planned.deletions]).toEqual([[], [], [], []]);
  });

  it('is none whose status alone cannot be read: that is what the agent says, and no part of what it is told', () => {
    const cluster = clusterOf({ peerings: [meshOf('cluster')], nodes: nodesOf(1) });
    cluster.settle(atSecond(0));
    const [config] = cluster.observed().nodeConfigs;
    const read = watched.nodeConfigs.read(stored({ ...config, status: { peerings: 'newer' } }));
    expect(read).toMatchObject({ spec: config?.spec });
    expect(read).not.toHaveProperty('status');
  });
});

function stored(object: object): StoredObject {
  const { metadata } = object as StoredObject;
  return { ...object, metadata: { ...metadata, uid: metadata.uid ?? 'uid', resourceVersion: '7' } };
}
