import { ownIndex } from '../dataplane/ownership.ts';
import type { DataplaneCommand, PolicyDirection, PolicySpec, PolicyTemplate, Selector } from '../dataplane/types.ts';
import type { IpAddress } from '../wire/ip-address.ts';
import type { ChildSa } from './child-sa.ts';
import type { Limits } from './limits.ts';
import { outboundSelectors, reversed, trafficSelectors } from './selector.ts';
import type { ChildConfig, ConnectionConfig } from './types.ts';

/** The policies of one connection as they were last ordered, by their key in the kernel. */
export type OrderedPolicies = Map<string, PolicySpec>;

/** Hands out policy indexes; one for the whole endpoint, because the kernel wants them unique in a direction. */
export interface PolicyIndexes {
  next: number;
}

/**
 * The commands that bring the kernel from `ordered` to what the connection needs now: a policy for each configured
 * selector, whether there is an SA or not, and for each selector that a current Child SA agreed on, out policies pinned
 * to its SPI. New and changed policies come first, then what nobody needs goes, so that no protected selector is ever
 * without its policy. `ordered` is brought up to date. With `everything`, unchanged policies are ordered again too.
 */
export function policyCommands(
  connection: ConnectionConfig,
  children: readonly ChildSa[],
  ordered: OrderedPolicies,
  indexes: PolicyIndexes,
  limits: Limits,
  everything: boolean,
): readonly DataplaneCommand[] {
  const needed = neededPolicies(connection, children, limits);
  const commands: DataplaneCommand[] = [];
  for (const [key, draft] of needed) {
    const present = ordered.get(key);
    if (present !== undefined && !everything && sameDemand(present, draft)) continue;
    const policy = { ...draft, index: present?.index ?? ownIndex(indexes.next, draft.direction) };
    if (present === undefined) indexes.next += 1;
    ordered.set(key, policy);
    commands.push({ kind: 'putPolicy', policy });
  }
  for (const [key, policy] of ordered) {
    if (needed.has(key)) continue;
    ordered.delete(key);
    commands.push({
      kind: 'deletePolicy',
      key: { direction: policy.direction, selector: policy.selector },
      index: policy.index,
    });
  }
  return commands;
}

/** Names a policy as the kernel does, by direction and selector. */
export function policyKeyText(direction: PolicyDirection, selector: Selector): string {
  const { source, destination, sourcePort, destinationPort } = selector;
  return (
    `${direction} ${source.address}/${source.length} ${destination.address}/${destination.length} ${selector.protocol}` +
    ` ${sourcePort.value}/${sourcePort.mask} ${destinationPort.value}/${destinationPort.mask}`
  );
}

type Draft = Omit<PolicySpec, 'index'>;

/** Later entries replace earlier ones with the same key: an SA's policy that of its configuration. */
function neededPolicies(
  connection: ConnectionConfig,
  children: readonly ChildSa[],
  limits: Limits,
): ReadonlyMap<string, Draft> {
  const needed = new Map<string, Draft>();
  if (connection.remoteAddress !== 'any') {
    for (const config of connection.children) {
      const selectors = configuredSelectors(connection, config, connection.remoteAddress, limits);
      addPolicies(needed, selectors, config, config.mode, connection.localAddress, connection.remoteAddress, 0);
    }
  }
  for (const child of children) {
    if (child.usage !== 'current') continue;
    const selectors = outboundSelectors(child.localSelectors, child.remoteSelectors, limits) ?? [];
    addPolicies(
      needed,
      selectors,
      child.config,
      child.mode,
      child.localAddress,
      child.remoteAddress,
      child.outboundSpi,
    );
  }
  return needed;
}

function configuredSelectors(
  connection: ConnectionConfig,
  config: ChildConfig,
  remoteAddress: IpAddress,
  limits: Limits,
): readonly Selector[] {
  const local = trafficSelectors(config.local, connection.localAddress);
  const remote = trafficSelectors(config.remote, remoteAddress);
  return outboundSelectors(local, remote, limits) ?? [];
}

/** Out policies carry the pin; in and fwd never do, so that old and new SAs are received on side by side. */
function addPolicies(
  needed: Map<string, Draft>,
  selectors: readonly Selector[],
  config: ChildConfig,
  mode: ChildConfig['mode'],
  local: IpAddress,
  remote: IpAddress,
  outboundSpi: number,
): void {
  const level: PolicyTemplate['level'] = config.enforcement === 'Required' ? 'required' : 'optional';
  const tunnel = mode === 'tunnel';
  for (const outbound of selectors) {
    const inbound = reversed(outbound);
    const out = template(config, mode, tunnel ? { source: local, destination: remote } : undefined, outboundSpi, level);
    const back = template(config, mode, tunnel ? { source: remote, destination: local } : undefined, 0, level);
    add(needed, 'out', outbound, out);
    add(needed, 'in', inbound, back);
    if (tunnel) add(needed, 'fwd', inbound, back);
  }
}

function template(
  config: ChildConfig,
  mode: ChildConfig['mode'],
  endpoints: { readonly source: IpAddress; readonly destination: IpAddress } | undefined,
  spi: number,
  level: PolicyTemplate['level'],
): PolicyTemplate {
  return { mode, ...endpoints, reqid: config.reqid, spi, level };
}

function add(
  needed: Map<string, Draft>,
  direction: PolicyDirection,
  selector: Selector,
  policyTemplate: PolicyTemplate,
): void {
  needed.set(policyKeyText(direction, selector), {
    direction,
    selector,
    priority: priorityOf(selector),
    action: 'allow',
    template: policyTemplate,
  });
}

/** Narrower selectors win: by prefix lengths first, then by protocol and ports. */
function priorityOf(selector: Selector): number {
  const prefixes = selector.source.length + selector.destination.length;
  const protocol = selector.protocol === 0 ? 0 : 1;
  const ports = bitCount(selector.sourcePort.mask) + bitCount(selector.destinationPort.mask);
  return PRIORITY_BASE - (prefixes * PREFIX_WEIGHT + protocol * PROTOCOL_WEIGHT + ports);
}

function bitCount(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}

function sameDemand(present: PolicySpec, draft: Draft): boolean {
  const before = present.template;
  const after = draft.template;
  return (
    present.action === draft.action &&
    present.priority === draft.priority &&
    before?.spi === after?.spi &&
    before?.reqid === after?.reqid &&
    before?.mode === after?.mode &&
    before?.level === after?.level &&
    before?.source === after?.source &&
    before?.destination === after?.destination
  );
}

/** Behind the bypasses of IKE itself (priority below 10,000) and before the kernel's usual daemons (strongSwan: 367,000 up). */
const PRIORITY_BASE = 200_000;
const PREFIX_WEIGHT = 128;
const PROTOCOL_WEIGHT = 64;
