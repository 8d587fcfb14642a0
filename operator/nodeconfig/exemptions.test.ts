import { describe, expect, it } from 'vitest';

import type { Enforcement, IpsecNodeConfig, StagedExemption } from '../api/ipsec-node-config.ts';
import { ipsecNodeConfig } from '../api/ipsec-node-config.ts';
import { MAX_STAGED_EXEMPTIONS } from '../api/limits.ts';
import type { ImaginedCluster } from '../offline/imagined-cluster.ts';
import type { Told } from './enforcement.ts';
import { areSettled, nextExemptions } from './exemptions.ts';
import { nodePeeringOf } from './node-configs.ts';
import { rosterOf } from './roster.ts';
import { atSecond, clusterOf, gatewayOf, meshOf, nodeOf, nodesOf } from './testing/builders.ts';

const API = { protocol: 'TCP', ports: [{ from: 6_443 }], cidr: '10.0.0.0/24', direction: 'Both' } as const;
const DNS = { protocol: 'UDP', ports: [{ from: 53 }], cidr: '10.0.0.0/24', direction: 'Outbound' } as const;
const optional = { outbound: 'Optional', inbound: 'Optional' } as const;
const required = { outbound: 'Required', inbound: 'Required' } as const;

describe('exemptions', () => {
  it('begin by being accepted, and are sent when every node accepts them', () => {
    expect(stages(nextExemptions([list(API)], [told([]), told([])], required))).toEqual(['TCP Accept']);
    expect(stages(nextExemptions([list(API)], [told(['Accept']), told(['Accept'])], required))).toEqual(['TCP Send']);
    expect(stages(nextExemptions([list(API)], [told(['Send']), told(['Send'])], required))).toEqual(['TCP Send']);
  });

  it.each([
    ['was not told', told([])],
    ['was told and has not done it', told(['Accept'], [])],
    ['lags behind its configuration', told(['Accept'], ['Accept'], { behind: 1 })],
    ['says nothing', told(['Accept'], undefined, { isMute: true })],
  ])('are not sent while one node %s', (_, slow) => {
    expect(stages(nextExemptions([list(API)], [told(['Accept']), slow], required))).toEqual(['TCP Accept']);
  });

  it('end in reverse: nobody refuses them while somebody sends them', () => {
    expect(stages(nextExemptions([], [told(['Send']), told(['Send'])], required))).toEqual(['TCP Accept']);
    expect(stages(nextExemptions([], [told(['Accept']), told(['Accept'], ['Send'])], required))).toEqual([
      'TCP Accept',
    ]);
    expect(stages(nextExemptions([], [told(['Accept']), told(['Send'])], required))).toEqual(['TCP Accept']);
    expect(stages(nextExemptions([], [told(['Accept']), told(['Accept'])], required))).toEqual([]);
  });

  it('that end are no longer sent in plaintext by anybody at work while one agent is away, and are refused when it is back', () => {
    const away = new Set<string>();
    const peering = meshOf('cluster', { 'spec.enforcement': 'Required', 'spec.traffic.exempt': [API] });
    const cluster = clusterOf({ peerings: [peering], nodes: nodesOf(3) }, { hasAgent: (name) => !away.has(name) });
    cluster.settle(atSecond(0));
    expect(stepsOf(cluster)).toEqual(new Set(['Required Required: TCP Send']));
    away.add('node-3');
    change(cluster, []);
    cluster.settle(atSecond(100));
    const said = cluster.observed().nodeConfigs.map(({ status }) => stages(status?.peerings?.[0]?.exempt ?? []));
    expect(said).toEqual([['TCP Accept'], ['TCP Accept'], ['TCP Send']]);
    // It may still send them.
    expect(stepsOf(cluster)).toEqual(new Set(['Required Required: TCP Accept']));
    away.clear();
    cluster.settle(atSecond(200));
    expect(stepsOf(cluster)).toEqual(new Set(['Required Required: ']));
  });

  it('that are wanted again while they end go on', () => {
    expect(stages(nextExemptions([list(API)], [told(['Accept']), told(['Send'])], required))).toEqual(['TCP Send']);
  });

  it('give way to others one by one, each at its own step', () => {
    const both = [told(['Send']), told(['Send'])];
    expect(stages(nextExemptions([list(DNS)], both, required))).toEqual(['UDP Accept', 'TCP Accept']);
  });

  it('need no steps where everybody accepts plaintext, and none with a gateway, whose end is not ours', () => {
    const open = { enforcement: optional };
    expect(stages(nextExemptions([list(API)], [told([], [], open)], optional))).toEqual(['TCP Send']);
    expect(stages(nextExemptions([], [told(['Send'], ['Send'], open)], optional))).toEqual([]);
    // From here on nobody does.
    expect(stages(nextExemptions([], [told(['Send'], ['Send'], open)], required))).toEqual(['TCP Accept']);
    expect(stages(nextExemptions([list(API)], [told([], [], { ...open, isMute: true })], optional))).toEqual([
      'TCP Accept',
    ]);
    expect(stages(nextExemptions([list(API)], [told([], [], { gateway: true })], required))).toEqual(['TCP Send']);
  });

  it('that are listed twice, or written otherwise, are one', () => {
    const twice = [list(API), { ...list(API), ports: [{ from: 6_443, to: 6_443 }] }];
    expect(stages(nextExemptions(twice, [], required))).toEqual(['TCP Send']);
    expect(areSettled(twice, [told(['Send'])])).toBe(true);
  });

  it('are never more than a node takes, however often they change', () => {
    const most = MAX_STAGED_EXEMPTIONS / 2;
    const many = (from: number) =>
      Array.from({ length: most }, (_, index) => ({
        cidr: `10.${(from + index) >> 8}.${(from + index) & 255}.0/24`,
        direction: 'Both' as const,
      }));
    const leaving = [...many(0), ...many(most)].map((each) => ({ ...each, stage: 'Send' as const }));
    const next = nextExemptions(many(2 * most), [told(leaving)], required);
    expect(next).toHaveLength(MAX_STAGED_EXEMPTIONS);
    const named = new Set(leaving.map(({ cidr }) => cidr));
    expect(next.every(({ cidr }) => named.has(cidr))).toBe(true);
  });

  it('come and go on all nodes of a cluster that works, and are in force before anything is Required', () => {
    const peering = meshOf('cluster', { 'spec.enforcement': 'Required', 'spec.traffic.exempt': [API] });
    const cluster = clusterOf({ peerings: [peering], nodes: nodesOf(3) });
    expect(followed(cluster, 0)).toEqual([
      'Optional Optional: TCP Send',
      'Required Optional: TCP Send',
      'Required Required: TCP Send',
    ]);
    change(cluster, [DNS]);
    expect(followed(cluster, 100)).toEqual([
      'Required Required: TCP Send',
      'Required Required: UDP Accept, TCP Accept',
      'Required Required: UDP Send',
    ]);
    cluster.given = { ...cluster.given, nodes: [...cluster.given.nodes, nodeOf(4)] };
    cluster.step(atSecond(200));
    expect(stepsOf(cluster)).toEqual(new Set(['Required Required: UDP Send']));
    change(cluster, []);
    expect(followed(cluster, 300).slice(1)).toEqual(['Required Required: UDP Accept', 'Required Required: ']);
  });

  it('with a gateway are in force at once', () => {
    const peering = gatewayOf('office', { 'spec.enforcement': 'Required' });
    const cluster = clusterOf({ peerings: [peering], nodes: nodesOf(2) });
    followed(cluster, 0);
    change(cluster, [API]);
    expect(followed(cluster, 100).at(-1)).toBe('Required Required: TCP Send');
  });
});

