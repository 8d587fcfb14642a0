import { describe, expect, it } from 'vitest';

import { meshManifest } from '../api/testing/manifests.ts';
import type { StoredObject } from '../controller/source.ts';
import { ApiClient } from '../kube/api-client.ts';
import { changesOf } from '../nodeconfig/changes.ts';
import { plan } from '../nodeconfig/plan.ts';
import { atSecond, clusterOf, meshOf, nodesOf, settings } from '../nodeconfig/testing/builders.ts';
import { Departures } from './departures.ts';
import { gather } from './gather.ts';
import { watched } from './watched.ts';
import { Watches } from './watches.ts';

const PLACES = { nodesNamespace: 'ikemesh-nodes', ownNamespace: 'ikemesh', agentAccount: 'ikemesh-agent' };
const IGNORE = { changed: () => {}, lost: () => {}, replaced: () => {}, state: () => {} };

describe('a peering that this version cannot read', () => {
  it('is there all the same: nobody asks whether it was deleted', () => {
    const watches = new Watches(new ApiClient({ server: new URL('http://127.0.0.1:1'), options }), PLACES, IGNORE);
    watches.put('peerings', stored({ enforcement: 'Newer' }));
    const sights: ReadonlySet<string>[] = [];
    const departures = new Departures(
      { nodeUids: async () => undefined, peeringWasDeleted: async () => false },
      () => {},
    );
    const { look } = departures;
    departures.look = (sight, now) => {
      sights.push(sight.peerings);
      return look.call(departures, sight, now);
    };
    const { peerings, unreadablePeerings } = gather(
      watches,
      departures,
      { refusedCertificates: new Map(), refusedNodeConfigs: new Map(), refusedSlices: new Map() },
      0,
    );
    expect(peerings).toEqual([]);
    expect(unreadablePeerings).toMatchObject([{ metadata: { name: 'cluster', generation: 2 } }]);
    expect(sights).toEqual([new Set(['cluster'])]);
  });

  it('says so of its present generation, names the field, and says no more what an older one said', () => {
    const { conditions, status } = judged({ enforcement: 'Newer' });
    expect(conditions['Accepted']).toMatchObject({
      status: 'False',
      reason: 'Unreadable',
      message: expect.stringContaining(
        'cannot read spec.enforcement (must be Permissive or Required): upgrade ikemesh',
      ),
      observedGeneration: 2,
    });
    expect(conditions['Ready']).toMatchObject({ status: 'False', reason: 'Unreadable' });
    expect(conditions['Programmed']).toMatchObject({ status: 'False', reason: 'NotAccepted' });
    expect(conditions['Encrypting']).toMatchObject({ status: 'Unknown', observedGeneration: 2 });
    expect(status).not.toHaveProperty('nodes');
    expect(status?.observedGeneration).toBe(2);
  });

  it('leaves to nodes what they had of it, and has all other peerings go on', () => {
    const cluster = clusterOf({ peerings: [meshOf('cluster')], nodes: nodesOf(3) });
    cluster.settle(atSecond(0));
    const others = [meshOf('other', { 'spec.priority': -1, 'spec.traffic.scope': 'Pods' })];
    const observed = {
      ...cluster.observed(),
      peerings: others,
      unreadablePeerings: [unreadable({ mssClamp: 'Newer' })],
    };
    const planned = plan(observed, settings, atSecond(1));
    const told = planned.nodeConfigs.map(({ spec }) => spec.peerings.map(({ name }) => name));
    expect(told).toEqual(Array(3).fill(['cluster', 'other']));
    expect(planned.deletions).toEqual([]);
    const written = changesOf(observed, planned).flatMap((change) =>
      change.kind === 'applyStatus' ? [change.peering.metadata] : [],
    );
    expect(written).toMatchObject([{ name: 'other' }, { name: 'cluster', uid: 'uid-of-cluster' }]);
    const gone = { ...observed.gone, peerings: new Set(['cluster']) };
    const deleted = plan({ ...observed, unreadablePeerings: [], gone }, settings, atSecond(1));
    expect(deleted.nodeConfigs.flatMap(({ spec }) => spec.peerings.map(({ name }) => name))).not.toContain('cluster');
  });

  it('is none whose status alone cannot be read: that is written anew', () => {
    const read = watched.peerings.read({ ...stored({}), status: { nodes: 'many' } } as never);
    expect(read).toMatchObject({ spec: { enforcement: 'Permissive' } });
    expect(read).not.toHaveProperty('status');
  });
});

const options = async () => ({});

/** As the API server has it, after an older version judged the first generation. */
function stored(spec: object): StoredObject {
  const metadata = { name: 'cluster', uid: 'uid-of-cluster', resourceVersion: '7', generation: 2 };
  const before = {
    type: 'Ready',
    status: 'True',
    reason: 'Ready',
    message: '',
    lastTransitionTime: atSecond(0).timestamp,
  };
  const status = {
    observedGeneration: 1,
    conditions: [{ ...before, observedGeneration: 1 }],
    nodes: { selected: 3, ready: 3 },
  };
  return { ...meshManifest, metadata, spec: { ...(meshManifest['spec'] as object), ...spec }, status } as StoredObject;
}

function unreadable(spec: object) {
  const read = watched.peerings.read(stored(spec));
  if (read === undefined || !('faults' in read)) throw new Error('it can be read');
  return read;
}

function judged(spec: object) {
  const observed = {
    ...clusterOf({ peerings: [], nodes: nodesOf(3) }).observed(),
    unreadablePeerings: [unreadable(spec)],
  };
  const status = plan(observed, settings, atSecond(9)).statuses.get('cluster');
  return { status, conditions: Object.fromEntries((status?.conditions ?? []).map((each) => [each.type, each])) };
}
