import { describe, expect, it } from 'vitest';

import { accepted } from './accepted.ts';
import { certificatesReady } from './certificates-ready.ts';
import { encrypting, tunnelTotals } from './encrypting.ts';
import { programmed } from './programmed.ts';
import { ready } from './ready.ts';
import type { NodeStanding, PeeringStanding, Prospect } from './standing.ts';
import { unreadable } from './unreadable.ts';
import { fails, holds, listed, unknown } from './verdict.ts';

const byCertificate = {
  kind: 'certificate',
  issuer: 'Issuer mesh-ca',
  restricted: true,
  certManager: 'Present',
} as const;
const byKey = { kind: 'preSharedKey', secret: 'office', usable: true } as const;
const prospect: Prospect = {
  selected: 2,
  notLinux: 0,
  credentials: byCertificate,
  overlaps: [],
  otherCertificates: [],
};
const acceptance = holds('Accepted', '');
/** What a node expects, all of which encrypts, and what is idle. */
type Counts = readonly [number, number];
/** Tunnels that are expected, and that encrypt. */
type Totals = readonly [number, number];

describe('Accepted', () => {
  it.each<[string, Partial<Prospect>, string, string, string]>([
    ['can be carried out', {}, 'True', 'Accepted', 'as it is written'],
    ['selects nobody', { selected: 0 }, 'False', 'NoNodes', 'nodes.selector'],
    ['selects Windows alone', { selected: 0, notLinux: 2 }, 'False', 'NoNodes', '2 nodes it matches do not run Linux'],
    [
      'is wholly that of another',
      { overlaps: [{ peering: 'b', whole: true }] },
      'False',
      'Overlapped',
      'raise spec.priority',
    ],
    [
      'is partly that of another',
      { overlaps: [{ peering: 'b', whole: false }] },
      'True',
      'PartlyOverlapped',
      'that of b',
    ],
    [
      'has a key that cannot be used',
      { credentials: { ...byKey, usable: false } },
      'False',
      'PreSharedKeyUnusable',
      'of type',
    ],
    ['has a key that can', { credentials: byKey }, 'True', 'Accepted', ''],
    [
      'trusts whom everybody can ask',
      { credentials: { ...byCertificate, restricted: false } },
      'True',
      'UnrestrictedIssuer',
      'use an Issuer',
    ],
    ['shares an issuer', { otherCertificates: ['b'] }, 'True', 'DifferentCertificates', 'b wants other certificates'],
  ])('tells of a peering that %s', (_, fields, status, reason, message) => {
    expect(accepted({ ...prospect, ...fields })).toEqual({ status, reason, message: expect.stringContaining(message) });
  });

  it('says of a Secret the same whether it is missing, of another type or without the key', () => {
    const unusable = accepted({ ...prospect, credentials: { ...byKey, usable: false } });
    expect(unusable.message).not.toMatch(/missing|not found|forbidden/i);
  });
});