type Stage = StagedExemption['stage'];

function list<T extends { readonly ports: readonly { readonly from: number }[] }>(exemption: T) {
  return { ...exemption, ports: exemption.ports.map((range) => ({ ...range })) };
}

interface Circumstances {
  readonly enforcement?: Enforcement;
  readonly behind?: number;
  readonly isMute?: boolean;
  readonly gateway?: boolean;
}

/** A node that was told one thing, and says that it does another. */
function told(
  wanted: readonly (Stage | StagedExemption)[],
  said: readonly (Stage | StagedExemption)[] | undefined = wanted,
  { enforcement = required, behind = 0, isMute = false, gateway = false }: Circumstances = {},
): Told {
  const staged = (stages: readonly (Stage | StagedExemption)[]) =>
    stages.map((stage): StagedExemption => (typeof stage === 'string' ? { ...list(API), stage } : stage));
  const peering = gateway ? gatewayOf('cluster') : meshOf('cluster');
  const [known] = rosterOf(clusterOf({ peerings: [], nodes: [nodeOf(1)] }).observed(), atSecond(0));
  if (known === undefined) throw new Error('no node');
  const member = { node: known, addresses: ['192.0.2.1'], obstacle: undefined, shortfall: undefined };
  const entry = nodePeeringOf(peering, member, enforcement, staged(wanted));
  const exempt = staged(said ?? []);
  const status: IpsecNodeConfig['status'] = {
    observedGeneration: 7 - behind,
    peerings: isMute ? [] : [{ name: 'cluster', enforcement, ...(exempt.length === 0 ? {} : { exempt }) }],
  };
  const config: IpsecNodeConfig = ipsecNodeConfig.schema.parse({
    apiVersion: 'ikemesh.io/v1alpha1',
    kind: 'IPsecNodeConfig',
    metadata: { name: 'node-1', generation: 7 },
    spec: { nodeUID: 'uid-1', identity: { fqdn: 'node-1.mesh.test' }, peerings: [entry] },
  });
  return { node: { ...known, config, status }, entry };
}

function stages(exemptions: readonly StagedExemption[]): readonly string[] {
  return exemptions.map(({ protocol, stage }) => `${protocol} ${stage}`);
}

function change(cluster: ImaginedCluster, exempt: readonly object[]): void {
  const [peering] = cluster.given.peerings;
  if (peering === undefined) throw new Error('no peering');
  const { traffic } = peering.spec;
  const changed = { ...peering, spec: { ...peering.spec, traffic: { ...traffic, exempt: exempt as never } } };
  cluster.given = { ...cluster.given, peerings: [changed] };
}

/** What all nodes are told, step by step; never one thing here and another there. */
function followed(cluster: ImaginedCluster, second: number): readonly string[] {
  const steps = [...stepsOf(cluster)];
  for (let round = 0; round < 12; round += 1) {
    cluster.step(atSecond(second + round));
    cluster.work();
    const present = stepsOf(cluster);
    expect(present.size).toBe(1);
    const [step = ''] = present;
    if (steps.at(-1) !== step) steps.push(step);
  }
  return steps;
}

function stepsOf(cluster: ImaginedCluster): ReadonlySet<string> {
  return new Set(
    cluster.observed().nodeConfigs.map(({ spec }) => {
      const [entry] = spec.peerings;
      const { outbound, inbound } = entry?.enforcement ?? {};
      return `${outbound} ${inbound}: ${stages(entry?.traffic.exempt ?? []).join(', ')}`;
    }),
  );
}
