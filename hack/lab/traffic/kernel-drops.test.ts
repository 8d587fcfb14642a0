import { describe, expect, it } from 'vitest';

import { fullBuffers, kernelDropsText, parseKernelDrops } from './kernel-drops.ts';

describe('what a kernel has dropped', () => {
  it('is told by its place, whoever counts it, and nothing else is', () => {
    const before = shown([0, 0, 0, 0, 0, 0, 0, 0, 0]);
    const after = shown([7, 1, 2, 3, 4, 5, 6, 8, 9]);
    expect(kernelDropsText(parseKernelDrops(before), parseKernelDrops(after))).toBe(
      'UdpRcvbufErrors 1, Udp6RcvbufErrors 2, Arp unresolved_discards 3, Ndisc unresolved_discards 4, processor queues dropped 5, eth0 rx dropped 6, eth0 tx dropped 8, eth0 queue 8001: drops 9',
    );
    expect(kernelDropsText(parseKernelDrops(after), parseKernelDrops(after))).toBe('');
  });

  it('is told of interfaces alone, where nothing else is shown', () => {
    expect(Object.fromEntries(parseKernelDrops(`#link\n${link(0, 12)}`))).toMatchObject({ 'eth0 tx dropped': 12 });
  });

  it('has the datagrams of both families that found a full buffer', () => {
    expect(fullBuffers(parseKernelDrops(shown([7, 1, 2, 3, 4, 5, 6, 8, 9])))).toBe(3);
  });

  it('is not taken for nothing where a kernel does not show it', () => {
    expect(() => fullBuffers(parseKernelDrops(`#link\n${link(0, 12)}`))).toThrow(/shows no UdpRcvbufErrors/);
  });
});

/** As the kernel, ip and tc show them; the first number is of datagrams that were taken. */
function shown([taken, udp, udp6, arp, ndisc, processor, received, sent, queued]: readonly number[]): string {
  const neighbours = (count = 0) =>
    `entries  allocs unresolved_discards table_fulls\n00000005  00000007 ${hex(count)} 00000000\n`;
  return [
    `#snmp\nUdp: InDatagrams NoPorts RcvbufErrors\nUdp: ${taken} 0 ${udp}\n`,
    `#snmp6\nUdp6InDatagrams                 \t${taken}\nUdp6RcvbufErrors                \t${udp6}\n`,
    `#arp_cache\n${neighbours(arp)}`,
    `#ndisc_cache\n${neighbours(ndisc)}`,
    `#softnet_stat\n${hex(taken)} ${hex(processor)} 00000000\n`,
    `#link\n${link(received, sent)}`,
    `#qdisc\n[{"kind":"pfifo_fast","handle":"8001:","dev":"eth0","packets":${taken},"drops":${queued}}]\n`,
  ].join('');
}

function link(received = 0, sent = 0): string {
  return `[{"ifname":"eth0","stats64":{"rx":{"packets":5,"dropped":${received}},"tx":{"packets":5,"dropped":${sent}}}}]\n`;
}

function hex(count = 0): string {
  return count.toString(16).padStart(8, '0');
}
