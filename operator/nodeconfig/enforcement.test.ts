import { describe, expect, it } from 'vitest';

import type { Enforcement, IpsecNodeConfig } from '../api/ipsec-node-config.ts';
import type { IpsecPeering } from '../api/ipsec-peering.ts';
import type { ImaginedCluster } from '../offline/imagined-cluster.ts';
import { type EnforcementFacts, nextEnforcement, type Told } from './enforcement.ts';
import { nodePeeringOf } from './node-configs.ts';
import { type Plan, plan } from './plan.ts';
import { rosterOf } from './roster.ts';
import { atSecond, clusterOf, gatewayOf, meshOf, nodeOf, nodesOf, settings } from './testing/builders.ts';

const optional = { outbound: 'Optional', inbound: 'Optional' } as const;
const outbound = { outbound: 'Required', inbound: 'Optional' } as const;
const required = { outbound: 'Required', inbound: 'Required' } as const;
type Step = typeof optional | typeof outbound | typeof required;

describe('enforcement', () => {
  it('begins without, when nothing encrypts yet', () => {
    expect(next('Required', [])).toEqual(optional);
    expect(next('Required', [told(optional, optional, 0), told(optional, optional, 0)])).toEqual(optional);
  });

  it('goes on when every node encrypts with every other and has done the step before', () => {
    expect(next('Required', [told(optional, optional, 1), told(optional, optional, 1)])).toEqual(outbound);
    expect(next('Required', [told(outbound, outbound, 1), told(outbound, outbound, 1)])).toEqual(required);
    expect(next('Required', [told(required, required, 1), told(required, required, 0)])).toEqual(required);
  });

  it.each([
    ['has not done the step', told(outbound, optional, 1), outbound],
    ['says nothing', told(outbound, undefined, 1), outbound],
    ['lags behind its configuration', told(outbound, outbound, 1, { behind: 1 }), outbound],
    ['was not told of the step when writing ended half-way', told(optional, optional, 1), outbound],
  ])('waits for one node that %s', (_, slow, expected) => {
    expect(next('Required', [told(outbound, outbound, 1), slow])).toEqual(expected);
  });

  it('waits for one peer that is not reached, before plaintext ends', () => {
    expect(next('Required', [told(optional, optional, 1), told(optional, optional, 0)])).toEqual(optional);
  });

  it('waits until what is exempt is in force, and not for that when it goes back', () => {
    const both = [told(optional, optional, 1), told(optional, optional, 1)];
    expect(next('Required', both, { exemptions: false })).toEqual(optional);
    const further = [told(outbound, outbound, 1), told(outbound, outbound, 1)];
    expect(next('Required', further, { exemptions: false })).toEqual(outbound);
    expect(next('Permissive', further, { exemptions: false })).toEqual(optional);
  });

  it('goes back in reverse: nobody refuses plaintext before somebody sends it', () => {
    expect(next('Permissive', [told(required, required, 1), told(required, required, 1)])).toEqual(outbound);
    expect(next('Permissive', [told(outbound, required, 1), told(outbound, outbound, 1)])).toEqual(outbound);
    // Nobody has to encrypt for it.
    expect(next('Permissive', [told(outbound, outbound, 0), told(outbound, outbound, 0)])).toEqual(optional);
  });

  it.each([
    ['is away', (node: Told['node']) => ({ ...node, status: undefined })],
    [
      'has a fault',
      (node: Told['node']) => {
        const fault = { reason: 'CredentialsMissing', message: 'the ConfigMap roots is not there' };
        const peerings = [{ name: 'cluster', fault }];
        return { ...node, status: { ...node.status, peerings } };
      },
    ],
    [
      'does not do what its node is told',
      (node: Told['node']) => {
        const condition = { type: 'Programmed', status: 'False', reason: 'Refused', message: '' } as const;
        return { ...node, status: { ...node.status, conditions: [{ ...condition, lastTransitionTime: '' }] } };
      },
    ],
  ])('goes back without a node whose agent %s, and not forth', (_, make) => {
    const lacking = (step: Step, said: Step): Told => {
      const { node, entry } = told(step, said, 1);
      return { node: make(node) as Told['node'], entry };
    };
    expect(next('Permissive', [told(required, required, 1), lacking(required, outbound)])).toEqual(outbound);
    expect(next('Permissive', [told(outbound, outbound, 1), lacking(outbound, required)])).toEqual(optional);
    expect(next('Permissive', [lacking(required, required)])).toEqual(outbound);
    // Others are at work, and have not done it.
    expect(next('Permissive', [told(outbound, required, 1), lacking(outbound, required)])).toEqual(outbound);
    expect(next('Required', [told(outbound, outbound, 1), lacking(outbound, optional)])).toEqual(outbound);
  });

  it('comes to Required in a cluster that works, and a node that joins is Required at once', () => {
    const cluster = clusterOf({ peerings: [meshOf('cluster', { 'spec.enforcement': 'Required' })], nodes: nodesOf(3) });
    const steps: unknown[] = [];
    for (let round = 0; round < 12; round += 1) {
      cluster.step(atSecond(round));
      cluster.work();
      const present = cluster.observed().nodeConfigs.map(({ spec }) => spec.peerings[0]?.enforcement);
      expect(new Set(present.map((each) => JSON.stringify(each))).size).toBe(1);
      if (JSON.stringify(steps.at(-1)) !== JSON.stringify(present[0])) steps.push(present[0]);
    }
    expect(steps).toEqual([optional, outbound, required]);
    cluster.given = { ...cluster.given, nodes: [...cluster.given.nodes, nodeOf(4)] };
    cluster.step(atSecond(100));
    const joined = cluster.observed().nodeConfigs.find(({ metadata }) => metadata.name === 'node-4');
    expect(joined?.spec.peerings[0]?.enforcement).toEqual(required);
  });

  it('all nodes but one that is away let plaintext pass again when that is wanted, and are told to at once', () => {
    const away = new Set<string>();
    const given = { peerings: [meshOf('cluster', { 'spec.enforcement': 'Required' })], nodes: nodesOf(3) };
    const cluster = clusterOf(given, { hasAgent: (name) => !away.has(name) });
    cluster.settle(atSecond(100));
    away.add('node-3');
    const peerings = [meshOf('cluster', { 'spec.enforcement': 'Permissive' })];
    cluster.given = { ...cluster.given, peerings };
    cluster.settle(atSecond(200));
    const said = cluster
      .observed()
      .nodeConfigs.filter(({ metadata }) => !away.has(metadata.name))
      .map(({ status }) => status?.peerings?.[0]?.enforcement);
    expect(said).toEqual([optional, optional]);
  });

  it('that somebody has written as no step is none: it is replaced, and nobody is kept from a plan', () => {
    const odd = { outbound: 'Optional', inbound: 'Required' } as const;
    expect(next('Required', [], { written: [odd] })).toEqual(optional);
    expect(next('Required', [], { written: [odd], wasInForce: true })).toEqual(required);
    expect(next('Required', [], { written: [odd, required] })).toEqual(required);
    expect(next('Permissive', [told(required, required, 1)], { written: [odd, required] })).toEqual(outbound);
  });

  it('stays in force while no node that has been there for a minute vouches for it', () => {
    expect(next('Required', [], { written: [required] })).toEqual(required);
    expect(next('Required', [], { written: [outbound, optional] })).toEqual(outbound);
    expect(next('Permissive', [], { written: [required] })).toEqual(required);
  });

  it.each([
    ['a gateway peering on one node', gatewayOf('office', { 'spec.enforcement': 'Required' }), 1],
    ['a mesh', meshOf('cluster', { 'spec.enforcement': 'Required' }), 3],
  ])('stays in force in %s whose Nodes are all registered again', (_, peering, count) => {
    const cluster = settled(peering, count);
    const nodes = cluster.given.nodes.map((node, index) => {
      return { ...node, metadata: { ...node.metadata, uid: `uid-again-${index}` } };
    });
    const since = new Map(nodes.map(({ metadata }) => [metadata.uid, atSecond(1_000).milliseconds]));
    const observed = { ...cluster.observed(), nodes, since };
    expect(enforcements(plan(observed, settings, atSecond(1_005)))).toEqual(nodes.map(() => required));
  });

  it('stays in force where somebody deletes all IPsecNodeConfigs, which agents go on to carry out', () => {
    const cluster = settled(meshOf('cluster', { 'spec.enforcement': 'Required' }), 3);
    const observed = { ...cluster.observed(), nodeConfigs: [] };
    expect(enforcements(plan(observed, settings, atSecond(1_000)))).toEqual([required, required, required]);
  });

  it('stays in force where all IPsecNodeConfigs are deleted while an agent is away, or the peering was just changed', () => {
    const away = new Set<string>();
    const peering = meshOf('cluster', { 'spec.enforcement': 'Required' });
    const cluster = clusterOf({ peerings: [peering], nodes: nodesOf(3) }, { hasAgent: (name) => !away.has(name) });
    cluster.settle(atSecond(100));
    away.add('node-3');
    cluster.settle(atSecond(200));
    const observed = { ...cluster.observed(), nodeConfigs: [] };
    expect(observed.peerings[0]?.status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'Programmed', status: 'False', reason: 'AgentsMissing' }),
    );
    const again = plan(observed, settings, atSecond(300));
    expect(enforcements(again)).toEqual([required, required, required]);
    // Nor is it forgotten until they are written.
    expect(again.statuses.get('cluster')?.enforcement).toEqual(required);
    const changed = observed.peerings.map((each) => ({ ...each, metadata: { ...each.metadata, generation: 9 } }));
    const after = plan({ ...observed, peerings: changed }, settings, atSecond(300));
    expect(enforcements(after)).toEqual([required, required, required]);
  });

  it('goes back from the step that was in force where all IPsecNodeConfigs are deleted while plaintext is wanted', () => {
    const observed = clusterOf({ peerings: [meshOf('cluster')], nodes: nodesOf(2) }).observed();
    const peerings = observed.peerings.map((each) => ({
      ...each,
      metadata: { ...each.metadata, generation: 2 },
      status: { observedGeneration: 2, enforcement: required },
    }));
    expect(enforcements(plan({ ...observed, peerings }, settings, atSecond(0)))).toEqual([required, required]);
  });

  it('begins at the beginning on nodes none of which was ever told, whatever others had', () => {
    const cluster = settled(meshOf('cluster', { 'spec.enforcement': 'Required' }), 3);
    const observed = { ...cluster.observed(), nodeConfigs: [], nodes: [nodeOf(8), nodeOf(9)] };
    const peerings = observed.peerings.map((each) => ({ ...each, metadata: { ...each.metadata, generation: 9 } }));
    const planned = plan({ ...observed, peerings }, settings, atSecond(1_000));
    expect(enforcements(planned)).toEqual([optional, optional]);
    expect(planned.statuses.get('cluster')).not.toHaveProperty('enforcement');
  });

  it.each(['ServersNotExempt', 'NetworksClaimed', 'SegmentsNotClamped'])(
    'stays in force where all IPsecNodeConfigs are deleted while the peering is not Programmed for another reason: %s',
    (reason) => {
      const cluster = settled(meshOf('cluster', { 'spec.enforcement': 'Required' }), 3);
      const observed = { ...cluster.observed(), nodeConfigs: [] };
      const peerings = observed.peerings.map((peering) => ({
        ...peering,
        status: {
          ...peering.status,
          conditions: peering.status?.conditions?.map((condition) =>
            condition.type === 'Programmed' ? { ...condition, status: 'False', reason } : condition,
          ),
        },
      })) as readonly IpsecPeering[];
      const after = plan({ ...observed, peerings }, settings, atSecond(1_000));
      expect(enforcements(after)).toEqual([required, required, required]);
    },
  );

  it('is reached where SAs are made for traffic and there was none, and not where one could not be made', () => {
    const both = (idle: number) => [told(optional, optional, 0, { idle }), told(optional, optional, 0, { idle })];
    expect(next('Required', both(1))).toEqual(outbound);
    expect(next('Required', both(0))).toEqual(optional);
    expect(next('Required', [told(optional, optional, 0, { idle: 1, failed: 1 }), ...both(1).slice(1)])).toEqual(
      optional,
    );
  });
});

