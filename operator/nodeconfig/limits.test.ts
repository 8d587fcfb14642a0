import { describe, expect, it } from 'vitest';

import { MAX_PEERINGS } from '../api/limits.ts';
import { atSecond, clusterOf, gatewayOf, nodesOf } from './testing/builders.ts';

describe('more peerings than a node can take part in', () => {
  it('leave out those that win least, say so there, and change nothing else when one is added', () => {
    const names = Array.from({ length: MAX_PEERINGS + 1 }, (_, index) => `office-${String(index).padStart(3, '0')}`);
    const peerings = names.map((name, index) =>
      gatewayOf(name, {
        'spec.remote.gateway.selectors': [{ local: 'NodeAddresses', remote: `10.200.${index}.0/24` }],
      }),
    );
    const cluster = clusterOf({ peerings, nodes: nodesOf(2) });
    cluster.settle(atSecond(0));
    const told = cluster.observed().nodeConfigs.map(({ spec }) => spec.peerings.map(({ name }) => name));
    expect(told).toEqual([names.slice(0, MAX_PEERINGS), names.slice(0, MAX_PEERINGS)]);
    const programmed = (name: string | undefined) =>
      cluster.given.peerings
        .find(({ metadata }) => metadata.name === name)
        ?.status?.conditions?.find(({ type }) => type === 'Programmed');
    expect(programmed(names[0])).toMatchObject({ status: 'True' });
    expect(programmed(names.at(-1))).toMatchObject({
      status: 'False',
      reason: 'NodesUnsuitable',
      message: expect.stringContaining('too many peerings'),
    });
  });
});
