import { expect, it } from 'vitest';

import { plan } from './plan.ts';
import { atSecond, clusterOf, gatewayOf, meshOf, nodesOf, settings } from './testing/builders.ts';

it('a fault on one node is told by the condition of the peering that it is of, and the tunnels that stay are counted', () => {
  const cluster = clusterOf({ peerings: [meshOf('cluster'), gatewayOf('office')], nodes: nodesOf(2) });
  cluster.settle(atSecond(0));
  const observed = cluster.observed();
  const fault = { reason: 'CredentialsMissing', message: 'the ConfigMap roots is not there: make it' };
  const nodeConfigs = observed.nodeConfigs.map((config) => {
    const peerings = (config.status?.peerings ?? []).map((each) =>
      config.metadata.name === 'node-2' && each.name === 'cluster' ? { ...each, enforcement: undefined, fault } : each,
    );
    return { ...config, status: { ...config.status, peerings } };
  });
  const { statuses } = plan({ ...observed, nodeConfigs }, settings, atSecond(1));
  const said = (peering: string, type: string) => {
    const found = statuses.get(peering)?.conditions?.find((each) => each.type === type);
    return `${found?.status}: ${found?.message}`;
  };
  expect(said('cluster', 'Programmed')).toBe(`False: the agent of node-2: ${fault.message}`);
  expect(said('cluster', 'Encrypting')).toMatch(/^True/);
  expect(statuses.get('cluster')?.tunnels).toEqual({ expected: 1, established: 1, encrypting: 1 });
  expect(said('office', 'Programmed')).toMatch(/^True/);
});
