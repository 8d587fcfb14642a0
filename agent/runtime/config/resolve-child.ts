import type { SaLifetime } from '../../dataplane/types.ts';
import { exemptSelectors } from '../../ike/child/exemptions.ts';
import { DEFAULT_LIMITS } from '../../ike/limits.ts';
import { outboundSelectors, trafficSelectors } from '../../ike/negotiation/selector.ts';
import type { ExemptionConfig, ProposalConfig, SelectorConfig } from '../../ike/types.ts';
import { type Cidr, type IpAddress, ipFamily, withoutZone, zoneOf } from '../../wire/ip-address.ts';
import type { PlannedChild } from './agent-config.ts';
import type { ConfigFault, FieldPath } from './fault.ts';
import { MAX_SELECTORS } from './limits.ts';
import { hasPorts, hostNetwork, networkText, protocolText } from './scalars.ts';
import type { ChildFields, SelectorFields } from './schema.ts';

/** Ports from and to, both included. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** Packets that a Child SA is for: between these networks, of this protocol, with these ports. */
export interface TrafficPair {
  readonly path: FieldPath;
  readonly local: Cidr;
  /** Undefined: the address of a peer that may be anywhere. */
  readonly remote: Cidr | undefined;
  readonly protocol: number;
  readonly localPorts: PortRange;
  readonly remotePorts: PortRange;
}

/** What a child takes from its peer. */
export interface ChildSurroundings {
  readonly localAddress: IpAddress;
  readonly remoteAddress: IpAddress | 'any';
  readonly enforcement: 'Required' | 'Permissive';
  readonly exempt: readonly ExemptionConfig[];
  readonly proposals: readonly ProposalConfig[];
  readonly lifetime: SaLifetime;
}

/** A child of the file as the core wants it, and its traffic for comparison with that of others. */
export function resolveChild(
  fields: ChildFields,
  path: FieldPath,
  around: ChildSurroundings,
  faults: ConfigFault[],
): { readonly child: PlannedChild; readonly pairs: readonly TrafficPair[] } {
  const selectors = fields.selectors ?? [{}];
  const named = selectors.some((selector) => selector.local !== undefined || selector.remote !== undefined);
  const mode = fields.mode ?? (named ? 'Tunnel' : 'Transport');
  const pairs = selectors.flatMap((selector, index) => {
    const selectorPath = fields.selectors === undefined ? path : [...path, 'selectors', index];
    checkSelector(selector, selectorPath, mode, around, faults);
    return trafficPairs(selector, selectorPath, around);
  });
  const local = distinct(selectors.flatMap((selector) => side(selector.local, selector.protocol, selector.localPorts)));
  const remote = distinct(selectors.flatMap((selector) => side(selector.remote, selector.protocol, selector.ports)));
  for (const [name, list] of Object.entries({ local, remote })) {
    if (list.length <= MAX_SELECTORS) continue;
    faults.push({ path, text: `has ${list.length} ${name} selectors; IKE peers consider at most ${MAX_SELECTORS}` });
  }
  checkProduct(pairs, path, faults);
  checkPolicies(local, remote, path, around, faults);
  const exempt = relevantExemptions(local, remote, path, around, faults);
  const child: PlannedChild = {
    name: fields.name,
    mode: mode === 'Tunnel' ? 'tunnel' : 'transport',
    local,
    remote,
    proposals: around.proposals,
    enforcement: fields.enforcement ?? around.enforcement,
    ...(exempt.length === 0 ? {} : { exempt }),
    replayWindow: REPLAY_WINDOW,
    lifetime: around.lifetime,
  };
  return { child, pairs };
}

function checkSelector(
  selector: SelectorFields,
  path: FieldPath,
  mode: 'Transport' | 'Tunnel',
  around: ChildSurroundings,
  faults: ConfigFault[],
): void {
  if (mode === 'Tunnel' && zoneOf(around.localAddress) !== undefined) {
    const text = 'a tunnel cannot end at a link-local address, since the kernel would not know by which interface';
    faults.push({ path, text: `${text}: use mode: Transport for the two addresses, or global addresses` });
  }
  for (const [side, address] of [
    ['local', around.localAddress],
    ['remote', around.remoteAddress],
  ] as const) {
    const network = selector[side];
    if (mode !== 'Transport' || network === undefined) continue;
    const own = address === 'any' ? 'the address of the peer' : withoutZone(address);
    if (networkText(network) === own) continue;
    faults.push({
      path: [...path, side],
      text: `transport mode protects only ${own} itself, not ${networkText(network)}: leave it out, or use mode: Tunnel`,
    });
  }
  for (const ports of ['ports', 'localPorts'] as const) {
    if (selector[ports] === undefined || hasPorts(selector.protocol ?? 0)) continue;
    const why = selector.protocol === undefined ? 'needs a protocol beside it' : 'the protocol has no ports';
    faults.push({ path: [...path, ports], text: `${why}: write protocol: TCP, UDP or SCTP` });
  }
  const local = selector.local ?? hostNetwork(around.localAddress);
  const remote = selector.remote ?? remoteNetwork(around);
  if (remote === undefined || ipFamily(local.address) === ipFamily(remote.address)) return;
  const origin = (left: unknown): string => (left === undefined ? ' (left out: the address itself)' : '');
  faults.push({
    path,
    text:
      `mixes families: local is ${networkText(local)}${origin(selector.local)}, ` +
      `remote is ${networkText(remote)}${origin(selector.remote)}`,
  });
}

