import { describe, expect, it } from 'vitest';

import { type IpsecNodeConfig, ipsecNodeConfig } from '../../operator/api/ipsec-node-config.ts';
import { MAX_TROUBLED_PEERS } from '../../operator/api/limits.ts';
import { ok } from '../result.ts';
import { NO_SOURCES } from '../runtime/config/credential-sources.ts';
import type { PeerReport, StatusReport } from '../runtime/status/report.ts';
import type { ApiRequest } from './api-client.ts';
import type { DesiredState } from './desired-state.ts';
import { type NodeStatus, nodeStatus, type StatusInputs } from './node-status.ts';
import { StatusWriter } from './status-writer.ts';

const NOW = Date.UTC(2026, 10, 27, 12);
const MINUTE = 60_000;
const UID = '00000000-0000-4000-8000-00000000000a';

const spec: IpsecNodeConfig = ipsecNodeConfig.schema.parse({
  apiVersion: 'ikemesh.io/v1alpha1',
  kind: 'IPsecNodeConfig',
  metadata: { name: 'node-a' },
  spec: {
    nodeUID: UID,
    identity: { fqdn: 'node-a.mesh.internal' },
    peerings: [
      {
        name: 'cluster',
        priority: 0,
        addresses: ['10.0.0.1'],
        remote: { mesh: {} },
        traffic: {},
        enforcement: { outbound: 'Required', inbound: 'Required' },
        authentication: { certificate: { secretName: 'ike-a' } },
      },
    ],
  },
});

type State = StatusReport['peers'][number]['state'];
const REASONS = {
  encrypting: ['Proven', 'packets get through in both directions'],
  established: ['NoChildSA', 'there is an IKE SA, but no default: no answer'],
  connecting: ['Connecting', 'the IKE SA is being negotiated: no answer'],
  down: ['NotEstablished', 'there is no IKE SA: no answer'],
  idle: ['WaitingForTraffic', 'there is no IKE SA: the first packet makes one'],
} as const;

/** Peers by name: how they are, and for how long they have been known. */
function inputs(
  peers: Readonly<Record<string, readonly [State, number]>>,
  more: Partial<StatusInputs> = {},
): StatusInputs {
  const names = Object.keys(peers);
  const desired: DesiredState = {
    config: {
      nodeName: 'node-a',
      addresses: [],
      connections: [],
      text: '',
      resolved: new Map(),
      warnings: [],
      heldBack: [],
      credentials: { sources: NO_SOURCES, files: [], watched: [], validFromMs: undefined },
    },
    memberships: new Map(
      names.map((name) => [
        `${name}-ipv4`,
        [{ peering: 'cluster', peer: name, sinceMs: NOW - (peers[name]?.[1] ?? 0) }],
      ]),
    ),
    faults: new Map(),
    withoutCredentials: new Set(),
    unreadPeers: new Map(),
    conflicts: [],
  };
  const report = {
    peers: names.map((name) => {
      const [state] = peers[name] ?? ['down'];
      const [reason, message] = REASONS[state];
      return {
        name: `${name}-ipv4`,
        state,
        reason,
        message,
        lastFailure: { text: 'no answer' },
      };
    }),
  } as unknown as StatusReport;
  return {
    generation: 3,
    peerings: spec.spec.peerings,
    unreadable: new Map(),
    desired,
    missing: new Map(),
    report,
    startFailure: undefined,
    agent: { podUID: UID, bootID: UID },
    wallMs: NOW,
    monotonicMs: NOW,
    before: undefined,
    ...more,
  };
}

function conditions({ conditions: list = [] }: NodeStatus): readonly string[] {
  return list.map(({ type, status, reason }) => `${type} ${status} ${reason}`);
}

