import { describe, expect, it } from 'vitest';

import { ESSENTIALS_PER_SERVER, MAX_ESSENTIAL_SERVERS, MAX_EXEMPTIONS, MAX_STAGED_EXEMPTIONS } from '../api/limits.ts';
import type { ImaginedCluster } from '../offline/imagined-cluster.ts';
import { atSecond, clusterOf, gatewayOf, meshOf, nodeOf, nodesOf } from './testing/builders.ts';

const LABELS = { 'kubernetes.io/os': 'linux', 'node-role.kubernetes.io/control-plane': '' };
const control = (number: number) => nodeOf(number, { 'metadata.labels': LABELS });

describe('what a cluster cannot be repaired without', () => {
  it('is exempt by default between all nodes of a mesh and its control plane, in both families', () => {
    const cluster = clusterOf({ peerings: [required()], nodes: [control(1), ...nodesOf(3).slice(1)] });
    settle(cluster, 0);
    expect(exemptOf(cluster, '192.168.0.1/32')).toEqual([
      'Required: TCP 6443 Outbound Send',
      'Required: TCP 10250 Inbound Send',
      'Required: UDP 53 Outbound Send',
      'Required: TCP 53 Outbound Send',
      'Required: UDP 123 Outbound Send',
    ]);
    expect(exemptOf(cluster, 'fd00::1/128')).toHaveLength(5);
    expect(exemptOf(cluster, '192.168.0.2/32')).toEqual([]);
  });

  it.each([
    ['apiServer', 'TCP 6443'],
    ['kubelet', 'TCP 10250'],
    ['dns', '53'],
    ['ntp', 'UDP 123'],
  ])('is encrypted where %s says so', (field, text) => {
    const cluster = clusterOf({
      peerings: [required({ 'spec.traffic.essential': { [field]: 'Encrypt' } })],
      nodes: [control(1), nodeOf(2)],
    });
    settle(cluster, 0);
    const exempt = exemptOf(cluster, '192.168.0.1/32');
    expect(exempt.length).toBeGreaterThan(0);
    expect(exempt.filter((each) => each.includes(text))).toEqual([]);
  });

  it('is where the peering says, instead of on the control plane', () => {
    const essential = { servers: ['192.168.0.0/30'] };
    const peerings = [required({ 'spec.traffic.essential': essential })];
    const cluster = clusterOf({ peerings, nodes: [control(1), nodeOf(2)] });
    settle(cluster, 0);
    expect(exemptOf(cluster, '192.168.0.0/30')).toHaveLength(5);
    expect(exemptOf(cluster, '192.168.0.1/32')).toEqual([]);
  });

  it('is nothing with a gateway, whose end would not know of it', () => {
    const peerings = [gatewayOf('office', { 'spec.enforcement': 'Required' })];
    const cluster = clusterOf({ peerings, nodes: [control(1), nodeOf(2)] });
    settle(cluster, 0);
    expect(cluster.observed().nodeConfigs.flatMap(({ spec }) => spec.peerings[0]?.traffic.exempt ?? [])).toEqual([]);
  });

  it('is accepted everywhere before anybody sends it, where another control-plane node joins', () => {
    const cluster = clusterOf({ peerings: [required()], nodes: [control(1), nodeOf(2)] });
    settle(cluster, 0);
    cluster.given = { ...cluster.given, nodes: [...cluster.given.nodes, control(3)] };
    const seen: string[] = [];
    for (let round = 0; round < 12; round += 1) {
      cluster.step(atSecond(100 + round));
      const [first] = exemptOf(cluster, '192.168.0.3/32');
      if (first !== undefined && seen.at(-1) !== first) seen.push(first);
      cluster.work();
    }
    expect(seen).toEqual(['Required: TCP 6443 Outbound Accept', 'Required: TCP 6443 Outbound Send']);
  });

  it('stays where a control-plane node is not seen for a while, and ends when it is known to be gone', () => {
    const cluster = clusterOf({ peerings: [required()], nodes: [control(1), nodeOf(2), nodeOf(3)] });
    settle(cluster, 0);
    cluster.given = { ...cluster.given, nodes: [nodeOf(2), nodeOf(3)] };
    cluster.settle(atSecond(100));
    expect(exemptOf(cluster, '192.168.0.1/32')).toHaveLength(5);
    cluster.gone = { ...cluster.gone, nodes: new Map([['uid-1', atSecond(100).milliseconds]]) };
    settle(cluster, 1_000);
    expect(exemptOf(cluster, '192.168.0.1/32')).toEqual([]);
  });

  it('has room beside everything that people write, also while all of it gives way to others', () => {
    const essential = ESSENTIALS_PER_SERVER * MAX_ESSENTIAL_SERVERS;
    expect(2 * (MAX_EXEMPTIONS + essential)).toBeLessThanOrEqual(MAX_STAGED_EXEMPTIONS);
  });
});

