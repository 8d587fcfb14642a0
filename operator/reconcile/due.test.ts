import { expect, it } from 'vitest';

import { atSecond, clusterOf, meshOf, nodesOf } from '../nodeconfig/testing/builders.ts';
import { nextDueAt } from './due.ts';
import { watched } from './watched.ts';

const HOUR = 3_600;

it('a plan is made anew when a renewal is overdue, former networks go and a certificate has ended, though nothing is heard', () => {
  const cluster = clusterOf({ peerings: [meshOf('cluster')], nodes: nodesOf(1) });
  cluster.settle(atSecond(0));
  const observed = cluster.observed();
  const times = { notAfter: atSecond(25 * HOUR).timestamp, renewalTime: atSecond(16 * HOUR).timestamp };
  const certificates = observed.certificates.map((each) => ({ ...each, status: { ...each.status, ...times } }));
  const given = { ...observed, certificates, since: new Map([['uid-1', atSecond(0).milliseconds]]) };
  const next = (second: number): number | undefined => {
    const due = nextDueAt(given, atSecond(second).milliseconds);
    return due === undefined ? undefined : (due - atSecond(0).milliseconds) / 1_000;
  };
  expect(next(0)).toBe(60);
  expect(next(60)).toBe(17 * HOUR + 0.001);
  expect(next(18 * HOUR)).toBe(24 * HOUR);
  expect(next(24 * HOUR)).toBe(25 * HOUR + 0.001);
  // What the agent says that it uses is good until 2100.
  expect(next(26 * HOUR)).toBeGreaterThan(1_000 * HOUR);
});

it('of a Certificate it is kept when it ends, when it is to be renewed, and of which generation its conditions are', () => {
  const times = { notAfter: '2027-01-02T00:00:00Z', renewalTime: '2027-01-01T16:00:00Z' };
  const read = watched.certificates.read({
    metadata: { name: 'ike-a', uid: 'uid', resourceVersion: '7', generation: 3 },
    spec: { secretName: 'ike-a' },
    status: { ...times, revision: 1, conditions: [{ type: 'Ready', status: 'True', observedGeneration: 2 }] },
  } as never);
  expect(read?.metadata.generation).toBe(3);
  expect(read?.status).toEqual({ ...times, conditions: [{ type: 'Ready', status: 'True', observedGeneration: 2 }] });
});