/** What comes next where what nodes were told is all that is written. */
function next(
  wanted: 'Permissive' | 'Required',
  told: readonly Told[],
  facts: Partial<EnforcementFacts> = {},
): Enforcement {
  const written = told.map(({ entry }) => entry.enforcement);
  return nextEnforcement(wanted, {
    told,
    written,
    before: undefined,
    allKnown: true,
    wasInForce: false,
    exemptions: true,
    ...facts,
  });
}

function settled(peering: IpsecPeering, count: number): ImaginedCluster {
  const cluster = clusterOf({ peerings: [peering], nodes: nodesOf(count) });
  for (let round = 0; round < 12; round += 1) {
    cluster.step(atSecond(round));
    cluster.work();
  }
  cluster.settle(atSecond(100));
  expect(cluster.observed().nodeConfigs.map(({ spec }) => spec.peerings[0]?.enforcement)).toEqual(
    Array.from({ length: count }, () => required),
  );
  return cluster;
}

function enforcements({ nodeConfigs }: Plan): readonly unknown[] {
  return nodeConfigs.map(({ spec }) => spec.peerings[0]?.enforcement);
}

/** A node of two that was told one step, and says that it does another. */
function told(
  wanted: Step,
  said: Step | undefined,
  encrypting: number,
  {
    behind = 0,
    idle = 0,
    failed = 0,
  }: { readonly behind?: number; readonly idle?: number; readonly failed?: number } = {},
): Told {
  const peering = meshOf('cluster');
  const member = { node: nodeOf(1), addresses: ['192.0.2.1'], obstacle: undefined, shortfall: undefined };
  const empty = clusterOf({ peerings: [], nodes: [member.node] }).observed();
  const [known] = rosterOf(empty, atSecond(0));
  if (known === undefined) throw new Error('no node');
  const entry = nodePeeringOf(peering, { ...member, node: known }, wanted);
  const tunnels = { expected: encrypting + failed, pending: 0, established: encrypting, encrypting, idle };
  const status: IpsecNodeConfig['status'] = {
    observedGeneration: 7 - behind,
    peerings: [{ name: 'cluster', ...(said === undefined ? {} : { enforcement: said }), tunnels }],
  };
  const config: IpsecNodeConfig = {
    apiVersion: 'ikemesh.io/v1alpha1',
    kind: 'IPsecNodeConfig',
    metadata: { name: 'node-1', generation: 7 },
    spec: { nodeUID: 'uid-1', identity: { fqdn: 'node-1.mesh.test' }, peerings: [entry] },
    status,
  };
  return { node: { ...known, config, status }, entry };
}