describe('the status of a node', () => {
  it('counts peers, and lets those of the last minute flip no condition', () => {
    const status = nodeStatus(inputs({ b: ['encrypting', MINUTE], c: ['down', MINUTE - 1] }));
    expect(status.peerings?.[0]?.tunnels).toEqual({ expected: 1, pending: 1, established: 1, encrypting: 1 });
    expect(conditions(status)).toEqual([
      'Ready True Encrypting',
      'Programmed True Programmed',
      'CertificatesLoaded True Loaded',
    ]);
    expect(status.troubledPeers).toEqual([]);
    expect(status.observedGeneration).toBe(3);
  });

  it('counts a peer of the last minute as soon as it is reached, so that nobody waits for what is there', () => {
    const status = nodeStatus(inputs({ b: ['encrypting', 0], c: ['down', 0] }));
    expect(status.peerings?.[0]?.tunnels).toEqual({ expected: 1, pending: 1, established: 1, encrypting: 1 });
  });

  it('tells of peers that the first packet makes SAs with, and neither misses them nor has them in trouble', () => {
    const status = nodeStatus(inputs({ b: ['encrypting', MINUTE], c: ['idle', MINUTE], d: ['idle', 0] }));
    const counted = { expected: 1, pending: 0, established: 1, encrypting: 1, idle: 2 };
    expect(status.peerings?.[0]?.tunnels).toEqual(counted);
    expect(status.troubledPeers).toEqual([]);
    expect(conditions(status)[0]).toBe('Ready True Encrypting');
  });

  it('misses nothing of a peer with which there is traffic by one family only', () => {
    const all = inputs({ b: ['encrypting', MINUTE], 'b-again': ['idle', MINUTE] });
    const memberships = new Map(
      [...all.desired.memberships].map(([name, members]) => [name, members.map((each) => ({ ...each, peer: 'b' }))]),
    );
    const status = nodeStatus({ ...all, desired: { ...all.desired, memberships } });
    expect(status.peerings?.[0]?.tunnels).toEqual({ expected: 1, pending: 0, established: 1, encrypting: 1 });
  });

  it('tells the least path MTU of all peers, and what fits through it', () => {
    const all = inputs({ b: ['encrypting', MINUTE], c: ['encrypting', MINUTE], d: ['encrypting', 0] });
    const mtus: Readonly<Record<string, PeerReport['mtu']>> = {
      'b-ipv4': { link: 9_000, path: 1_500, children: [{ name: 'default', payload: 1_438, overhead: 62 }] },
      'c-ipv4': { link: 9_000, path: 1_400, children: [{ name: 'default', payload: 1_334, overhead: 66 }] },
      'd-ipv4': { link: 9_000, path: 1_400, children: [{ name: 'default', payload: 1_334, overhead: 66 }] },
    };
    const peers = (all.report?.peers ?? []).map((peer) => ({ ...peer, mtu: mtus[peer.name] }) as PeerReport);
    const told = (some: readonly PeerReport[]) =>
      nodeStatus({ ...all, report: { ...all.report, peers: some } as StatusReport }).peerings?.[0]?.pathMTU;
    expect(told(peers)).toEqual({ bytes: 1_400, payloadBytes: 1_334, peer: 'c' });
    expect(told(peers.toReversed())).toEqual({ bytes: 1_400, payloadBytes: 1_334, peer: 'c' });
    expect(told(peers.slice(0, 1))).toEqual({ bytes: 1_500, payloadBytes: 1_438, peer: 'b' });
    expect(told([])).toBeUndefined();
  });

  it('says of a path without SAs no more than how wide it is', () => {
    const all = inputs({ b: ['down', MINUTE] });
    const peers = (all.report?.peers ?? []).map((peer) => ({
      ...peer,
      mtu: { link: 1_500, path: 1_500, children: [] },
    }));
    const status = nodeStatus({ ...all, report: { ...all.report, peers } as unknown as StatusReport });
    expect(status.peerings?.[0]?.pathMTU).toEqual({ bytes: 1_500, peer: 'b' });
  });

  it('says that TCP segments are not clamped, of peerings that want it, and that all else is carried out', () => {
    const given = inputs({ b: ['encrypting', MINUTE] });
    const report = { ...given.report, mssClampFailure: 'this kernel lacks nf_tables' } as StatusReport;
    const [peering] = given.peerings;
    if (peering === undefined) throw new Error('there is a peering');
    const wanted = nodeStatus({ ...given, report, peerings: [{ ...peering, mssClamp: 'Auto' }] });
    expect(wanted.peerings?.[0]).toMatchObject({
      mssClampFailure: 'this kernel lacks nf_tables',
      enforcement: peering.enforcement,
      tunnels: { encrypting: 1 },
    });
    expect(wanted.conditions?.find(({ type }) => type === 'Programmed')).toMatchObject({
      status: 'False',
      reason: 'SegmentsNotClamped',
      message: 'peering cluster: TCP segments are not clamped: this kernel lacks nf_tables',
    });
    const unwanted = nodeStatus({ ...given, report });
    expect(unwanted.peerings?.[0]?.mssClampFailure).toBeUndefined();
    expect(conditions(unwanted)).toContain('Programmed True Programmed');
  });

  it('counts nobody whose Node is gone, and is in no trouble for it', () => {
    const given = inputs({ b: ['encrypting', MINUTE], c: ['down', MINUTE] });
    const left = { peering: 'cluster', peer: 'c', sinceMs: 0, gone: true };
    const memberships = new Map([...given.desired.memberships, ['c-ipv4', [left]]]);
    const status = nodeStatus({ ...given, desired: { ...given.desired, memberships } });
    expect(status.peerings?.[0]?.tunnels).toEqual({ expected: 1, pending: 0, established: 1, encrypting: 1 });
    expect(conditions(status)[0]).toBe('Ready True Encrypting');
    expect(status.troubledPeers).toEqual([]);
  });

  it('says of each peering why it is not carried out as it is written, by the object at fault', () => {
    const cluster = (more: Partial<StatusInputs>) =>
      nodeStatus(inputs({ b: ['encrypting', MINUTE] }, more)).peerings?.[0];
    expect(cluster({})?.fault).toBeUndefined();
    const gone = 'the ConfigMap roots is not there';
    expect(cluster({ missing: new Map([['cluster', gone]]) })?.fault).toEqual({
      reason: 'CredentialsMissing',
      message: gone,
    });
    const { desired } = inputs({ b: ['encrypting', MINUTE] });
    const faulty = { ...desired, faults: new Map([['cluster', 'proposals: contradict']]) };
    // What was there before still runs, and is counted.
    expect(cluster({ desired: faulty })).toMatchObject({
      fault: { reason: 'PeeringFaulty', message: 'proposals: contradict' },
      tunnels: { expected: 1, encrypting: 1 },
    });
    const text = '/run/credentials/certificate_ike-a/tls.crt: is no certificate';
    const held = { ...desired, config: { ...desired.config, heldBack: [{ path: [], text }] } };
    expect(cluster({ desired: held })?.fault).toEqual({
      reason: 'CredentialsHeldBack',
      message: 'Secret ike-a: tls.crt: is no certificate',
    });
    const other = { ...desired.config, heldBack: [{ path: [], text: text.replace('ike-a', 'ike-b') }] };
    expect(cluster({ desired: { ...desired, config: other } })?.fault).toBeUndefined();
  });

  it('names who should be reached and is not, why, and since when', () => {
    const first = nodeStatus(inputs({ b: ['down', MINUTE], c: ['established', MINUTE] }));
    expect(first.troubledPeers).toMatchObject([
      { name: 'b', reason: 'NotEstablished', message: 'there is no IKE SA: no answer', since: '2026-11-27T12:00:00Z' },
      { name: 'c', reason: 'NoChildSA' },
    ]);
    expect(conditions(first)[0]).toBe('Ready False PeersInTrouble');
    const later = nodeStatus(inputs({ b: ['down', MINUTE] }, { before: first, wallMs: NOW + MINUTE }));
    expect(later.troubledPeers?.[0]?.since).toBe('2026-11-27T12:00:00Z');
    expect(later.conditions?.[0]?.lastTransitionTime).toBe('2026-11-27T12:00:00Z');
  });

  it('names fifty of them at most, and fits the kind', () => {
    const all = Object.fromEntries(
      Array.from({ length: 200 }, (_, number) => [`n${number}`, ['down', MINUTE] as const]),
    );
    const status = nodeStatus(inputs(all));
    expect(status.troubledPeers).toHaveLength(MAX_TROUBLED_PEERS);
    expect(ipsecNodeConfig.schema.safeParse({ ...spec, status }).error).toBeUndefined();
  });

  it('does not say that anything is in force while no agent runs', () => {
    const status = nodeStatus(
      inputs({ b: ['down', MINUTE] }, { report: undefined, startFailure: 'UDP port 500 is taken' }),
    );
    expect(status.peerings).toEqual([{ name: 'cluster' }]);
    expect(conditions(status).slice(0, 2)).toEqual(['Ready False NotStarted', 'Programmed False NotStarted']);
  });

  it('says of a peering that somebody has unblocked on the node that nothing of it is encrypted, and how to end that', () => {
    const status = nodeStatus(inputs({ b: ['encrypting', MINUTE] }, { unblocked: new Set(['cluster']) }));
    const message = expect.stringMatching(/nothing is encrypted.*agent unblock --peering cluster --undo/);
    expect(status.peerings).toEqual([{ name: 'cluster', fault: { reason: 'Unblocked', message } }]);
    expect(conditions(status).slice(0, 2)).toEqual(['Ready False Unblocked', 'Programmed False Unblocked']);
    expect(ipsecNodeConfig.schema.safeParse({ ...spec, status }).error).toBeUndefined();
  });

  it('lists what is never encrypted, as far as the kernel has it', () => {
    const given = inputs({ b: ['encrypting', MINUTE] });
    const bypasses = [
      { traffic: 'IKE', policies: 8, installed: 8 },
      { traffic: 'neighbour discovery', policies: 10, installed: 9 },
    ];
    const status = nodeStatus({ ...given, report: { ...given.report, bypasses } as StatusReport });
    expect(status.neverEncrypted).toEqual(['IKE']);
  });

  it('says which peering cannot be read', () => {
    const status = nodeStatus(inputs({}, { unreadable: new Map([['new', 'remote: is missing']]) }));
    expect(status.conditions?.[1]).toMatchObject({
      status: 'False',
      message: expect.stringContaining('peering new: remote'),
    });
  });
});

