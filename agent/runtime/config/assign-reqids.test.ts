import { describe, expect, it } from 'vitest';

import { opensslProvider } from '../../crypto/openssl/openssl-provider.ts';
import { isOurReqid, ownReqid } from '../../dataplane/ownership.ts';
import { policy, selector, template } from '../../dataplane/testing/builders.ts';
import type { InstalledPolicy, InstalledSa, KernelSnapshot } from '../../dataplane/types.ts';
import { testConfig } from '../testing/agents.ts';
import { assignReqids } from './assign-reqids.ts';

const EMPTY: KernelSnapshot = { sas: [], policies: [] };
const planned = (peers: Readonly<Record<string, string>>) =>
  testConfig(opensslProvider, 'node-a', '10.78.0.1', peers).connections;
const two = { 'node-b': '10.78.0.2', 'node-c': '10.78.0.3' };

function reqids(connections: ReturnType<typeof assignReqids>): Readonly<Record<string, number | undefined>> {
  return Object.fromEntries(connections.map(({ name, children }) => [name, children[0]?.reqid]));
}

function installed(source: string, destination: string, reqid: number, ours = true): InstalledPolicy {
  return { ...policy('out', selector(source, destination), { template: template({ reqid }) }), ours };
}

describe('reqids', () => {
  it('are of our range, different for each Child SA, and the same at every start', () => {
    const first = reqids(assignReqids(planned(two), [], EMPTY));
    expect(Object.values(first).every((reqid) => isOurReqid(reqid ?? 0))).toBe(true);
    expect(new Set(Object.values(first)).size).toBe(2);
    expect(reqids(assignReqids(planned(two), [], EMPTY))).toEqual(first);
    expect(reqids(assignReqids(planned(two).toReversed(), [], EMPTY))).toEqual(first);
  });

  it('are those of the kernel’s policies for the same selectors, whatever the peer is called', () => {
    const snapshot = { sas: [], policies: [installed('10.78.0.1', '10.78.0.2', ownReqid(77))] };
    expect(reqids(assignReqids(planned(two), [], snapshot))['node-b']).toBe(ownReqid(77));
    const renamed = assignReqids(planned({ 'other-name': '10.78.0.2' }), [], snapshot);
    expect(reqids(renamed)).toEqual({ 'other-name': ownReqid(77) });
  });

  it('of a peer that calls from anywhere are those of the run before, or all that arrives from it would be dropped', () => {
    const anywhere = planned(two).map((connection) => ({ ...connection, remoteAddress: 'any' }) as const);
    const first = reqids(assignReqids(anywhere, [], EMPTY));
    const calledFrom = (address: string, reqid: number | undefined): KernelSnapshot => ({
      policies: [installed('10.78.0.1', address, reqid ?? 0)],
      sas: [{ reqid } as InstalledSa],
    });
    const snapshot = calledFrom('203.0.113.9', first['node-c']);
    expect(reqids(assignReqids(anywhere, [], snapshot))).toEqual(first);
  });

  it('are not taken from policies of other programs', () => {
    const snapshot = { sas: [], policies: [installed('10.78.0.1', '10.78.0.2', 1, false)] };
    expect(isOurReqid(reqids(assignReqids(planned(two), [], snapshot))['node-b'] ?? 0)).toBe(true);
  });

  it('are kept over a reload even when addresses change', () => {
    const running = assignReqids(planned(two), [], EMPTY);
    const moved = assignReqids(planned({ 'node-c': '10.78.0.33', 'node-b': '10.78.0.2' }), running, EMPTY);
    expect(reqids(moved)).toEqual(reqids(running));
  });

  it('are kept over a reload by the peer that has them, where one before it in the file takes its address over', () => {
    const running = assignReqids(planned(two), [], EMPTY);
    const before = reqids(running)['node-b'];
    const snapshot = { sas: [], policies: [installed('10.78.0.1', '10.78.0.2', before ?? 0)] };
    const moved = assignReqids(planned({ 'node-0': '10.78.0.2', 'node-b': '10.78.0.22' }), running, snapshot);
    expect(reqids(moved)['node-b']).toBe(before);
    expect(reqids(moved)['node-0']).not.toBe(before);
  });

  it('avoid those of SAs that belong to somebody else', () => {
    const first = reqids(assignReqids(planned(two), [], EMPTY))['node-b'] ?? 0;
    const sas = [{ reqid: first } as InstalledSa, { reqid: first + 1 } as InstalledSa];
    expect(reqids(assignReqids(planned(two), [], { sas, policies: [] }))['node-b']).toBe(first + 2);
  });

  it('are not given twice when the kernel says the same of two Child SAs', () => {
    const policies = [
      installed('10.78.0.1', '10.78.0.2', ownReqid(5)),
      installed('10.78.0.1', '10.78.0.3', ownReqid(5)),
    ];
    const given = reqids(assignReqids(planned(two), [], { sas: [], policies }));
    expect(given['node-b']).toBe(ownReqid(5));
    expect(given['node-c']).not.toBe(ownReqid(5));
  });
});
