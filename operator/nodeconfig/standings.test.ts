import { describe, expect, it } from 'vitest';

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

it('TCP segments that a node does not clamp hold back neither tunnels nor enforcement, and are told', () => {
  const cluster = clusterOf({ peerings: [meshOf('cluster')], nodes: nodesOf(2) });
  cluster.settle(atSecond(0));
  const observed = cluster.observed();
  const nodeConfigs = observed.nodeConfigs.map((config) => {
    const peerings = config.status?.peerings?.map((each) => ({ ...each, mssClampFailure: 'nf_tables is missing' }));
    return { ...config, status: { ...config.status, peerings } };
  });
  const before = plan(observed, settings, atSecond(1));
  const after = plan({ ...observed, nodeConfigs }, settings, atSecond(1));
  const said = after.statuses.get('cluster')?.conditions?.find(({ type }) => type === 'Programmed');
  expect(`${said?.status} ${said?.message}`).toMatch(/^False .*on node-1 and node-2: nf_tables is missing/);
  expect(after.statuses.get('cluster')?.tunnels).toEqual(before.statuses.get('cluster')?.tunnels);
  expect(after.nodeConfigs).toEqual(before.nodeConfigs);
});

it('a write that the API server refuses is told by the peering that it is of, with the words of the server, and by no other', () => {
  const cluster = clusterOf({ peerings: [meshOf('cluster'), gatewayOf('office')], nodes: nodesOf(2) });
  cluster.settle(atSecond(0));
  const observed = cluster.observed();
  const peerings = observed.peerings.map((each) =>
    each.metadata.name === 'office' ? { ...each, spec: { ...each.spec, priority: 7 } } : each,
  );
  const text = `Forbidden: admission webhook "vet" denied the request: ${'no '.repeat(400)}`;
  const refusedNodeConfigs = new Map([['node-2', text]]);
  const { statuses } = plan({ ...observed, peerings, refusedNodeConfigs }, settings, atSecond(1));
  const said = (peering: string) => statuses.get(peering)?.conditions?.find(({ type }) => type === 'Programmed');
  expect(said('office')?.reason).toBe('WritesRefused');
  expect(said('office')?.message).toMatch(/IPsecNodeConfig of node-2, .*\(Forbidden: admission webhook "vet" denied/);
  expect(said('office')?.message.length).toBeLessThan(1_000);
  expect(said('cluster')?.status).toBe('True');
});

it('a slice that the API server refuses is told by the mesh whose peers stand in it, with the words of the server, and by no other', () => {
  const cluster = clusterOf({
    peerings: [meshOf('cluster'), meshOf('pods', { 'spec.priority': 7 })],
    nodes: nodesOf(2),
  });
  cluster.settle(atSecond(0));
  const observed = cluster.observed();
  const slice = observed.slices.find(({ peering }) => peering === 'pods')?.metadata.name ?? '';
  const refusedSlices = new Map([[slice, 'Forbidden: exceeded quota: slices']]);
  const { statuses } = plan({ ...observed, refusedSlices }, settings, atSecond(1));
  const said = (peering: string) => statuses.get(peering)?.conditions?.find(({ type }) => type === 'Programmed');
  expect(said('pods')?.reason).toBe('WritesRefused');
  expect(said('pods')?.message).toContain(`IPsecPeerSlice ${slice}, which is tried again (Forbidden: exceeded quota`);
  expect(said('cluster')?.reason).not.toBe('WritesRefused');
});

it('a node that joins a mesh which is Ready in its own first minute flips nothing, as it would not later', () => {
  const cluster = clusterOf({ peerings: [meshOf('cluster')], nodes: nodesOf(3) });
  cluster.settle(atSecond(0));
  const observed = cluster.observed();
  const tunnels = { expected: 1, pending: 1, established: 1, encrypting: 1 };
  const nodeConfigs = observed.nodeConfigs.map((config, index) => {
    const peerings = (config.status?.peerings ?? []).map((each) => ({
      ...each,
      tunnels: index < 2 ? tunnels : undefined,
    }));
    return { ...config, status: { ...config.status, peerings } };
  });
  const since = new Map(
    Object.entries({ 'uid-of-cluster': 0, 'uid-1': 0, 'uid-2': 0, 'uid-3': 10 }).map(
      ([uid, second]) => [uid, atSecond(second).milliseconds] as const,
    ),
  );
  const encrypting = (ready: 'True' | 'False') => {
    const peerings = observed.peerings.map((peering) => {
      const conditions = (peering.status?.conditions ?? []).map((each) =>
        each.type === 'Ready' ? { ...each, status: ready, lastTransitionTime: atSecond(5).timestamp } : each,
      );
      return { ...peering, status: { ...peering.status, conditions } };
    });
    const { statuses } = plan({ ...observed, peerings, nodeConfigs, since }, settings, atSecond(12));
    const found = statuses.get('cluster')?.conditions?.find(({ type }) => type === 'Encrypting');
    return `${found?.status}: ${found?.message}`;
  };
  expect(encrypting('True')).toMatch(/^True: 1 tunnel of 2 nodes/);
  expect(encrypting('False')).toMatch(/^Unknown: .*less than a minute ago/);
});

it('an old node that was selected lately is believed that it reaches all, where the others have not told of it yet', () => {
  const cluster = clusterOf({ peerings: [meshOf('cluster')], nodes: nodesOf(3) });
  cluster.settle(atSecond(0));
  const observed = cluster.observed();
  const nodeConfigs = observed.nodeConfigs.map((config, index) => {
    const count = index < 2 ? 1 : 2;
    const tunnels = { expected: count, pending: 0, established: count, encrypting: count };
    const peerings = (config.status?.peerings ?? []).map((each) => ({ ...each, tunnels }));
    return { ...config, status: { ...config.status, peerings } };
  });
  const asked = observed.certificates.find(({ metadata }) => metadata.name.includes('node-3'))?.metadata.uid ?? '';
  const since = new Map([[asked, atSecond(10_000).milliseconds]]);
  const encrypting = (second: number) => {
    const { statuses } = plan({ ...observed, nodeConfigs, since }, settings, atSecond(second));
    const found = statuses.get('cluster')?.conditions?.find(({ type }) => type === 'Encrypting');
    return `${found?.status}: ${found?.message}`;
  };
  expect(encrypting(10_020)).toBe('True: 3 tunnels of 3 nodes encrypting');
  // By then every agent has told.
  expect(encrypting(11_000)).toBe('Unknown: node-1 and node-2 do not know all of their peers yet');
});

describe('nodes of the last minute', () => {
  const justNow = atSecond(0).milliseconds;
  const all = { 'uid-of-cluster': justNow, 'uid-1': justNow, 'uid-2': justNow, 'uid-3': justNow };

  it.for([
    [
      'make a mesh Ready as soon as all of them reach all others',
      all,
      [2, 2, 2],
      'True: 3 tunnels of 3 nodes encrypting',
    ],
    [
      'leave open whether a mesh is Ready while one is not reached',
      all,
      [1, 1, 0],
      /^Unknown: .*less than a minute ago/,
    ],
    [
      'do not make a new mesh Ready when the first of them reaches all others',
      all,
      [2, 1, 1],
      'Unknown: the peering is less than a minute old: 1 of 3 nodes reach their peers',
    ],
    ['flip nothing where the others were there before', { 'uid-3': justNow }, [1, 1, 0], /^True: 1 tunnel of 2 nodes/],
    ['count there once they reach all', { 'uid-3': justNow }, [1, 1, 2], /^True: 3 tunnels of 3 nodes/],
  ] as const)('%s', ([, since, reached, said]) => {
    const cluster = clusterOf({ peerings: [meshOf('cluster')], nodes: nodesOf(3) });
    cluster.settle(atSecond(0));
    const observed = cluster.observed();
    const nodeConfigs = observed.nodeConfigs.map((config, index) => {
      const count = reached[index] ?? 0;
      const tunnels = {
        expected: count,
        pending: since === all ? 2 - count : 0,
        established: count,
        encrypting: count,
      };
      const peerings = (config.status?.peerings ?? []).map((each) => ({ ...each, tunnels }));
      return { ...config, status: { ...config.status, peerings } };
    });
    const peerings = observed.peerings.map((peering) => (since === all ? { ...peering, status: undefined } : peering));
    const given = { ...observed, peerings, nodeConfigs, since: new Map(Object.entries(since)) };
    const { statuses } = plan(given, settings, atSecond(1));
    const found = statuses.get('cluster')?.conditions?.find(({ type }) => type === 'Encrypting');
    expect(`${found?.status}: ${found?.message}`).toMatch(said);
  });
});