describe('enforcement', () => {
  const lacking = (lastFailure?: string) => {
    const given = inputs({ b: ['down', MINUTE], c: ['encrypting', MINUTE] });
    const [first, second] = given.report?.peers ?? [];
    const said = lastFailure === undefined ? undefined : { secondsAgo: 1, text: lastFailure };
    const peers = [{ ...first, missingPolicies: ['out policy x'], lastFailure: said }, second];
    return nodeStatus({ ...given, report: { ...given.report, peers } as StatusReport });
  };

  it('is not told to be in force where the kernel lacks a policy of one peer, or somebody has changed it', () => {
    const status = lacking();
    expect(status.peerings?.[0]?.enforcement).toBeUndefined();
    expect(status.peerings?.[0]?.fault).toMatchObject({ reason: 'PoliciesMissing' });
    expect(status.conditions?.[1]).toMatchObject({
      status: 'False',
      reason: 'PoliciesMissing',
      message: expect.stringMatching(
        /^peering cluster, b-ipv4: not in the kernel as ordered: out policy x: find who else changes policies/,
      ),
    });
    expect(status.peerings?.[0]?.tunnels).toEqual({ expected: 2, pending: 0, established: 1, encrypting: 1 });
    expect(ipsecNodeConfig.schema.safeParse({ ...spec, status }).error).toBeUndefined();
  });

  it('is missing for what the kernel said, where that refused a policy', () => {
    expect(lacking('the policy belongs to another program').peerings?.[0]?.fault?.message).toMatch(
      /out policy x: the policy belongs to another program$/,
    );
  });
});

