import { describe, expect, it } from 'vitest';

import type { Observed } from './observed.ts';
import { plan } from './plan.ts';
import { atSecond, clusterOf, gatewayOf, meshOf, nodeOf, settings } from './testing/builders.ts';

const nodes = [1, 2, 3].map((number) => nodeOf(number, { 'metadata.labels': { [`n${number}`]: 'x', all: 'x' } }));
const only = (...labels: readonly string[]) => ({
  'spec.nodes': { selector: { matchExpressions: labels.map((key) => ({ key, operator: 'Exists' })) } },
});
const but = (label: string) => ({
  'spec.nodes': { selector: { matchExpressions: [{ key: label, operator: 'DoesNotExist' }] } },
});

describe('peerings about the same traffic', () => {
  it('are won by the higher priority, whatever the names', () => {
    const outcome = accepted([meshOf('a'), meshOf('b', { 'spec.priority': 1 })]);
    expect(outcome['a']).toMatchObject({
      status: 'False',
      reason: 'Overlapped',
      message: expect.stringContaining('peering b'),
    });
    expect(outcome['b']).toMatchObject({ status: 'True', reason: 'Accepted' });
  });

  it('are won by the name that sorts first where priorities are equal', () => {
    expect(accepted([meshOf('b'), meshOf('a')])['b']).toMatchObject({ reason: 'Overlapped' });
  });

  it('are both carried out where the loser has more nodes, and it says which one wins', () => {
    expect(accepted([meshOf('a', but('n1')), meshOf('b')])['b']).toMatchObject({
      status: 'True',
      reason: 'PartlyOverlapped',
      message: expect.stringContaining('that of a'),
    });
  });

  it('do not meet in one node alone, nor in scopes that differ', () => {
    const meshes = accepted([meshOf('a', only('n1')), meshOf('b', but('n2'))]);
    expect(meshes['b']).toMatchObject({ reason: 'Accepted' });
    const scopes = accepted([meshOf('a', { 'spec.traffic': { scope: 'Pods' } }), meshOf('b')]);
    expect(scopes['b']).toMatchObject({ reason: 'Accepted' });
    const wider = accepted([meshOf('a'), meshOf('b', { 'spec.traffic': { scope: 'NodesAndPods' } })]);
    expect(wider['b']).toMatchObject({ reason: 'PartlyOverlapped' });
  });

  it('are found among gateways by their selectors', () => {
    const selector = (remote: string) => ({ 'spec.remote.gateway.selectors': [{ local: 'NodeAddresses', remote }] });
    const [wide, narrow] = [gatewayOf('a', selector('10.0.0.0/8')), gatewayOf('b', selector('10.1.0.0/16'))];
    expect(accepted([wide, narrow])['b']).toMatchObject({ reason: 'PartlyOverlapped' });
    expect(accepted([gatewayOf('a'), gatewayOf('b')])['b']).toMatchObject({ reason: 'Overlapped' });
    expect(accepted([gatewayOf('a'), gatewayOf('b', selector('10.1.0.0/16'))])['b']).toMatchObject({
      reason: 'Accepted',
    });
  });

  it('leave the nodes of the loser what they had of it, with its priority, when the winner comes later', () => {
    const cluster = clusterOf({ peerings: [meshOf('b')], nodes });
    cluster.settle(atSecond(0));
    const winner = meshOf('a', { 'metadata.generation': 1 });
    cluster.given = { ...cluster.given, peerings: [...cluster.given.peerings, winner] };
    cluster.settle(atSecond(1));
    const listed = cluster.observed().nodeConfigs.map(({ spec }) => spec.peerings.map(({ name }) => name));
    expect(listed).toEqual(nodes.map(() => ['a', 'b']));
  });
  it('are not won by one that no node is told of, because its pre-shared key cannot be used', () => {
    const winner = gatewayOf('a', {
      'spec.authentication': { preSharedKey: { secretRef: { name: 'typo', key: 'psk' } } },
    });
    const cluster = clusterOf({ peerings: [winner, gatewayOf('b')], nodes });
    const [first, ...others] = nodes;
    cluster.given = { ...cluster.given, peerings: cluster.given.peerings.slice(1), nodes: others };
    cluster.settle(atSecond(0));
    const outcome = (preSharedKeys: ReadonlySet<string>, among: Partial<Observed> = {}) => {
      const observed = { ...cluster.observed(), peerings: [winner, ...cluster.given.peerings], nodes, ...among };
      const { statuses, nodeConfigs } = plan({ ...observed, preSharedKeys }, settings, atSecond(1));
      const reason = statuses.get('b')?.conditions?.find(({ type }) => type === 'Accepted')?.reason;
      const told = nodeConfigs.find(({ metadata }) => metadata.name === first?.metadata.name)?.spec.peerings;
      return [reason, told?.map(({ name }) => name)];
    };
    const { preSharedKeys } = cluster.observed();
    expect(outcome(preSharedKeys)).toEqual(['Accepted', ['b']]);
    expect(outcome(new Set([...preSharedKeys, 'typo/psk']))).toEqual(['Overlapped', ['a']]);
    // Once nodes are told of it, it wins there, whatever becomes of its key.
    cluster.given = { ...cluster.given, peerings: [numbered(winner), ...cluster.given.peerings] };
    cluster.settle(atSecond(2));
    expect(outcome(preSharedKeys, { peerings: cluster.given.peerings })[0]).toBe('Overlapped');
  });
});

function numbered<T extends { readonly metadata: object }>(peering: T): T {
  return { ...peering, metadata: { ...peering.metadata, generation: 1 } };
}

function accepted(peerings: Parameters<typeof clusterOf>[0]['peerings']) {
  const cluster = clusterOf({ peerings, nodes });
  cluster.settle(atSecond(0));
  return Object.fromEntries(
    cluster.given.peerings.map(({ metadata, status }) => [
      metadata.name,
      status?.conditions?.find(({ type }) => type === 'Accepted'),
    ]),
  );
}
