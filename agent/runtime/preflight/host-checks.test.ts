import { describe, expect, it } from 'vitest';

import type { KernelSurvey } from '../../dataplane/xfrm/kernel-survey.ts';
import { err, ok } from '../../result.ts';
import type { IpAddress } from '../../wire/ip-address.ts';
import { type HostCheck, hostChecks } from './host-checks.ts';
import type { HostFacts } from './host-facts.ts';

describe('whether a host can do what the agent needs', () => {
  it('says of one that can what it has', () => {
    const checks = hostChecks(facts({}));
    expect(checks.map(({ name, state, short }) => `${name} ${state} ${short}`)).toEqual([
      'kernel ok 6.12.0',
      'esp ok 2 algorithms',
      'udp ok free',
      'mtu ok 1500',
    ]);
    // What the kernel itself says of such an SA: xfrm_state_mtu.
    expect(check('mtu', {}).text).toBe(
      'eth0 has MTU 1500; packets of 1466 bytes fit through ESP in transport mode, of 1446 in a tunnel',
    );
  });

  it.each<[string, HostCheck['name'], Partial<HostFacts>, HostCheck['state'], RegExp]>([
    ['ESP', 'esp', { survey: refused('EPROTONOSUPPORT') }, 'wrong', /^ESP cannot be had: the kernel refused it with/],
    ['the right to ask', 'esp', { survey: refused('EPERM') }, 'unknown', /CAP_NET_ADMIN is missing/],
    ['what could not be tried out', 'kernel', { survey: refused('EPERM') }, 'unknown', /could not be tried/],
    ['ESP over IPv6, where there is IPv6', 'esp', { survey: kernel({ ipv6: false }) }, 'wrong', /not over IPv6/],
    [
      'the algorithm that comes first',
      'esp',
      { survey: kernel({ usable: ['aes128'], missing: ['aes256gcm16'] }) },
      'wrong',
      /without aes256gcm16/,
    ],
    [
      'another algorithm',
      'esp',
      { survey: kernel({ missing: ['chacha20poly1305'] }) },
      'doubtful',
      /without chacha20poly1305/,
    ],
    ['ESP in UDP', 'kernel', { survey: kernel({ noEspInUdp: 'setsockopt: no' }) }, 'wrong', /takes no ESP out of UDP/],
    [
      'what is newer',
      'kernel',
      { survey: kernel({ direction: false, natKeepalive: false }) },
      'ok',
      /does without directions of SAs \(6\.10\) and NAT keepalives/,
    ],
    [
      'IPsec on an interface',
      'kernel',
      { disabled: ['net.ipv4.conf.eth0.disable_xfrm'] },
      'wrong',
      /net\.ipv4\.conf\.eth0\.disable_xfrm is set: packets go past IPsec/,
    ],
    [
      'ports, without an agent',
      'udp',
      { ikePlaces: [place('10.0.0.1')] },
      'wrong',
      /another program has UDP 10\.0\.0\.1/,
    ],
    [
      'ports, beside an agent',
      'udp',
      { isAgentRunning: true, ikePlaces: [place('10.0.0.1'), place('0.0.0.0')] },
      'wrong',
      /another program has UDP 0\.0\.0\.0 port 500/,
    ],
    ['who has the ports', 'udp', { ikePlaces: undefined }, 'unknown', /does not say/],
    ['a route', 'mtu', { routes: [route(undefined)] }, 'wrong', /no route from 10\.0\.0\.1 to 10\.0\.0\.2/],
    [
      'room on the way',
      'mtu',
      { routes: [route({ link: 1_500, path: 1_400 })] },
      'doubtful',
      /the way to 10\.0\.0\.2 takes 1400 only; packets of 1366 bytes/,
    ],
    ['room', 'mtu', { interfaces: [{ name: 'eth0', mtu: 1_300, addresses: ['10.0.0.1'] }] }, 'doubtful', /no less/],
    ['the interface', 'mtu', { interfaces: [] }, 'unknown', /no interface has 10\.0\.0\.1/],
  ])('says of one that lacks %s what that means', (_, name, lacking, state, text) => {
    const found = check(name, lacking);
    expect(found).toMatchObject({ state, text: expect.stringMatching(text) });
    if (state === 'wrong') expect(found.remedy).toBeTruthy();
  });

  it('leaves the ports to the agent that runs', () => {
    expect(check('udp', { isAgentRunning: true, ikePlaces: [place('10.0.0.1')] })).toMatchObject({
      state: 'ok',
      text: 'the agent has UDP 10.0.0.1 port 500',
    });
  });
});

function check(name: HostCheck['name'], changes: Partial<HostFacts>): HostCheck {
  const found = hostChecks(facts(changes)).find((each) => each.name === name);
  if (found === undefined) throw new Error(`there is no check ${name}`);
  return found;
}

function facts(changes: Partial<HostFacts>): HostFacts {
  return {
    kernel: '6.12.0',
    survey: kernel({}),
    ikePlaces: [],
    isAgentRunning: false,
    interfaces: [{ name: 'eth0', mtu: 1_500, addresses: ['10.0.0.1', 'fd00::1'] }],
    addresses: ['10.0.0.1' as IpAddress],
    routes: [route({ link: 1_500, path: 1_500 })],
    disabled: [],
    ...changes,
  };
}

function kernel(changes: Partial<KernelSurvey>) {
  return ok({
    ipv6: true,
    usable: ['aes256gcm16', 'aes128gcm16'],
    missing: [],
    direction: true,
    natKeepalive: true,
    noEspInUdp: undefined,
    ...changes,
  });
}

function refused(errno: string) {
  return err({ errno, reason: '' });
}

function route(mtu: HostFacts['routes'][number]['mtu']) {
  return { local: '10.0.0.1' as IpAddress, remote: '10.0.0.2' as IpAddress, mtu };
}

function place(address: string) {
  return { address: address as IpAddress, port: 500 };
}