describe('what is exempt', () => {
  const api = { protocol: 'TCP' as const, ports: [{ from: 6_443 }], cidr: '10.0.0.0/24', direction: 'Both' as const };
  const name = 'TCP/6443 10.0.0.0/24 Both';
  const exempting = (stage: 'Accept' | 'Send', installed: number, said: 'Accept' | 'Send' = stage) => {
    const given = inputs({ b: ['encrypting', MINUTE], c: ['encrypting', MINUTE] });
    const exempt = (count: number) => [{ traffic: name, stage: said, policies: 4, installed: count }];
    const [first, second] = given.report?.peers ?? [];
    const peers = [
      { ...first, exempt: exempt(4) },
      { ...second, exempt: exempt(installed) },
    ];
    return nodeStatus({
      ...given,
      peerings: given.peerings.map((peering) => ({
        ...peering,
        traffic: { ...peering.traffic, exempt: [{ ...api, stage }] },
      })),
      report: { ...given.report, peers } as StatusReport,
    });
  };

  it('is acknowledged where the kernel has it for every peer, at the stage that was told', () => {
    const status = exempting('Accept', 4);
    expect(status.peerings?.[0]?.exempt).toEqual([{ ...api, stage: 'Accept' }]);
    expect(conditions(status)[1]).toBe('Programmed True Programmed');
    expect(ipsecNodeConfig.schema.safeParse({ ...spec, status }).error).toBeUndefined();
    expect(exempting('Send', 4, 'Accept').peerings?.[0]?.exempt).toBeUndefined();
  });

  it('is not acknowledged where a policy is missing for one of them, which is told with the reason', () => {
    const status = exempting('Send', 3);
    expect(status.peerings?.[0]?.exempt).toBeUndefined();
    expect(status.conditions?.[1]).toMatchObject({
      status: 'False',
      reason: 'ExemptionsMissing',
      message: `peering cluster, c-ipv4: 1 of the 4 policies that exempt ${name} are not in the kernel: no answer`,
    });
  });
});