describe('a peering that cannot be read', () => {
  it('is said of by its first field, how many more there are, and what to do', () => {
    const field = { field: 'spec.mssClamp', text: 'must be '.repeat(200) };
    const { Accepted, ...others } = unreadable([field, { field: 'spec.traffic.scope', text: '' }]);
    expect(Accepted).toMatchObject({ status: 'False', reason: 'Unreadable' });
    expect(Accepted?.message).toMatch(/cannot read spec\.mssClamp \(must be .* and 1 more field: upgrade ikemesh/);
    expect(Accepted?.message.length).toBeLessThan(1_000);
    expect(Object.values(others).every(({ status }) => status !== 'True')).toBe(true);
  });
});

describe('CertificatesReady', () => {
  it.each<[string, Partial<PeeringStanding>, Partial<NodeStanding>, string, string, string]>([
    ['all are issued', {}, {}, 'True', 'Issued', '2 nodes'],
    ['keys are shared', { credentials: byKey }, {}, 'True', 'NotNeeded', ''],
    ['no node takes part', { nodes: [] }, {}, 'Unknown', 'NoNodes', ''],
    [
      'cert-manager is not installed',
      { credentials: { ...byCertificate, certManager: 'Missing' } },
      {},
      'False',
      'CertManagerMissing',
      'install cert-manager',
    ],
    ['cert-manager says nothing', {}, { certificate: { kind: 'silent' } }, 'False', 'CertManagerSilent', 'a:'],
    ['one is being issued', {}, { certificate: { kind: 'issuing', text: '' } }, 'False', 'Issuing', 'a'],
    [
      'cert-manager waits',
      {},
      { certificate: { kind: 'issuing', text: 'Pending: no issuer' } },
      'False',
      'Issuing',
      'no issuer; look at Issuer',
    ],
    [
      'a good one cannot be renewed',
      {},
      { certificate: { kind: 'issued', renewal: { reason: 'Failed', text: 'quota' } } },
      'True',
      'RenewalFailing',
      'Failed: quota',
    ],
    [
      'cert-manager does not begin to renew a good one',
      {},
      { certificate: { kind: 'issued', overdue: { since: 'noon', until: 'evening' } } },
      'True',
      'RenewalOverdue',
      'certificate of a, due at noon: see that its controller runs; the present one is good until evening',
    ],
    [
      'one has expired, and cert-manager says why there is no other',
      {},
      { certificate: { kind: 'expired', at: 'noon', said: 'Denied: no', replaced: false } },
      'False',
      'CertificateExpired',
      'a ended at noon, and cert-manager has not renewed it: Denied: no; see that its controller runs, and look at Issuer',
    ],
    [
      'an agent uses one that has expired',
      {},
      { certificate: { kind: 'expired', at: 'noon', said: undefined, replaced: true } },
      'False',
      'CertificateExpired',
      'the agent does not use the one issued since: kubectl ikemesh why a says why',
    ],
    [
      'issuing fails',
      {},
      { certificate: { kind: 'failed', reason: 'Denied', text: 'no such issuer' } },
      'False',
      'IssuingFailed',
      'certificate of a: Denied: no such issuer; look at Issuer mesh-ca',
    ],
    ['only a new node has none', {}, { pending: true, certificate: { kind: 'silent' } }, 'True', 'Issued', '1 node'],
    [
      'a node that cannot take part has none',
      {},
      { obstacle: noAddress(), certificate: { kind: 'silent' } },
      'True',
      'Issued',
      '',
    ],
  ])('tells when %s', (_, fields, first, status, reason, message) => {
    expect(certificatesReady(standing(first, fields))).toEqual({
      status,
      reason,
      message: expect.stringContaining(message),
    });
  });
});

describe('Programmed', () => {
  it.each<[string, Partial<NodeStanding>, string, string, string]>([
    ['all have done it', {}, 'True', 'Programmed', '2 nodes'],
    ['a node has no address', { obstacle: noAddress() }, 'False', 'NodesUnsuitable', 'node a has no address'],
    [
      'the API server refuses a write',
      { refusal: 'Forbidden: no quota', agent: { kind: 'missing' } },
      'False',
      'WritesRefused',
      'the IPsecNodeConfig of a, which is tried again (Forbidden: no quota): give',
    ],
    ['an agent is missing', { agent: { kind: 'missing' } }, 'False', 'AgentsMissing', 'look at its Pod'],
    [
      'an agent fails',
      { agent: { kind: 'failing', text: 'no ESP', tunnels: undefined } },
      'False',
      'AgentsFailing',
      'the agent of a: no ESP',
    ],
    ['an agent lags', { agent: { kind: 'behind' } }, 'False', 'AgentsBehind', 'a '],
    [
      'enforcement is on the way',
      { agent: { ...reporting(1), enforced: false } },
      'False',
      'EnforcementStaged',
      '1 of 2 nodes',
    ],
    [
      'a network of a node is that of another one',
      { shortfall: { reason: 'AddressClaimed', text: 'takes part without fd00::1: correct it' } },
      'False',
      'NetworksClaimed',
      'node a takes part without fd00::1',
    ],
    [
      'a kernel cannot clamp TCP segments',
      { agent: { ...reporting(1), mssClampFailure: 'it lacks nf_tables' } },
      'False',
      'SegmentsNotClamped',
      'on a: it lacks nf_tables; mend that, or set spec.mssClamp to Disabled',
    ],
    ['only a new node lags', { pending: true, agent: { kind: 'missing' } }, 'True', 'Programmed', '1 node'],
  ])('tells when %s', (_, first, status, reason, message) => {
    expect(programmed(standing(first), acceptance)).toEqual({
      status,
      reason,
      message: expect.stringContaining(message),
    });
  });

  it.each([
    [false, 'EnforcementHeld'],
    [true, 'ServersNotExempt'],
  ])('names servers that there is no room to exempt, enforced %s', (enforced, reason) => {
    const left = standing({ agent: { ...reporting(1), enforced } }, { serversLeftOut: ['fd00::11/128'] });
    const message = expect.stringContaining('does not reach fd00::11/128: name networks');
    expect(programmed(left, acceptance)).toEqual({ status: 'False', reason, message });
  });

  it('is not judged of a peering that is not accepted', () => {
    expect(programmed(standing({}), fails('Overlapped', ''))).toMatchObject({ status: 'False', reason: 'NotAccepted' });
  });

  it('is unknown while all nodes are new', () => {
    const nodes = [node('a', { pending: true }), node('b', { pending: true })];
    expect(programmed(standing({}, { nodes }), acceptance)).toMatchObject({ status: 'Unknown', reason: 'Pending' });
  });
});

describe('Encrypting', () => {
  it.each<[string, Partial<NodeStanding>, Partial<PeeringStanding>, string, string]>([
    ['all tunnels do', {}, {}, 'True', 'Encrypting'],
    ['one does not', { agent: reporting(1, 0) }, {}, 'False', 'TunnelsDown'],
    ['an agent is silent', { agent: { kind: 'missing' } }, {}, 'Unknown', 'NotReported'],
    ['an agent does not know its peers', { agent: reporting(0) }, {}, 'Unknown', 'PeersUnknown'],
    ['a gateway is not known to an agent', { agent: reporting(0) }, { kind: 'gateway' }, 'Unknown', 'PeersUnknown'],
    [
      'only a new node does not',
      { pending: true, agent: { kind: 'missing' } },
      { kind: 'gateway' },
      'True',
      'Encrypting',
    ],
    ['only a new node of a new peering does not', { pending: true }, { isNew: true }, 'Unknown', 'Pending'],
    ['all nodes of a new peering do', {}, { isNew: true }, 'True', 'Encrypting'],
    ['there is one node', {}, { nodes: [node('a', { agent: reporting(0) })] }, 'True', 'NoPeers'],
    ['there is none', {}, { nodes: [] }, 'Unknown', 'NoNodes'],
  ])('tells when %s', (_, first, fields, status, reason) => {
    expect(encrypting(standing(first, fields))).toMatchObject({ status, reason });
  });

  it('is False when a tunnel is down, even where an agent is silent', () => {
    const nodes = [node('a', { agent: { kind: 'missing' } }), node('b', { agent: reporting(1, 0) })];
    expect(encrypting(standing({}, { nodes }))).toMatchObject({ status: 'False', reason: 'TunnelsDown' });
  });

  it.each<[string, PeeringStanding['kind'], readonly Counts[], string, Totals]>([
    [
      'all of a mesh',
      'mesh',
      [
        [0, 2],
        [0, 2],
        [0, 2],
      ],
      'WaitingForTraffic',
      [0, 0],
    ],
    [
      'some of a mesh',
      'mesh',
      [
        [2, 0],
        [1, 1],
        [1, 1],
      ],
      'Encrypting',
      [2, 2],
    ],
    [
      'a gateway of one node',
      'gateway',
      [
        [1, 0],
        [0, 1],
      ],
      'Encrypting',
      [1, 1],
    ],
    [
      'all of a gateway',
      'gateway',
      [
        [0, 1],
        [0, 1],
      ],
      'WaitingForTraffic',
      [0, 0],
    ],
  ])('misses no tunnel that is made for traffic and was not needed yet: %s', (_, kind, counts, reason, totals) => {
    const nodes = counts.map(([expected, idle], index) => {
      const reported = { expected, established: expected, encrypting: expected, idle };
      return node(`node-${index}`, { agent: { kind: 'reporting', enforced: true, tunnels: reported } });
    });
    const whole = standing({}, { kind, nodes });
    expect(encrypting(whole)).toMatchObject({ status: 'True', reason, message: expect.stringContaining('traffic') });
    const { expected, encrypting: encrypts } = tunnelTotals(whole);
    expect([expected, encrypts]).toEqual(totals);
  });

  it('misses one that was needed and could not be made', () => {
    const tunnels = { expected: 1, established: 0, encrypting: 0, idle: 1 };
    const failed = node('b', { agent: { kind: 'reporting', enforced: true, tunnels } });
    const nodes = [node('a', { agent: reporting(1, 0) }), failed, node('c', { agent: reporting(0) })];
    expect(encrypting(standing({}, { nodes }))).toMatchObject({ status: 'False', reason: 'TunnelsDown' });
  });

  it('counts a tunnel of a mesh once, and not when only one end has it', () => {
    expect(tunnelTotals(standing({}))).toEqual({ expected: 1, established: 1, encrypting: 1 });
    expect(tunnelTotals(standing({ agent: reporting(1, 0) }))).toEqual({ expected: 1, established: 1, encrypting: 0 });
    // What both counted when there was a third node.
    const nodes = [node('a', { agent: reporting(2) }), node('b', { agent: reporting(2) })];
    expect(tunnelTotals(standing({}, { nodes }))).toEqual({ expected: 1, established: 1, encrypting: 1 });
    expect(tunnelTotals(standing({}, { kind: 'gateway' }))).toEqual({ expected: 2, established: 2, encrypting: 2 });
  });
});

describe('a node that joined lately', () => {
  const old = (name: string, expected: number, encrypts = expected) =>
    node(name, { agent: reporting(expected, encrypts) });
  const mesh = (...nodes: readonly NodeStanding[]) => standing({}, { nodes });

  it('is believed that it reaches all, where the others have not told of it yet: they write seldom', () => {
    const nodes = mesh(old('a', 1), old('b', 1), node('c', { joinedLately: true, agent: reporting(2) }));
    expect(encrypting(nodes)).toMatchObject({ status: 'True', message: '3 tunnels of 3 nodes encrypting' });
    expect(tunnelTotals(nodes)).toEqual({ expected: 3, established: 3, encrypting: 3 });
  });

  it('is not believed where it has not reached all', () => {
    const nodes = mesh(old('a', 1), old('b', 1), node('c', { joinedLately: true, agent: reporting(1) }));
    expect(encrypting(nodes)).toMatchObject({ status: 'Unknown', reason: 'PeersUnknown' });
    expect(tunnelTotals(nodes).encrypting).toBe(1);
  });

  it('hides no tunnel that is down at the other end', () => {
    const nodes = mesh(
      node('a', { joinedLately: true, agent: reporting(2) }),
      node('b', { joinedLately: true, agent: reporting(2) }),
      node('c', { joinedLately: true, agent: reporting(2, 1) }),
    );
    expect(tunnelTotals(nodes).encrypting).toBe(2);
  });

  it('hides no tunnel that is down between others', () => {
    const nodes = mesh(old('a', 2, 1), old('b', 2, 1), node('c', { joinedLately: true, agent: reporting(2) }));
    expect(encrypting(nodes)).toMatchObject({ status: 'False', reason: 'TunnelsDown' });
    expect(tunnelTotals(nodes).encrypting).toBe(2);
  });
});

describe('Ready', () => {
  it('is the first that does not hold, what fails before what is not known', () => {
    expect(ready([holds('A', ''), unknown('B', 'b'), fails('C', 'c')])).toEqual(fails('C', 'c'));
    expect(ready([holds('A', ''), unknown('B', 'b')])).toEqual(unknown('B', 'b'));
    expect(ready([holds('A', 'a'), holds('B', 'b')])).toEqual(holds('Ready', 'b'));
  });
});

describe('a list of names', () => {
  it('is as short with five thousand', () => {
    expect(listed(['a'])).toBe('a');
    expect(listed(['a', 'b', 'c', 'd'])).toBe('a, b, c and d');
    expect(listed(Array.from({ length: 5_000 }, (_, index) => `n${index}`))).toBe('n0, n1, n2 and 4997 more');
  });
});

function standing(first: Partial<NodeStanding>, fields: Partial<PeeringStanding> = {}): PeeringStanding {
  const nodes = [node('a', first), node('b', {})];
  return {
    kind: 'mesh',
    credentials: byCertificate,
    isNew: false,
    serversLeftOut: [],
    refusedSlices: [],
    unreadable: [],
    nodes,
    ...fields,
  };
}

function node(name: string, fields: Partial<NodeStanding>): NodeStanding {
  const agent = reporting(1);
  const certificate = { kind: 'issued' } as const;
  return {
    name,
    pending: false,
    joinedLately: false,
    obstacle: undefined,
    shortfall: undefined,
    certificate,
    agent,
    ...fields,
  };
}

function reporting(expected: number, encrypts = expected) {
  return {
    kind: 'reporting',
    enforced: true,
    tunnels: { expected, established: expected, encrypting: encrypts },
  } as const;
}

function noAddress() {
  return { reason: 'NoAddress', text: 'has no address' } as const;
}
