import { describe, expect, it } from 'vitest';

import { STARTUP_TAINT } from './names.ts';
import type { Observed } from './observed.ts';
import { settledNodes } from './startup-taint.ts';
import { nodeOf } from './testing/builders.ts';

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

describe('a startup taint', () => {
  it('is needed no longer when the agent has done what it is told', () => {
    expect(settledNodes(observed(), [])).toEqual([{ name: 'node-1', uid: 'uid-1' }]);
  });

  it('is needed no longer when its agent is Ready and has nothing to do', () => {
    expect(settledNodes(observed({}, { nodeConfigs: [] }), [])).toHaveLength(1);
  });

  it('stays while something is to be written for the node', () => {
    const object = { apiVersion: 'ikemesh.io/v1alpha1', kind: 'IPsecNodeConfig', metadata: { name: 'node-1' } };
    const change = { kind: 'apply', object, uid: undefined } as const;
    expect(settledNodes(observed(), [change])).toEqual([]);
    expect(settledNodes(observed({}, { nodeConfigs: [] }), [change])).toEqual([]);
  });

  it.each([
    ['speaks of an older configuration', { observedGeneration: 2 }],
    ['is not that of the Pod that is Ready', { agent: { podUID: 'pod-0', bootID: 'boot-1' } }],
    ['says that it is not programmed', { conditions: [{ type: 'Programmed', status: 'False' }] }],
    ['says nothing of it', { conditions: [] }],
  ])('stays while the status %s', (_, status) => {
    expect(settledNodes(observed(status), [])).toEqual([]);
  });

  it('stays while no agent is Ready, and while the configuration is that of a node before', () => {
    expect(settledNodes(observed({}, { agentPods: new Map() }), [])).toEqual([]);
    const later = nodeOf(1, { 'spec.taints': [{ key: STARTUP_TAINT }], 'metadata.uid': 'uid-2' });
    expect(settledNodes(observed({}, { nodes: [later] }), [])).toEqual([]);
  });

  it('is looked for on nodes that have it only', () => {
    const nodes = [nodeOf(1, { 'spec.taints': [{ key: 'example.com/other' }] }), nodeOf(2)];
    expect(settledNodes(observed({}, { nodes }), [])).toEqual([]);
  });
});
