import { describe, expect, it } from 'vitest';

import { membersOf, rosterOf } from './roster.ts';
import { atSecond, clusterOf, meshOf, nodeOf } from './testing/builders.ts';

const internal = (address: string) => ({ type: 'InternalIP', address });

describe('a node of a peering', () => {
  it.each([
    ['one of each family', [internal('192.0.2.1'), internal('2001:db8::1')], ['192.0.2.1', '2001:db8::1']],
    ['the first of each, as Kubernetes orders them', [internal('192.0.2.9'), internal('192.0.2.1')], ['192.0.2.9']],
    ['IPv6 alone, in its one form', [internal('2001:DB8:0::0:1')], ['2001:db8::1']],
    ['none that is no host', [internal('127.0.0.1'), internal('fe80::1'), internal('192.0.2.1')], ['192.0.2.1']],
  ])('uses %s of its addresses', (_, addresses, expected) => {
    expect(member({ 'status.addresses': addresses })?.addresses).toEqual(expected);
  });

  it('uses addresses of the type that the peering names', () => {
    const addresses = [internal('192.0.2.1'), { type: 'ExternalIP', address: '198.51.100.1' }];
    const peering = { 'spec.nodes': { addressType: 'ExternalIP' } };
    expect(member({ 'status.addresses': addresses }, peering)?.addresses).toEqual(['198.51.100.1']);
  });

  it.each([
    ['no address', { 'status.addresses': [] }, {}, 'NoAddress'],
    ['only a name', { 'status.addresses': [internal('node-1.example')] }, {}, 'NoAddress'],
    ['a name that no ServiceAccount can have', { 'metadata.name': 'a'.repeat(249) }, {}, 'NameTooLong'],
    ['no pod CIDR where pods are meant', { 'spec.podCIDRs': [] }, { 'spec.traffic': { scope: 'Pods' } }, 'NoPodCIDR'],
  ])('cannot take part with %s', (_, node, peering, reason) => {
    expect(member(node, peering)?.obstacle?.reason).toBe(reason);
  });

  it('takes part without pod CIDR where nodes alone are meant', () => {
    expect(member({ 'spec.podCIDRs': [] })?.obstacle).toBeUndefined();
  });

  it('reads the older field for pod CIDRs, too, and clears host bits', () => {
    expect(member({ spec: { podCIDR: '10.1.2.3/24' } })?.node.podCidrs).toEqual(['10.1.2.0/24']);
  });

  it('is Linux by what its kubelet says, or else by its label', () => {
    expect(member({ 'status.nodeInfo': {}, 'metadata.labels': { 'kubernetes.io/os': 'windows' } })).toBeUndefined();
    expect(member({ 'metadata.labels': {} })).toBeDefined();
  });
});

function member(node: Record<string, unknown>, peering: Record<string, unknown> = {}) {
  const observed = clusterOf({ peerings: [], nodes: [nodeOf(1, node)] }).observed();
  return membersOf(meshOf('cluster', peering), rosterOf(observed, atSecond(0))).members[0];
}
