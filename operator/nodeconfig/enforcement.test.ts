import { describe, expect, it } from 'vitest';

import type { IpsecNodeConfig } from '../api/ipsec-node-config.ts';
import { nextEnforcement, type Told } from './enforcement.ts';
import { nodePeeringOf } from './node-configs.ts';
import { rosterOf } from './roster.ts';
import { atSecond, clusterOf, meshOf, nodeOf, nodesOf } from './testing/builders.ts';

const optional = { outbound: 'Optional', inbound: 'Optional' } as const;
const outbound = { outbound: 'Required', inbound: 'Optional' } as const;
const required = { outbound: 'Required', inbound: 'Required' } as const;
type Step = typeof optional | typeof outbound | typeof required;

describe('enforcement', () => {
  it('begins without, when nothing encrypts yet', () => {
    expect(nextEnforcement('Required', [])).toEqual(optional);
    expect(nextEnforcement('Required', [told(optional, optional, 0), told(optional, optional, 0)])).toEqual(optional);
  });

  it('goes on when every node encrypts with every other and has done the step before', () => {
    expect(nextEnforcement('Required', [told(optional, optional, 1), told(optional, optional, 1)])).toEqual(outbound);
    expect(nextEnforcement('Required', [told(outbound, outbound, 1), told(outbound, outbound, 1)])).toEqual(required);
    expect(nextEnforcement('Required', [told(required, required, 1), told(required, required, 0)])).toEqual(required);
  });

  it.each([
    ['has not done the step', told(outbound, optional, 1), outbound],
    ['says nothing', told(outbound, undefined, 1), outbound],
    ['lags behind its configuration', told(outbound, outbound, 1, 1), outbound],
    ['was not told of the step when writing ended half-way', told(optional, optional, 1), outbound],
  ])('waits for one node that %s', (_, slow, expected) => {
    expect(nextEnforcement('Required', [told(outbound, outbound, 1), slow])).toEqual(expected);
  });

  it('waits for one peer that is not reached, before plaintext ends', () => {
    expect(nextEnforcement('Required', [told(optional, optional, 1), told(optional, optional, 0)])).toEqual(optional);
  });

  it('waits until what is exempt is in force, and not for that when it goes back', () => {
    const both = [told(optional, optional, 1), told(optional, optional, 1)];
    expect(nextEnforcement('Required', both, false)).toEqual(optional);
    const further = [told(outbound, outbound, 1), told(outbound, outbound, 1)];
    expect(nextEnforcement('Required', further, false)).toEqual(outbound);
    expect(nextEnforcement('Permissive', further, false)).toEqual(optional);
  });

  it('goes back in reverse: nobody refuses plaintext before somebody sends it', () => {
    expect(nextEnforcement('Permissive', [told(required, required, 1), told(required, required, 1)])).toEqual(outbound);
    expect(nextEnforcement('Permissive', [told(outbound, required, 1), told(outbound, outbound, 1)])).toEqual(outbound);
    // Nobody has to encrypt for it.
    expect(nextEnforcement('Permissive', [told(outbound, outbound, 0), told(outbound, outbound, 0)])).toEqual(optional);
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
});

/** A node of two that was told one step, and says that it does another. */
function told(wanted: Step, said: Step | undefined, encrypting: number, behind = 0): Told {
  const peering = meshOf('cluster');
  const member = { node: nodeOf(1), addresses: ['192.0.2.1'], obstacle: undefined };
  const empty = clusterOf({ peerings: [], nodes: [member.node] }).observed();
  const [known] = rosterOf(empty);
  if (known === undefined) throw new Error('no node');
  const entry = nodePeeringOf(peering, { ...member, node: known }, wanted);
  const tunnels = { expected: encrypting, pending: 0, established: encrypting, encrypting };
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
