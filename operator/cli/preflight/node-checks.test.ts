import { describe, expect, it } from 'vitest';

import type { AgentReport } from '../diagnosis/agent-report.ts';
import type { NodeFact } from '../diagnosis/facts.ts';
import { type Known, known, unknown, valueOr } from '../diagnosis/known.ts';
import { healthyFacts } from '../testing/healthy-facts.ts';
import { CHECKS, type Check, type CheckName, type NodeChecks } from './check.ts';
import type { HostAnswer } from './host-answer.ts';
import {
  amongThemselves,
  type NodeFacts,
  noAgent,
  nodeChecks,
  type Surroundings,
  withSameMtus,
} from './node-checks.ts';
import type { PodNetwork } from './pod-network.ts';

describe('whether a node has what ikemesh needs', () => {
  it('is all as it should be where an agent says so', () => {
    const found = checks({});
    expect(CHECKS.filter((name) => found[name].state !== 'ok')).toEqual([]);
    expect(found.peers.text).toBe('all 5 connections with peers are answered at UDP 500');
    expect(found.cni.text).toContain('spec.traffic.scope Nodes encrypts them');
  });

  it('before there is an agent is known as far as the API server tells, and it is said how to learn the rest', () => {
    const found = checks({ host: noAgent('node-1'), agent: noAgent('node-1') });
    const unknowns = CHECKS.filter((name) => found[name].state === 'unknown');
    expect(unknowns).toEqual(['esp', 'udp', 'peers', 'mtu']);
    expect(found.kernel).toMatchObject({ state: 'ok', text: 'Linux 6.12, as its Node object says' });
    expect(found.esp).toMatchObject({
      text: 'whether its kernel has ESP is known to an agent there only: there is none yet',
      remedy: expect.stringMatching(/^install the chart: without a peering it encrypts and blocks nothing/),
    });
    expect(found.peers.remedy).toBe('let UDP 500, UDP 4500 and IP protocol 50 pass between all nodes');
  });

  it('is not known where its agent does not answer, and nobody is sent to look another way', () => {
    const lack = unknown('the agent of node-1', 'unanswered', 'no answer within 10 s');
    expect(checks({ host: lack, agent: lack }).esp).toEqual({
      state: 'unknown',
      short: '?',
      text: 'whether its kernel has ESP is known to its agent only, which did not answer',
    });
  });

  it.each<[string, CheckName, Partial<NodeFacts>, Partial<Surroundings>, Check['state'], RegExp]>([
    ['a node of Windows', 'node', { node: ofSystem('windows') }, {}, 'doubtful', /it runs windows/],
    ['a node that is not Ready', 'node', { node: { ...node(), ready: 'False' } }, {}, 'wrong', /it is not Ready/],
    [
      'an old kernel',
      'kernel',
      { node: { ...node(), kernel: '5.15.0-1' }, host: noAgent('node-1') },
      {},
      'doubtful',
      /older than 6\.1/,
    ],
    ['what the agent found', 'esp', { host: host('esp', 'wrong', 'ESP cannot be had') }, {}, 'wrong', /cannot be had/],
    [
      'an agent that says less',
      'mtu',
      { host: known({ ...answer(), checks: [] }) },
      {},
      'unknown',
      /does not say which MTUs it has/,
    ],
    [
      'peers that nothing is heard of',
      'peers',
      { agent: silent() },
      {},
      'wrong',
      /^no IKE SA with node-2-ipv4 \(no answer to IKE_SA_INIT\)$/,
    ],
    [
      'peers of which some wait for traffic',
      'peers',
      { agent: waiting('node-2-ipv4') },
      {},
      'ok',
      /^all 4 connections with peers are answered at UDP 500; for 1 more the first packet makes SAs$/,
    ],
    [
      'peers that all wait for traffic',
      'peers',
      { agent: waiting() },
      {},
      'unknown',
      /the first packet makes SAs with/,
    ],
    ['no peers', 'peers', { agent: withoutPeers() }, {}, 'unknown', /nobody was to be heard/],
    [
      'pods that are not encrypted',
      'cni',
      {},
      { network: known(network('routed')) },
      'doubtful',
      /pods are not encrypted/,
    ],
    [
      'pods that are',
      'cni',
      {},
      { network: known(network('routed')), scopes: new Set(['NodesAndPods']) },
      'ok',
      /NodesAndPods encrypts them/,
    ],
    [
      'pods of a node without a range',
      'cni',
      { node: withoutRange() },
      { network: known(network('routed')), scopes: new Set(['Pods']) },
      'doubtful',
      /no spec\.podCIDRs/,
    ],
    [
      'a plugin that gets in the way',
      'cni',
      {},
      { network: known({ ...network('routed'), troubles: [{ state: 'wrong', text: 'it does', remedy: 'do' }] }) },
      'wrong',
      /it does/,
    ],
    ['no plugin', 'cni', { host: noAgent('node-1') }, { network: known(undefined) }, 'unknown', /no network plugin/],
    [
      'a plugin that may not be asked for',
      'cni',
      {},
      { network: unknown('DaemonSets', 'forbidden', 'you may not') },
      'unknown',
      /DaemonSets: you may not/,
    ],
    ['a clock', 'clock', {}, { clocks: clock(-90_000) }, 'wrong', /90\.0 s behind the others.*not believed/],
    ['a clock that is a little off', 'clock', {}, { clocks: clock(9_000) }, 'doubtful', /9\.0 s ahead of the others/],
    ['a clock that is not known', 'clock', {}, { clocks: new Map() }, 'unknown', /not known/],
  ])('tells %s', (_, name, facts, surroundings, state, text) => {
    expect(checks(facts, surroundings)[name]).toMatchObject({ state, text: expect.stringMatching(text) });
  });

  it('compares the MTUs of nodes', () => {
    const narrow = checks({ host: host('mtu', 'ok', 'eth0 has MTU 1400', '1400') });
    const all = withSameMtus(
      new Map([
        ['node-1', checks({})],
        ['node-2', narrow],
      ]),
    );
    expect(all.get('node-1')?.mtu.state).toBe('ok');
    expect(all.get('node-2')?.mtu).toMatchObject({
      state: 'doubtful',
      text: expect.stringContaining('other nodes have 1500'),
    });
  });

  it('compares the clocks of nodes with one another, and that of one alone with ours', () => {
    const of = (...offsets: readonly number[]) =>
      new Map(offsets.map((offsetMs, index) => [`node-${index}`, { offsetMs, uncertaintyMs: 0 }]));
    const among = (...offsets: readonly number[]) =>
      [...amongThemselves(of(...offsets)).values()].map(({ offsetMs }) => offsetMs);
    expect(among(5_000, 5_000, 90_000)).toEqual([0, 0, 85_000]);
    expect(among(5_000)).toEqual([5_000]);
    expect(among()).toEqual([]);
  });
});