describe('more servers than can be exempt', () => {
  const controls = (count: number) => Array.from({ length: count }, (_, index) => control(index + 1));
  const most = MAX_ESSENTIAL_SERVERS / 2;

  it('keep a peering from becoming Required, and are named', () => {
    const cluster = clusterOf({ peerings: [required()], nodes: controls(most + 1) });
    settle(cluster, 0);
    expect(exemptOf(cluster, '192.168.0.1/32')[0]).toBe('Optional: TCP 6443 Outbound Send');
    expect(programmedOf(cluster)).toMatch(/^EnforcementHeld: .*does not reach fd00::\w+\/128 and fd00::\w+\/128: name/);
  });

  it('do not where a network holds them, or nothing of them is exempt', () => {
    const nothing = { apiServer: 'Encrypt', kubelet: 'Encrypt', dns: 'Encrypt', ntp: 'Encrypt' };
    for (const essential of [{ servers: ['192.168.0.0/24', 'fd00::/64'] }, nothing]) {
      const peerings = [required({ 'spec.traffic.essential': essential })];
      const cluster = clusterOf({ peerings, nodes: controls(most + 1) });
      settle(cluster, 0);
      expect(programmedOf(cluster)).toMatch(/^Programmed/);
    }
  });

  it('take no room from those that are exempt, and nothing back that is Required', () => {
    const cluster = clusterOf({ peerings: [required()], nodes: controls(most + 1).slice(1) });
    settle(cluster, 0);
    cluster.given = { ...cluster.given, nodes: controls(most + 1) };
    settle(cluster, 100);
    expect(exemptOf(cluster, '192.168.0.1/32')).toEqual([]);
    expect(exemptOf(cluster, `192.168.0.${most + 1}/32`)[0]).toBe('Required: TCP 6443 Outbound Send');
    expect(programmedOf(cluster)).toMatch(/^ServersNotExempt: .*192\.168\.0\.1\/32 and fd00::1\/128/);
  });
});

function programmedOf(cluster: ImaginedCluster): string {
  const conditions = cluster.given.peerings[0]?.status?.conditions;
  const found = conditions?.find(({ type }) => type === 'Programmed');
  return `${found?.reason}: ${found?.message}`;
}

function required(fields: { readonly [path: string]: unknown } = {}) {
  return meshOf('cluster', { 'spec.enforcement': 'Required', ...fields });
}

/** Until all steps of a rollout are taken. */
function settle(cluster: ImaginedCluster, second: number): void {
  for (let round = 0; round < 12; round += 1) {
    cluster.step(atSecond(second + round));
    cluster.work();
  }
}

/** What the nodes are told to exempt of a network: all of them the same. */
function exemptOf(cluster: ImaginedCluster, cidr: string): readonly string[] {
  const told = cluster.observed().nodeConfigs.map(({ spec }) => {
    const [entry] = spec.peerings;
    return (entry?.traffic.exempt ?? [])
      .filter((each) => each.cidr === cidr)
      .map(
        ({ protocol, ports = [], direction, stage }) =>
          `${entry?.enforcement.inbound}: ${protocol} ${ports[0]?.from} ${direction} ${stage}`,
      );
  });
  expect(new Set(told.map((each) => JSON.stringify(each))).size).toBeLessThanOrEqual(1);
  return told[0] ?? [];
}
