import { describe, expect, it } from 'vitest';

import type { IpsecPeering } from '../api/ipsec-peering.ts';
import { MAX_PEERINGS } from '../api/limits.ts';
import { changesOf } from './changes.ts';
import { STARTUP_TAINT } from './names.ts';
import type { Observed } from './observed.ts';
import { plan } from './plan.ts';
import { settledNodes } from './startup-taint.ts';
import { atSecond, clusterOf, gatewayOf, meshOf, nodeOf, nodesOf, settings } from './testing/builders.ts';

/** A tainted node with an agent that is Ready and has done what it is told; what is given is otherwise. */
function observed(status: object = {}, more: Partial<Observed> = {}): Observed {
  const config = {
    metadata: { name: 'node-1', generation: 3 },
    spec: { nodeUID: 'uid-1', identity: { fqdn: 'node-1.mesh.test' }, peerings: [] },
    status: {
      observedGeneration: 3,
      agent: { podUID: 'pod-1', bootID: 'boot-1' },
      conditions: [{ type: 'Programmed', status: 'True' }],
      ...status,
    },
  };
  return {
    nodes: [nodeOf(1, { 'spec.taints': [{ key: STARTUP_TAINT }] })],
    nodeConfigs: [config],
    agentPods: new Map([['node-1', 'pod-1']]),
    ...more,
  } as unknown as Observed;
}

const NOBODY: ReadonlySet<string> = new Set();

describe('a startup taint', () => {
  it('is needed no longer when the agent has done what it is told', () => {
    expect(settledNodes(observed(), [], NOBODY)).toEqual([{ name: 'node-1', uid: 'uid-1' }]);
  });

  it('is needed no longer when its agent is Ready and has nothing to do', () => {
    expect(settledNodes(observed({}, { nodeConfigs: [] }), [], NOBODY)).toHaveLength(1);
  });

  it('stays while something is to be written for the node', () => {
    const object = { apiVersion: 'ikemesh.io/v1alpha1', kind: 'IPsecNodeConfig', metadata: { name: 'node-1' } };
    const change = { kind: 'apply', object, uid: undefined } as const;
    expect(settledNodes(observed(), [change], NOBODY)).toEqual([]);
    expect(settledNodes(observed({}, { nodeConfigs: [] }), [change], NOBODY)).toEqual([]);
  });

  it.each([
    ['speaks of an older configuration', { observedGeneration: 2 }],
    ['is not that of the Pod that is Ready', { agent: { podUID: 'pod-0', bootID: 'boot-1' } }],
    ['says that it is not programmed', { conditions: [{ type: 'Programmed', status: 'False' }] }],
    ['says nothing of it', { conditions: [] }],
  ])('stays while the status %s', (_, status) => {
    expect(settledNodes(observed(status), [], NOBODY)).toEqual([]);
  });

  it('stays while no agent is Ready, and while the configuration is that of a node before', () => {
    expect(settledNodes(observed({}, { agentPods: new Map() }), [], NOBODY)).toEqual([]);
    const later = nodeOf(1, { 'spec.taints': [{ key: STARTUP_TAINT }], 'metadata.uid': 'uid-2' });
    expect(settledNodes(observed({}, { nodes: [later] }), [], NOBODY)).toEqual([]);
  });

  it('stays while a peering cannot be told to the node, also where others are', () => {
    const untold = new Set(['node-1']);
    expect(settledNodes(observed(), [], untold)).toEqual([]);
    expect(settledNodes(observed({}, { nodeConfigs: [] }), [], untold)).toEqual([]);
  });

  it('is looked for on nodes that have it only', () => {
    const nodes = [nodeOf(1, { 'spec.taints': [{ key: 'example.com/other' }] }), nodeOf(2)];
    expect(settledNodes(observed({}, { nodes }), [], NOBODY)).toEqual([]);
  });
});

describe('the startup taint of a node that joins', () => {
  const required = { 'spec.enforcement': 'Required' };
  const pods = { ...required, 'spec.traffic': { scope: 'NodesAndPods' } };
  const addresses = (...all: readonly string[]) => ({
    'status.addresses': all.map((address) => ({ type: 'InternalIP', address })),
  });

  /** Whose taint is taken away after node-3 has joined two others with it. */
  function settledAfter(peerings: readonly IpsecPeering[], fields: object = {}, more: Partial<Observed> = {}) {
    const cluster = clusterOf({ peerings, nodes: nodesOf(2) });
    cluster.settle(atSecond(0));
    const joined = nodeOf(3, { 'spec.taints': [{ key: STARTUP_TAINT }], ...fields });
    cluster.given = { ...cluster.given, nodes: [...nodesOf(2), joined] };
    const seen = { ...cluster.observed(), ...more };
    const planned = plan(seen, settings, atSecond(10));
    return settledNodes(seen, changesOf(seen, planned), planned.untold).map(({ name }) => name);
  }

  it.each([
    ['has no pod CIDRs yet, and its pods are to be encrypted', meshOf('cluster', pods), { 'spec.podCIDRs': undefined }],
    ['has no address yet', meshOf('cluster', required), addresses()],
    ['claims the address of another', meshOf('cluster', required), addresses('192.168.0.1')],
    [
      'claims the pod CIDR of another',
      meshOf('cluster', pods),
      { spec: { taints: [{ key: STARTUP_TAINT }], podCIDRs: ['10.0.1.0/24'] } },
    ],
  ])('stays while it %s: its pods would speak in plaintext', (_, peering, fields) => {
    expect(settledAfter([peering], fields)).toEqual([]);
    const permissive = { ...peering, spec: { ...peering.spec, enforcement: 'Permissive' as const } };
    expect(settledAfter([permissive], fields)).toEqual(['node-3']);
  });

  it('stays while the pre-shared key of a gateway that requires encryption is missing', () => {
    const without = { preSharedKeys: new Set<string>() };
    expect(settledAfter([gatewayOf('office', required)], {}, without)).toEqual([]);
    expect(settledAfter([gatewayOf('office', { 'spec.enforcement': 'Permissive' })], {}, without)).toEqual(['node-3']);
  });

  it('stays while the node takes part in so many peerings that one cannot be told to it', () => {
    const gateways = Array.from({ length: MAX_PEERINGS }, (_, index) => {
      const selectors = [{ local: 'NodeAddresses', remote: `10.200.${index}.0/24` }];
      return gatewayOf(`a${index}`, { 'spec.remote.gateway.selectors': selectors });
    });
    const last = gatewayOf('z', required);
    const untold = (peerings: readonly IpsecPeering[]) =>
      plan(clusterOf({ peerings, nodes: [nodeOf(3)] }).observed(), settings, atSecond(0)).untold;
    expect(untold([...gateways, last])).toEqual(new Set(['node-3']));
    expect(untold([...gateways.slice(1), last])).toEqual(new Set());
  });

  it('stays for the peering that wins, and not for one that has lost all of its traffic to that', () => {
    const loser = meshOf('z', required);
    expect(settledAfter([meshOf('a', required), loser], addresses())).toEqual([]);
    expect(settledAfter([meshOf('a'), loser], addresses())).toEqual(['node-3']);
  });

  it('is not kept by a peering that selects other nodes', () => {
    const selector = { matchExpressions: [{ key: 'mesh', operator: 'Exists' }] };
    expect(settledAfter([meshOf('cluster', { ...required, 'spec.nodes': { selector } })], addresses())).toEqual([
      'node-3',
    ]);
  });
});
