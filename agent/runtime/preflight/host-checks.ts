import { payloadMtu } from '../../dataplane/esp-overhead.ts';
import { refusalText } from '../../dataplane/texts.ts';
import type { HostFacts } from './host-facts.ts';

/** Something that a node must have, and whether it does. */
export interface HostCheck {
  readonly name: 'kernel' | 'esp' | 'udp' | 'mtu';
  readonly state: 'ok' | 'doubtful' | 'wrong' | 'unknown';
  /** A word or two, for a table. */
  readonly short: string;
  /** One sentence. */
  readonly text: string;
  readonly remedy?: string;
}

/** Whether a host can do what the agent needs. */
export function hostChecks(facts: HostFacts): readonly HostCheck[] {
  return [kernelCheck(facts), espCheck(facts), udpCheck(facts), mtuCheck(facts)];
}

function kernelCheck({ kernel, survey, disabled }: HostFacts): HostCheck {
  const base = { name: 'kernel', short: kernel } as const;
  if (disabled.length > 0) {
    return {
      ...base,
      state: 'wrong',
      text: `Linux ${kernel}, where ${disabled.join(' and ')} ${disabled.length === 1 ? 'is' : 'are'} set: packets go past IPsec`,
      remedy: `sysctl --write ${disabled.map((name) => `${name}=0`).join(' ')}, and in the files of /etc/sysctl.d`,
    };
  }
  if (!survey.ok) return { ...base, state: 'unknown', text: `Linux ${kernel}, whose features could not be tried out` };
  const { direction, natKeepalive, noEspInUdp } = survey.value;
  if (noEspInUdp !== undefined) {
    return {
      ...base,
      state: 'wrong',
      text: `Linux ${kernel} takes no ESP out of UDP: ${noEspInUdp}`,
      remedy: 'use a kernel with CONFIG_INET_ESP and UDP encapsulation; without, nothing passes a NAT',
    };
  }
  const lacking = [
    ...(direction ? [] : ['directions of SAs (6.10)']),
    ...(natKeepalive ? [] : ['NAT keepalives (6.11; the agent sends them instead)']),
  ];
  const rest = lacking.length === 0 ? 'it has all that is made use of' : `it does without ${lacking.join(' and ')}`;
  return { ...base, state: 'ok', text: `Linux ${kernel}: ESP in UDP works; ${rest}` };
}

function espCheck({ survey, interfaces }: HostFacts): HostCheck {
  const base = { name: 'esp' } as const;
  if (!survey.ok) {
    const { errno } = survey.error;
    const text = `ESP cannot be had: ${refusalText(survey.error)}`;
    // Whoever may not ask has learned nothing of the kernel.
    if (errno === 'EPERM') return { ...base, state: 'unknown', short: '?', text };
    const remedy = 'modprobe --all xfrm_user esp4 esp6 on the node, or agent.kernelModules.load in the chart';
    return { ...base, state: 'wrong', short: 'no ESP', text, remedy };
  }
  const { ipv6, usable, missing } = survey.value;
  const has = `ESP with ${usable.join(', ')}`;
  const usesIpv6 = interfaces.some(({ addresses }) => addresses.some((each) => /^(?!fe80|::1$).*:/i.test(each)));
  if (!ipv6 && usesIpv6) {
    return {
      ...base,
      state: 'wrong',
      short: 'IPv4 only',
      text: `${has} over IPv4, and not over IPv6, which this host has`,
      remedy: 'modprobe esp6 on the node, or agent.kernelModules.load in the chart',
    };
  }
  if (missing.length > 0) {
    return {
      ...base,
      state: missing.includes(FIRST_CHOICE) ? 'wrong' : 'doubtful',
      short: `without ${missing.length}`,
      text: `${has}; without ${missing.join(', ')}`,
      remedy: 'load the modules of the missing algorithms, or name others in spec.proposals.esp',
    };
  }
  return { ...base, state: 'ok', short: `${usable.length} algorithms`, text: has };
}

