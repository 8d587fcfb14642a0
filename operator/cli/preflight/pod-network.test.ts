import { describe, expect, it } from 'vitest';

import { type DaemonSetFact, networkByInterfaces, type PluginObject, pluginOf } from './pod-network.ts';

describe('how packets of pods get from node to node', () => {
  it.each<[string, Settings, string, RegExp?]>([
    ['cilium', { config: {} }, 'overlay vxlan'],
    ['cilium', { config: { 'routing-mode': 'tunnel', 'tunnel-protocol': 'geneve' } }, 'overlay geneve'],
    ['cilium', { config: { 'routing-mode': 'native' } }, 'routed native'],
    [
      'cilium',
      { config: { 'routing-mode': 'native', 'kube-proxy-replacement': 'true', 'enable-bpf-masquerade': 'true' } },
      'routed native',
      /eBPF host routing.*past IPsec/,
    ],
    ['cilium', { config: { 'enable-ipsec': 'true' } }, 'overlay vxlan', /Cilium encrypts by IPsec of its own/],
    ['cilium', { config: { 'enable-wireguard': 'true' } }, 'overlay vxlan', /encrypted twice/],
    ['cilium', {}, 'unknown its ConfigMap cannot be read'],
    ['calico-node', { objects: [pool({ ipipMode: 'Always' })] }, 'overlay IPIP Always'],
    ['calico-node', { objects: [pool({ vxlanMode: 'CrossSubnet' })] }, 'overlay VXLAN CrossSubnet', /within one/],
    ['calico-node', { objects: [pool({})] }, 'routed no encapsulation'],
    ['calico-node', { objects: [pool({ ipipMode: 'Always', disabled: true })] }, 'routed no encapsulation'],
    [
      'calico-node',
      { objects: [pool({}), { kind: 'FelixConfiguration', spec: { bpfEnabled: true } }] },
      'routed no encapsulation',
      /eBPF/,
    ],
    ['calico-node', { env: { CALICO_IPV4POOL_VXLAN: 'Always' } }, 'overlay VXLAN Always'],
    ['calico-node', {}, 'unknown its IPPools cannot be read'],
    ['canal', { config: flannel('vxlan') }, 'overlay vxlan'],
    ['kube-flannel-ds', { config: flannel('vxlan') }, 'overlay vxlan'],
    ['kube-flannel-ds', { config: flannel('host-gw') }, 'routed host-gw'],
    ['kube-flannel-ds', { config: flannel('ipsec') }, 'overlay ipsec', /IPsec of its own/],
    ['kube-flannel-ds', { config: { 'net-conf.json': 'null' } }, 'unknown its net-conf.json names no backend'],
    ['kube-flannel-ds', { config: { 'net-conf.json': '{' } }, 'unknown its net-conf.json names no backend'],
    ['antrea-agent', { config: { 'antrea-agent.conf': '' } }, 'overlay geneve'],
    ['antrea-agent', { config: { 'antrea-agent.conf': 'trafficEncapMode: noEncap' } }, 'routed noEncap'],
    [
      'antrea-agent',
      { config: { 'antrea-agent.conf': 'trafficEncryptionMode: ipsec' } },
      'overlay geneve',
      /Antrea encrypts by IPsec/,
    ],
    ['antrea-agent', { config: { 'antrea-agent.conf': '[' } }, 'overlay geneve'],
    ['kube-router', { args: ['--overlay-type=full'] }, 'overlay ipip'],
    ['kube-router', { args: ['--enable-overlay=false'] }, 'routed no overlay'],
    ['kindnet', {}, 'routed routes of each node'],
    ['weave-net', {}, 'overlay vxlan'],
    ['ovnkube-node-x', {}, 'overlay geneve'],
    ['aws-node', {}, "routed addresses of the cloud's network", /scope Pods may not know them/],
  ])('with the DaemonSet %s, told %j: %s', (name, { env = {}, args = [], config, objects }, expected, trouble) => {
    const daemonSet = { name, namespace: 'kube-system', env, args };
    const network = pluginOf(daemonSet)?.read({ daemonSet, config, objects });
    expect(`${network?.mode} ${network?.detail}`).toBe(expected);
    expect(network?.troubles.map(({ text }) => text)).toEqual(
      trouble === undefined ? [] : [expect.stringMatching(trouble)],
    );
  });

  it('no other DaemonSet is taken for a network plugin', () => {
    for (const name of ['kube-proxy', 'ikemesh-agent', 'cilium-envoy', 'calico-node-windows']) {
      expect(pluginOf({ name, namespace: 'kube-system', env: {}, args: [] })).toBeUndefined();
    }
  });

  it('shows by interfaces where no DaemonSet tells', () => {
    expect(networkByInterfaces(['lo', 'eth0', 'flannel.1', 'cni0'])).toMatchObject({ mode: 'overlay' });
    expect(networkByInterfaces(['lo', 'eth0', 'cni0', 'veth1'])).toMatchObject({ name: 'bridge', mode: 'routed' });
    expect(networkByInterfaces(['lo', 'eth0'])).toBeUndefined();
  });
});

interface Settings extends Partial<Pick<DaemonSetFact, 'env' | 'args'>> {
  readonly config?: Readonly<Record<string, string>>;
  readonly objects?: readonly PluginObject[];
}

function pool(spec: PluginObject['spec']): PluginObject {
  return { kind: 'IPPool', spec };
}

function flannel(type: string) {
  return { 'net-conf.json': JSON.stringify({ Network: '10.244.0.0/16', Backend: { Type: type } }) };
}