function checks(facts: Partial<NodeFacts>, surroundings: Partial<Surroundings> = {}): NodeChecks {
  const all: Surroundings = {
    network: known(network('overlay')),
    clocks: clock(100),
    scopes: new Set(['Nodes']),
    ...surroundings,
  };
  return nodeChecks({ node: node(), host: known(answer()), agent: report(), ...facts }, all);
}

function node(): NodeFact {
  const [first] = valueOr(healthyFacts().nodes, []);
  if (first === undefined) throw new Error('there is no node');
  return first;
}

function ofSystem(operatingSystem: string): NodeFact {
  const { object } = node();
  return { ...node(), object: { ...object, status: { ...object.status, nodeInfo: { operatingSystem } } } };
}

function withoutRange(): NodeFact {
  return { ...node(), object: { ...node().object, spec: {} } };
}

function answer(): HostAnswer {
  const ok = (name: string, short: string) => ({ name, state: 'ok' as const, short, text: short });
  return {
    version: '0.1.0',
    kernel: '6.12.0',
    checks: [ok('kernel', '6.12.0'), ok('esp', '17 algorithms'), ok('udp', 'the agent'), ok('mtu', '1500')],
    interfaces: [],
  };
}

function host(name: string, state: Check['state'], text: string, short = '!'): Known<HostAnswer> {
  const others = answer().checks.filter((each) => each.name !== name);
  return known({ ...answer(), checks: [...others, { name, state, short, text }] });
}

function report(): Known<AgentReport> {
  const found = healthyFacts().agents.get('node-1');
  if (found === undefined) throw new Error('there is no report');
  return found;
}

function withoutPeers(): Known<AgentReport> {
  const found = report();
  return found.known ? known({ ...found.value, peers: [] }) : found;
}

/** The named peer, or every one, has no SAs because there was no traffic. */
function waiting(which?: string): Known<AgentReport> {
  const found = report();
  if (!found.known) return found;
  const peers = found.value.peers.map((peer) =>
    which === undefined || peer.name === which
      ? { ...peer, state: 'idle', reason: 'WaitingForTraffic', ikeSas: [] }
      : peer,
  );
  return known({ ...found.value, peers });
}

function silent(): Known<AgentReport> {
  const found = report();
  if (!found.known) return found;
  const lastFailure = { secondsAgo: 1, text: 'no answer to IKE_SA_INIT' };
  const [first, ...others] = found.value.peers;
  return known({
    ...found.value,
    peers: first === undefined ? [] : [{ ...first, ikeSas: [], lastFailure }, ...others],
  });
}

function network(mode: PodNetwork['mode']): PodNetwork {
  return { name: 'Flannel', mode, detail: 'vxlan', troubles: [] };
}

function clock(offsetMs: number): Surroundings['clocks'] {
  return new Map([['node-1', { offsetMs, uncertaintyMs: 200 }]]);
}
