import { describe, expect, it } from 'vitest';

import type { AgentPeer } from '../diagnosis/agent-report.ts';
import type { Facts } from '../diagnosis/facts.ts';
import { unknown } from '../diagnosis/known.ts';
import { healthyFacts, withAgent, withConnection, withHost } from '../testing/healthy-facts.ts';
import { planProbes } from './probe-plan.ts';

const PAIR = ['node-1', 'node-2'] as const;
/** Both ends of their connection by IPv4. */
const ENDS = [
  ['node-1', 'node-2-ipv4'],
  ['node-2', 'node-1-ipv4'],
] as const;

describe('whom nodes send probes to', () => {
  it('is each other by both families, at both ends alike', () => {
    const { pairs, untried, targets } = planProbes(healthyFacts(), [PAIR]);
    expect(untried).toEqual([]);
    expect(pairs.map(({ what }) => what)).toEqual([
      'transport, 192.168.0.1 to 192.168.0.2',
      'transport, fd00::1 to fd00::2',
    ]);
    const [left, right] = PAIR.map((name) => targets.get(name) ?? []);
    expect(left?.map(({ name }) => name)).toEqual(right?.map(({ name }) => name));
    expect(left?.[0]).toMatchObject({
      local: '192.168.0.1',
      remote: '192.168.0.2',
      outerRemote: '192.168.0.2',
      reqids: [1],
    });
    expect(right?.[0]).toMatchObject({ local: '192.168.0.2', remote: '192.168.0.1', outerRemote: '192.168.0.1' });
  });

  it('in a tunnel of pods are addresses that the hosts have within it', () => {
    const { pairs } = planProbes(tunnelled(['10.244.1.1'], ['10.244.2.1']), [PAIR]);
    expect(pairs.map(({ what }) => what)).toContain('tunnel, 10.244.1.1 to 10.244.2.1');
  });

  it('is nobody where a host has no address within it, which is not known to be wrong', () => {
    const { pairs, untried } = planProbes(tunnelled(['10.244.1.1'], []), [PAIR]);
    expect(pairs).toHaveLength(1);
    expect(untried).toEqual([
      {
        nodes: PAIR,
        code: 'NotTried',
        text: 'node-2 has no address of its own within 10.244.2.0/24: only its pods can try that',
      },
    ]);
  });

  it('is nobody where there is no SA, which is wrong', () => {
    const facts = withConnection(healthyFacts(), 'node-1', 'node-2-ipv4', (peer) => ({ ...peer, ikeSas: [] }));
    expect(planProbes(facts, [PAIR]).untried).toEqual([
      { nodes: PAIR, code: 'NoChildSa', text: 'there is no Child SA for node-2-ipv4' },
    ]);
  });

  it('is each other by the Child SAs that there are, and it is wrong where an agent says that others are missing', () => {
    const message = 'there is an IKE SA, but no pods-ipv4: refused';
    const lacking = (peer: AgentPeer) => ({ ...peer, state: 'established', reason: 'NoChildSA', message });
    const facts = ENDS.reduce((made, [node, name]) => withConnection(made, node, name, lacking), healthyFacts());
    const { pairs, untried } = planProbes(facts, [PAIR]);
    expect(pairs).toHaveLength(2);
    const text = `node-1 says of node-2-ipv4: ${message}; node-2 says of node-1-ipv4: ${message}`;
    expect(untried).toEqual([{ nodes: PAIR, code: 'NotEncrypting', text }]);
  });

  it.each(['established', 'connecting', 'down'])('is wrong where one end alone says %s, and not why', (state) => {
    const facts = withConnection(healthyFacts(), 'node-2', 'node-1-ipv6', ({ reason: _, message: __, ...peer }) => ({
      ...peer,
      state,
    }));
    const text = `node-2 says of node-1-ipv6: it is ${state}`;
    expect(planProbes(facts, [PAIR]).untried).toEqual([{ nodes: PAIR, code: 'NotEncrypting', text }]);
  });

  it.each([
    ['node-1', 'node-2'],
    ['node-2', 'node-1'],
  ])('is wrong by a family of which %s does not know', (node, other) => {
    const facts = withAgent(healthyFacts(), node, (report) => ({
      ...report,
      peers: report.peers.filter(({ name }) => name !== `${other}-ipv6`),
    }));
    const { pairs, untried } = planProbes(facts, [PAIR]);
    expect(pairs.map(({ what }) => what)).toEqual(['transport, 192.168.0.1 to 192.168.0.2']);
    const text = `${other} has the connection ${node}-ipv6, of which ${node} does not know`;
    expect(untried).toEqual([{ nodes: PAIR, code: 'UnknownToPeer', text }]);
  });

  it('is nobody where the first packet makes SAs and there was none, which is not wrong, unless one end has SAs', () => {
    const idle = (peer: AgentPeer) => ({ ...peer, state: 'idle', reason: 'WaitingForTraffic', ikeSas: [] });
    const one = withConnection(healthyFacts(), 'node-1', 'node-2-ipv4', idle);
    const both = withConnection(one, 'node-2', 'node-1-ipv4', idle);
    const text = 'node-2-ipv4: the first packet makes SAs, and there was none';
    expect(planProbes(both, [PAIR]).untried).toEqual([{ nodes: PAIR, code: 'WaitingForTraffic', text }]);
    expect(planProbes(one, [PAIR]).untried).toMatchObject([{ code: 'NoChildSa' }]);
  });

  it('is nobody behind selectors of single ports', () => {
    const facts = withConnection(healthyFacts(), 'node-1', 'node-2-ipv4', (peer) =>
      withSelectors(peer, ['192.168.0.1/32[tcp/443]'], ['192.168.0.2/32']),
    );
    expect(planProbes(facts, [PAIR]).untried).toHaveLength(1);
  });

  it('is nobody whose agent did not answer', () => {
    const facts: Facts = {
      ...healthyFacts(),
      agents: new Map([
        ...healthyFacts().agents,
        ['node-2', unknown('the agent of node-2', 'forbidden', 'you may not')],
      ]),
    };
    const { pairs, untried } = planProbes(facts, [PAIR, ['node-1', 'node-3']]);
    expect(untried).toEqual([{ nodes: PAIR, code: 'NotTried', text: 'the agent of node-2: you may not' }]);
    expect(pairs).toHaveLength(2);
  });
});

/** Pods of both nodes are encrypted by IPv4. */
function tunnelled(left: readonly string[], right: readonly string[]): Facts {
  const [own, peer] = [['10.244.1.0/24'], ['10.244.2.0/24']];
  let facts = withConnection(healthyFacts(), 'node-1', 'node-2-ipv4', (each) => withSelectors(each, own, peer));
  facts = withConnection(facts, 'node-2', 'node-1-ipv4', (each) => withSelectors(each, peer, own));
  facts = withHost(facts, 'node-1', { interfaces: [{ name: 'cni0', mtu: 1_500, addresses: ['fd00::1', ...left] }] });
  return withHost(facts, 'node-2', { interfaces: [{ name: 'cni0', mtu: 1_500, addresses: ['fd00::2', ...right] }] });
}

function withSelectors(peer: AgentPeer, local: readonly string[], remote: readonly string[]): AgentPeer {
  const change = (child: AgentPeer['ikeSas'][number]['children'][number]) => ({
    ...child,
    mode: 'tunnel',
    localSelectors: [...local],
    remoteSelectors: [...remote],
  });
  return { ...peer, ikeSas: peer.ikeSas.map((sa) => ({ ...sa, children: sa.children.map(change) })) };
}