describe('the writing of a status', () => {
  function writing() {
    const state = { nowMs: 0, asked: [] as ApiRequest[], fails: false };
    const writer = new StatusWriter({
      client: {
        ask: async (request) => {
          state.asked.push(request);
          if (!state.fails) return ok({});
          return { ok: false, error: { kind: 'apiFailure', status: 500, message: 'no', retryAfterMs: 0 } };
        },
      },
      nodeName: 'node-a',
      monotonicMs: () => state.nowMs,
      random: () => 0,
      onFailure: () => {},
    });
    return { state, writer };
  }
  const count = (encrypting: number): NodeStatus => ({
    peerings: [{ name: 'cluster', tunnels: { expected: 9, pending: 0, established: 9, encrypting } }],
  });

  it('is done once while nothing changes, and says of which object and agent it is', async () => {
    const { state, writer } = writing();
    await writer.offer(count(1), UID);
    state.nowMs = 3_600_000;
    expect(await writer.offer(count(1), UID)).toBeUndefined();
    expect(state.asked).toHaveLength(1);
    expect(state.asked[0]).toMatchObject({ body: { metadata: { name: 'node-a', uid: UID } } });
  });

  it('is done every five minutes at most for counts, and at once for a condition', async () => {
    const { state, writer } = writing();
    state.nowMs = 600_000;
    await writer.offer(count(1), UID);
    state.nowMs += 10_000;
    expect(await writer.offer(count(2), UID)).toBe(290_000);
    state.nowMs += 290_000;
    await writer.offer(count(3), UID);
    expect(state.asked).toHaveLength(2);
    state.nowMs += 2_000;
    await writer.offer({ ...count(3), observedGeneration: 4 }, UID);
    expect(state.asked).toHaveLength(3);
  });

  it('is done at once for an exemption, which all others wait for', async () => {
    const { state, writer } = writing();
    state.nowMs = 600_000;
    await writer.offer(count(1), UID);
    state.nowMs += 10_000;
    const exempt = [{ cidr: '10.0.0.0/24', direction: 'Both' as const, stage: 'Accept' as const }];
    await writer.offer({ peerings: [{ name: 'cluster', exempt }] }, UID);
    expect(state.asked).toHaveLength(2);
  });

  it('is tried again later and later where the API server does not take it', async () => {
    const { state, writer } = writing();
    state.fails = true;
    expect(await writer.offer(count(1), UID)).toBe(500);
    expect(await writer.offer(count(1), UID)).toBe(500);
    expect(state.asked).toHaveLength(1);
    state.nowMs = 500;
    expect(await writer.offer(count(1), UID)).toBe(1_000);
    state.fails = false;
    state.nowMs = 1_500;
    expect(await writer.offer(count(1), UID)).toBeUndefined();
    expect(state.asked).toHaveLength(3);
  });
});