function udpCheck({ ikePlaces, isAgentRunning }: HostFacts): HostCheck {
  const base = { name: 'udp' } as const;
  if (ikePlaces === undefined)
    return { ...base, state: 'unknown', short: '?', text: 'the kernel does not say who has UDP 500 and 4500' };
  const places = [...new Set(ikePlaces.map(({ address, port }) => `${address} port ${port}`))];
  // Ours are bound to an address each.
  const foreign = ikePlaces.filter(({ address }) => !isAgentRunning || address === '0.0.0.0' || address === '::');
  if (foreign.length > 0) {
    const named = [...new Set(foreign.map(({ address, port }) => `${address} port ${port}`))];
    return {
      ...base,
      state: 'wrong',
      short: 'taken',
      text: `another program has UDP ${named.join(', ')}`,
      remedy: 'see which by ss -ulpn "sport = :500 or sport = :4500", such as another IKE daemon, and stop it',
    };
  }
  if (places.length === 0) return { ...base, state: 'ok', short: 'free', text: 'nobody has UDP 500 or 4500' };
  return { ...base, state: 'ok', short: 'the agent', text: `the agent has UDP ${places.join(', ')}` };
}

function mtuCheck({ addresses, interfaces, routes }: HostFacts): HostCheck {
  const base = { name: 'mtu' } as const;
  const own = interfaces.filter((each) => addresses.some((address) => each.addresses.includes(address)));
  const mtus = [...new Set(own.map(({ mtu }) => mtu))];
  const short = mtus.length === 0 ? '?' : mtus.join(', ');
  const unreachable = routes.filter(({ mtu }) => mtu === undefined);
  if (unreachable.length > 0) {
    const [first] = unreachable;
    return {
      ...base,
      state: 'wrong',
      short: 'no route',
      text: `there is no route from ${first?.local} to ${unreachable.map(({ remote }) => remote).join(', ')}`,
      remedy: 'see ip route get; nodes have to reach one another at the addresses of their Node objects',
    };
  }
  if (mtus.length === 0) {
    const text =
      addresses.length === 0
        ? 'it was not said which addresses peers reach this host at'
        : `no interface has ${addresses.join(' or ')}`;
    return { ...base, state: 'unknown', short, text };
  }
  const least = Math.min(...mtus, ...routes.flatMap(({ mtu }) => mtu?.path ?? []));
  const shape = { family: 4, udpEncapsulation: false, ...AES_256_GCM_16 } as const;
  const fits = (['transport', 'tunnel'] as const).map((mode) => payloadMtu(least, { ...shape, mode }));
  const room = `packets of ${fits[0]} bytes fit through ESP in transport mode, of ${fits[1]} in a tunnel`;
  const links = own.map(({ name, mtu }) => `${name} has MTU ${mtu}`).join(', ');
  const narrower = routes.find(({ mtu }) => mtu !== undefined && mtu.path < mtu.link);
  if (narrower !== undefined) {
    return {
      ...base,
      state: 'doubtful',
      short: String(least),
      text: `${links}, but the way to ${narrower.remote} takes ${narrower.mtu?.path} only; ${room}`,
      remedy: 'give all links between nodes one MTU, or the interfaces that of the narrowest',
    };
  }
  if (least < NARROW_MTU) {
    return {
      ...base,
      state: 'doubtful',
      short,
      text: `${links}: ${room}, and IPv6 takes no less than 1280`,
      remedy: `give the interface an MTU of ${NARROW_MTU} or more`,
    };
  }
  return { ...base, state: 'ok', short, text: `${links}; ${room}` };
}

/** What proposals begin with unless a peering says otherwise. */
const FIRST_CHOICE = 'aes256gcm16';
const AES_256_GCM_16 = { encryption: 20, keyBits: 256, integrity: 0 } as const;
/** 1280 of IPv6 and what a tunnel in UDP adds. */
const NARROW_MTU = 1_380;