function trafficPairs(selector: SelectorFields, path: FieldPath, around: ChildSurroundings): readonly TrafficPair[] {
  return (selector.localPorts ?? [ANY_PORT]).flatMap((localPorts) =>
    (selector.ports ?? [ANY_PORT]).map((remotePorts) => ({
      path,
      local: selector.local ?? hostNetwork(around.localAddress),
      remote: selector.remote ?? remoteNetwork(around),
      protocol: selector.protocol ?? 0,
      localPorts,
      remotePorts,
    })),
  );
}

/**
 * IKE negotiates a list for each side, and the kernel gets every local with every remote: what is listed must be just
 * that, or the Child SA would carry packets that nobody asked for.
 */
function checkProduct(pairs: readonly TrafficPair[], path: FieldPath, faults: ConfigFault[]): void {
  const protocols = new Set(pairs.map((pair) => pair.protocol));
  if (protocols.size > 1 && protocols.has(0)) {
    faults.push({ path, text: 'mixes selectors with and without protocol: put them into children of their own' });
    return;
  }
  const listed = new Set(pairs.map((pair) => `${localKey(pair)} ${remoteKey(pair)}`));
  for (const one of pairs) {
    for (const other of pairs) {
      if (one.protocol !== other.protocol || one.remote === undefined || other.remote === undefined) continue;
      if (ipFamily(one.local.address) !== ipFamily(other.remote.address)) continue;
      if (listed.has(`${localKey(one)} ${remoteKey(other)}`)) continue;
      faults.push({
        path,
        text:
          `lists ${sideText(one.local, one.localPorts, one.protocol)} and ` +
          `${sideText(other.remote, other.remotePorts, one.protocol)}, but not the two together, and a Child SA ` +
          'carries every local with every remote: put them into children of their own',
      });
      return;
    }
  }
}

/** A Child SA that the kernel cannot be told would be none at all: no policy, and no protection. */
function checkPolicies(
  local: readonly SelectorConfig[],
  remote: readonly SelectorConfig[],
  path: FieldPath,
  around: ChildSurroundings,
  faults: ConfigFault[],
): void {
  const { localAddress, remoteAddress } = around;
  // Of which address a peer from anywhere comes makes no difference to the number.
  const remoteSide = trafficSelectors(remote, remoteAddress === 'any' ? localAddress : remoteAddress);
  const selectors = outboundSelectors(trafficSelectors(local, localAddress), remoteSide, DEFAULT_LIMITS);
  if (selectors !== undefined || faults.some((fault) => path.every((part, index) => part === fault.path[index])))
    return;
  faults.push({
    path,
    text:
      `takes more than ${DEFAULT_LIMITS.policiesPerChild} kernel policies, which know port ranges only in aligned ` +
      'blocks: widen the ranges (8192 to 16383, say), or make several children',
  });
}

/** Those exemptions that concern the traffic; all of them where nobody knows yet where the peer is. */
function relevantExemptions(
  local: readonly SelectorConfig[],
  remote: readonly SelectorConfig[],
  path: FieldPath,
  { localAddress, remoteAddress, exempt }: ChildSurroundings,
  faults: ConfigFault[],
): readonly ExemptionConfig[] {
  if (exempt.length === 0 || remoteAddress === 'any') return exempt;
  const sides = [trafficSelectors(local, localAddress), trafficSelectors(remote, remoteAddress)] as const;
  const selectors = outboundSelectors(...sides, DEFAULT_LIMITS) ?? [];
  const most = DEFAULT_LIMITS.exemptSelectorsPerChild;
  const parts = exemptSelectors(selectors, exempt, most + 1);
  if (parts.length > most) {
    faults.push({
      path,
      text:
        `exempts what takes more than ${most} kernel selectors, which know port ranges only in aligned blocks: ` +
        'widen the ranges (8192 to 16383, say), or leave some out',
    });
  }
  const relevant = new Set(parts.map(({ exemption }) => exemption));
  return exempt.filter((each) => relevant.has(each));
}

function side(
  network: Cidr | undefined,
  protocol: number | undefined,
  ports: readonly PortRange[] | undefined,
): readonly SelectorConfig[] {
  const prefix = network && { address: network.address, length: network.prefixLength };
  return (ports ?? [ANY_PORT]).map((range) => ({
    ...(prefix === undefined ? {} : { prefix }),
    protocol: protocol ?? 0,
    fromPort: range.from,
    toPort: range.to,
  }));
}

function distinct(selectors: readonly SelectorConfig[]): readonly SelectorConfig[] {
  return [...new Map(selectors.map((selector) => [JSON.stringify(selector), selector])).values()];
}

function remoteNetwork(around: ChildSurroundings): Cidr | undefined {
  return around.remoteAddress === 'any' ? undefined : hostNetwork(around.remoteAddress);
}

function localKey(pair: TrafficPair): string {
  return `${networkText(pair.local)} ${pair.localPorts.from}-${pair.localPorts.to} ${pair.protocol}`;
}

function remoteKey(pair: TrafficPair): string {
  const remote = pair.remote === undefined ? 'any' : networkText(pair.remote);
  return `${remote} ${pair.remotePorts.from}-${pair.remotePorts.to} ${pair.protocol}`;
}

/** `10.1.0.0/24[TCP/443]` */
export function sideText(network: Cidr | undefined, ports: PortRange, protocol: number): string {
  const text = network === undefined ? 'any' : networkText(network);
  if (protocol === 0) return text;
  const portText = ports.from === ports.to ? `/${ports.from}` : `/${ports.from}-${ports.to}`;
  return `${text}[${protocolText(protocol)}${ports.from === 0 && ports.to === MAX_PORT ? '' : portText}]`;
}

const MAX_PORT = 65_535;
const ANY_PORT: PortRange = { from: 0, to: MAX_PORT };
/** Packets: at 10 Gbit/s of full frames reordering over a few milliseconds stays within it. */
const REPLAY_WINDOW = 1_024;
