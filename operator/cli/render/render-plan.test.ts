import { describe, expect, it } from 'vitest';

import {
  atSecond,
  clusterOf,
  gatewayOf,
  meshOf,
  nodeOf,
  nodesOf,
  settings,
} from '../../nodeconfig/testing/builders.ts';
import { renderPlan } from './render-plan.ts';

const NOW = atSecond(600);

/** What an operator has made of a mesh of three nodes. */
function mesh() {
  const cluster = clusterOf({ peerings: [meshOf('cluster')], nodes: nodesOf(3) });
  cluster.settle(atSecond(0));
  cluster.settle(NOW);
  return cluster.observed();
}

describe('render', () => {
  it('says that nothing changes when what is there is applied again', () => {
    const observed = mesh();
    const plan = renderPlan(observed, observed.peerings, settings, NOW);
    expect(plan.peerings[0]).toMatchObject({ change: 'unchanged', fields: [] });
    expect(plan.nodes).toEqual([]);
    expect(plan.unchangedNodes).toBe(3);
  });

  it('shows every step to enforcement, and what each node is told at its end', () => {
    const plan = renderPlan(mesh(), [meshOf('cluster', { 'spec.enforcement': 'Required' })], settings, NOW);
    expect(plan.peerings[0]).toMatchObject({
      change: 'changed',
      fields: ['spec.enforcement: Permissive → Required'],
      // Where it is to begin with is no step.
      steps: ['Required out, Optional in', 'Required out, Required in'],
    });
    expect(plan.nodes.map(({ name }) => name)).toEqual(['node-1', 'node-2', 'node-3']);
    expect(plan.nodes[0]?.changes).toContain('cluster: enforcement.outbound: Optional → Required');
  });

  it('names the nodes that a new peering is about, and only those', () => {
    const office = gatewayOf('office', {
      'spec.nodes': { selector: { matchLabels: { edge: 'yes' } }, addressType: 'InternalIP' },
    });
    const observed = { ...mesh(), nodes: [nodeOf(1), nodeOf(2, { 'metadata.labels': { edge: 'yes' } }), nodeOf(3)] };
    const plan = renderPlan(observed, [office], settings, NOW);
    expect(plan.peerings[0]).toMatchObject({ change: 'created' });
    expect(plan.nodes).toEqual([{ name: 'node-2', changes: ['takes part in office, by 192.168.0.2 and fd00::2'] }]);
  });

  it('tells which nodes lose their tunnels when a selector becomes narrower', () => {
    const narrow = meshOf('cluster', {
      'spec.nodes': {
        selector: { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'DoesNotExist' }] },
        addressType: 'InternalIP',
      },
    });
    const observed = {
      ...mesh(),
      nodes: [nodeOf(1), nodeOf(2), nodeOf(3, { 'metadata.labels': { 'kubernetes.io/hostname': 'c' } })],
    };
    const plan = renderPlan(observed, [narrow], settings, NOW);
    expect(plan.nodes.find(({ name }) => name === 'node-3')?.changes.join()).toContain('takes part in cluster no more');
  });

  it('says that a peering would not be accepted, and changes no node', () => {
    const nobody = meshOf('cluster', {
      'spec.nodes': { selector: { matchLabels: { pool: 'none' } }, addressType: 'InternalIP' },
    });
    const plan = renderPlan(mesh(), [nobody], settings, NOW);
    expect(plan.peerings[0]?.conditions).toContainEqual(
      expect.objectContaining({ type: 'Accepted', status: 'False', reason: 'NoNodes' }),
    );
  });
});
