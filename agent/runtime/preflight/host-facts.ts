import { readFileSync } from 'node:fs';
import { networkInterfaces, release } from 'node:os';

import type { KernelRefusal } from '../../dataplane/execute.ts';
import { PathMtus } from '../../dataplane/route/path-mtus.ts';
import { type KernelSurvey, surveyKernel } from '../../dataplane/xfrm/kernel-survey.ts';
import type { Result } from '../../result.ts';
import { type IpAddress, ipFamily } from '../../wire/ip-address.ts';
import { fetchReadiness } from '../status/readiness-client.ts';
import { type UdpPlace, udpPlaces } from './udp-places.ts';

/** What a host is, as far as IPsec cares. */
export interface HostFacts {
  readonly kernel: string;
  readonly survey: Result<KernelSurvey, KernelRefusal>;
  /** Where somebody listens at the ports of IKE; undefined where the kernel does not say. */
  readonly ikePlaces: readonly UdpPlace[] | undefined;
  readonly isAgentRunning: boolean;
  readonly interfaces: readonly HostInterface[];
  /** The node's own addresses that were asked about. */
  readonly addresses: readonly IpAddress[];
  readonly routes: readonly RouteFact[];
  /** Names of sysctls that take IPsec away, such as `net.ipv4.conf.all.disable_xfrm`, and are set. */
  readonly disabled: readonly string[];
}

export interface HostInterface {
  readonly name: string;
  readonly mtu: number;
  readonly addresses: readonly string[];
}

/** The way to an address; `mtu` is undefined where there is none. */
export interface RouteFact {
  readonly local: IpAddress;
  readonly remote: IpAddress;
  readonly mtu: { readonly link: number; readonly path: number } | undefined;
}

/** What is asked about a host. */
export interface HostQuestions {
  /** Addresses that peers are to reach it at. */
  readonly addresses: readonly IpAddress[];
  /** Addresses of peers. */
  readonly towards: readonly IpAddress[];
  /** Of the status of an agent that may run here. */
  readonly socket: string;
}

/** Looks at this host. Nothing is changed but for SAs that nobody uses, and that are gone again. */
export async function hostFacts({ addresses, towards, socket }: HostQuestions): Promise<HostFacts> {
  const answer = await fetchReadiness(socket);
  const interfaces = hostInterfaces();
  return {
    kernel: release(),
    survey: surveyKernel(),
    ikePlaces: ikePlaces(),
    isAgentRunning: answer.ok,
    interfaces,
    addresses,
    routes: routesBetween(addresses, towards),
    disabled: disabledAt(interfaces, addresses),
  };
}

function hostInterfaces(): readonly HostInterface[] {
  return Object.entries(networkInterfaces())
    .slice(0, MAX_INTERFACES)
    .map(([name, list = []]) => ({
      name,
      mtu: Number(read(`/sys/class/net/${name}/mtu`) ?? 0),
      addresses: list.slice(0, MAX_ADDRESSES).map(({ address }) => address),
    }));
}

function ikePlaces(): readonly UdpPlace[] | undefined {
  const tables = (['udp', 'udp6'] as const).map((name) => read(`/proc/net/${name}`));
  // A kernel without IPv6 has no table of it.
  if (tables[0] === undefined) return undefined;
  return tables.flatMap((table) => udpPlaces(table ?? '')).filter(({ port }) => port === 500 || port === 4500);
}

function routesBetween(addresses: readonly IpAddress[], towards: readonly IpAddress[]): readonly RouteFact[] {
  const opened = PathMtus.open();
  if (!opened.ok) return [];
  const routes = towards.flatMap((remote) => {
    const local = addresses.find((address) => ipFamily(address) === ipFamily(remote));
    return local === undefined ? [] : [{ local, remote, mtu: opened.value.between(local, remote) }];
  });
  opened.value.close();
  return routes;
}

/** Of an interface its own setting counts, and that of all. */
function disabledAt(interfaces: readonly HostInterface[], addresses: readonly IpAddress[]): readonly string[] {
  const concerned = interfaces.filter((each) => addresses.some((address) => each.addresses.includes(address)));
  const names = ['all', ...concerned.map(({ name }) => name)];
  return names.flatMap((name) => {
    const settings = ['ipv4/conf/X/disable_xfrm', 'ipv4/conf/X/disable_policy', 'ipv6/conf/X/disable_policy'];
    const set = settings.filter((each) => read(`/proc/sys/net/${each.replace('X', name)}`) === '1');
    return set.map((each) => `net.${each.replaceAll('/', '.').replace('X', name)}`);
  });
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1').trim();
  } catch {
    return undefined;
  }
}

/** Nodes have an interface for each pod. */
const MAX_INTERFACES = 1_024;
const MAX_ADDRESSES = 16;
