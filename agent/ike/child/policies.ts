import { ownIndex } from '../../dataplane/ownership.ts';
import type { DataplaneCommand, PolicySpec, PolicyTemplate } from '../../dataplane/types.ts';
import { type IpAddress, ipFamily } from '../../wire/ip-address.ts';
import { isConfigured } from '../connection/configured.ts';
import type { Limits } from '../limits.ts';
import { configuredTraffic, liesWithin, offeredPart, type Traffic } from '../negotiation/traffic.ts';
import type { ChildConfig, ConnectionConfig } from '../types.ts';
import type { ChildSa } from './child-sa.ts';
import { type ExemptPlace, exemptPlacesOf, isExempt, type Place, placesOf } from './policy-places.ts';

/** The policies of one connection as they were last ordered, by their key in the kernel. */
export type OrderedPolicies = Map<string, PolicySpec>;

/** Hands out policy indexes; one for the whole endpoint, because the kernel wants them unique in a direction. */
export interface PolicyIndexes {
  next: number;
}

/** Whose policies are needed: a connection, and the peer's address where it is known. */
export interface PolicyOwner {
  readonly config: ConnectionConfig;
  /** Undefined for a peer of any address that has not been heard of yet. */
  readonly remoteAddress: IpAddress | undefined;
  /** Tunnels that are configured no more, and received on still. */
  readonly departing?: readonly ChildConfig[];
}

/**
 * The commands that bring the kernel from `ordered` to what the connection needs now: a policy for each configured
 * selector, whether there is an SA or not, and for each selector that a current Child SA agreed on, out policies pinned
 * to its SPI. Only between the hosts themselves the peer's address must be known for that. New and changed policies come
 * first, what is exempt before what would block it; then what nobody needs goes, what is exempt last, so that no protected
 * selector is ever without its policy, and no exempt one under that of the others. `pins` are SPIs, by reqid, for Children
 * without a current pair. `ordered` is brought up to date. With `everything`, unchanged policies are ordered again too.
 * What is not configured, and only there for as long as an SA is, leaves the places to others that are `taken`.
 */
export function policyCommands(
  owner: PolicyOwner,
  children: readonly ChildSa[],
  ordered: OrderedPolicies,
  indexes: PolicyIndexes,
  limits: Limits,
  everything: boolean,
  pins: ReadonlyMap<number, number> = NO_PINS,
  isTaken: (key: string) => boolean = NOBODY,
): readonly DataplaneCommand[] {
  const needed = neededPolicies(owner, children, pins, limits, isTaken);
  const commands: DataplaneCommand[] = [];
  for (const [key, { place, demand: unpinned }] of needed) {
    const present = ordered.get(key);
    const { direction, selector, priority } = place;
    const demand = direction === 'out' ? keepingPin(unpinned, present) : unpinned;
    if (present !== undefined && !everything && isMet(demand, place, present)) continue;
    const index = present?.index ?? ownIndex(indexes.next, direction);
    const policy: PolicySpec = { direction, selector, priority, index, ...demand };
    if (present === undefined) indexes.next += 1;
    ordered.set(key, policy);
    commands.push({ kind: 'putPolicy', policy });
  }
  // Everything needed is ordered by now: where that is all, nothing is unneeded.
  if (ordered.size === needed.size) return commands;
  const unneeded = [...ordered].filter(([key]) => !needed.has(key));
  for (const [key, { direction, selector, index }] of unneeded.sort(([, one], [, two]) => exemptLast(one, two))) {
    ordered.delete(key);
    commands.push({ kind: 'deletePolicy', key: { direction, selector }, index });
  }
  return [...commands, ...refreshing(ordered, unneeded)];
}

/**
 * A socket that has sent in plaintext goes on with the route that it found then, whatever policy is deleted (measured); a
 * policy that is put has all sockets of its family look again.
 */
function refreshing(
  ordered: OrderedPolicies,
  removed: readonly (readonly [string, PolicySpec])[],
): readonly DataplaneCommand[] {
  const ended = removed.filter(([, policy]) => policy.direction === 'out' && isExempt(policy));
  const families = new Set(ended.map(([, { selector }]) => ipFamily(selector.source.address)));
  return [...families].flatMap((family): readonly DataplaneCommand[] => {
    const policy = [...ordered.values()].find(
      ({ direction, selector }) => direction === 'out' && ipFamily(selector.source.address) === family,
    );
    return policy === undefined ? [] : [{ kind: 'putPolicy', policy }];
  });
}

function exemptLast(one: PolicySpec, two: PolicySpec): number {
  return Number(isExempt(one)) - Number(isExempt(two));
}

/**
 * A pin gives way to another one only. Without any the kernel would choose among all SAs of the Child that it still has:
 * those that wait for their time, and those that the peer may have given up. One that is pinned to an SA that is gone
 * blocks, and raises an ACQUIRE, just as well.
 */
function keepingPin(demand: Demand, present: PolicySpec | undefined): Demand {
  const pin = present?.template?.spi ?? 0;
  if (pin === 0 || demand.template?.spi !== 0) return demand;
  return { ...demand, template: { ...demand.template, spi: pin } };
}

/** The kernel's names of the policies that a connection wants without any SA. */
export function configuredPolicyKeys(owner: PolicyOwner, limits: Limits): ReadonlySet<string> {
  return new Set(neededPolicies(owner, [], NO_PINS, limits, NOBODY).keys());
}

/** The kernel's names of the policies for traffic that an SA protects, and of what is exempt of it. */
export function policyKeys({ traffic, mode, config }: ChildSa, limits: Limits): readonly string[] {
  return [...exemptPlacesOf(traffic, { ...config, mode }, limits), ...placesOf(traffic, mode)].map(({ key }) => key);
}

/** Where the policies of what is exempt of a Child stand; none before it is known where a peer of any address is. */
export function exemptPlaces(
  config: ChildConfig,
  local: IpAddress,
  remote: IpAddress | undefined,
  limits: Limits,
): readonly ExemptPlace[] {
  if (config.exempt === undefined || (remote === undefined && !namesRemote(config))) return [];
  return exemptPlacesOf(configuredTraffic(config, local, remote ?? local, limits), config, limits);
}

/** A policy that is needed. */
interface Draft {
  readonly place: Place;
  readonly demand: Demand;
}

/**
 * Policies of current Child SAs, then those of the configuration, for what no Child SA covers. Where there is a Child SA
 * that a peer has narrowed, the rest of the configured selectors must not slip into it: it is blocked, or passes in
 * plaintext where that is allowed.
 */
function neededPolicies(
  { config: connection, remoteAddress, departing = [] }: PolicyOwner,
  children: readonly ChildSa[],
  pins: ReadonlyMap<number, number>,
  limits: Limits,
  isTaken: (key: string) => boolean,
): ReadonlyMap<string, Draft> {
  const needed = new Map<string, Draft>();
  const exempt = new Map<string, Draft>();
  for (const child of children) {
    if (child.usage !== 'current') continue;
    const { config, mode, traffic } = child;
    const leavesTo = isConfigured(connection, child) ? NOBODY : isTaken;
    addPolicies(needed, placesOf(traffic, mode), pinnedTo(child), leavesTo);
    addExemptions(exempt, traffic, { ...config, mode }, child.localAddress, limits, leavesTo);
  }
  const { localAddress } = connection;
  for (const config of connection.children) {
    if (remoteAddress === undefined && !namesRemote(config)) continue;
    // Where networks are named the peer's address makes no difference.
    const wholly = configuredTraffic(config, localAddress, remoteAddress ?? localAddress, limits);
    const child = children.find((each) => each.usage === 'current' && each.config.name === config.name);
    const isNarrowed = child !== undefined && isConfigured(connection, child);
    if (isNarrowed && isGranted(wholly, child.traffic)) continue;
    const pin = pins.get(config.reqid) ?? 0;
    const wanted = templates(config, config.mode, localAddress, remoteAddress, pin);
    const places = placesOf(wholly, config.mode);
    if (child === undefined) addPolicies(needed, places, wanted);
    else if (isNarrowed) addPolicies(needed, places, withoutSa(config));
    else {
      addPolicies(needed, placesOf(inCommon(wholly, child, limits), child.mode), pinnedTo(child));
      // What the successor is for in addition will be received on it; until then an SA of the same reqid would do to send on.
      addPolicies(needed, places, { out: withoutSa(config).out, back: wanted.back });
    }
    addExemptions(exempt, wholly, config, localAddress, limits);
  }
  for (const config of departing) {
    if (remoteAddress === undefined && !namesRemote(config)) continue;
    const wholly = configuredTraffic(config, localAddress, remoteAddress ?? localAddress, limits);
    const back = placesOf(wholly, config.mode).filter(({ direction }) => direction !== 'out');
    const asked = { ...config, inboundEnforcement: 'Permissive' } as const;
    addPolicies(needed, back, templates(asked, config.mode, localAddress, remoteAddress, 0), isTaken);
  }
  return exempt.size === 0 ? needed : withExemptions(needed, exempt);
}

/** Exemptions first; where one has the very selector of a Child, whichever takes precedence. */
function withExemptions(
  needed: ReadonlyMap<string, Draft>,
  exempt: ReadonlyMap<string, Draft>,
): ReadonlyMap<string, Draft> {
  const all = new Map(exempt);
  for (const [key, draft] of needed) {
    const other = exempt.get(key);
    if (other === undefined || draft.place.priority < other.place.priority) all.set(key, draft);
  }
  return all;
}

/** Whether it is known what traffic a Child is for, wherever the peer is. */
function namesRemote({ remote }: ChildConfig): boolean {
  return remote.every(({ prefix }) => prefix !== undefined);
}

/** What a pair that was made for other traffic and what is configured now have in common; its policies come before those of either. */
function inCommon(wholly: Traffic, { traffic }: ChildSa, limits: Limits): Traffic {
  return offeredPart(wholly, traffic.localSelectors, traffic.remoteSelectors, limits);
}

/** Whether a peer has granted what was asked for, narrowed in nothing. */
function isGranted(asked: Traffic, agreed: Traffic): boolean {
  return asked === agreed || liesWithin(asked, agreed.localSelectors, agreed.remoteSelectors);
}

/** What is demanded of packets on the way out, and of those that come in or are forwarded. */
interface Demands {
  readonly out: Demand;
  readonly back: Demand;
}

type Demand = Pick<PolicySpec, 'action' | 'template'>;

/** Out policies carry the pin; in and fwd never do, so that old and new SAs are received on side by side. */
function templates(
  config: ChildConfig,
  mode: ChildConfig['mode'],
  local: IpAddress,
  remote: IpAddress | undefined,
  outboundSpi: number,
): Demands {
  const tunnel = mode === 'tunnel';
  const level = levelOf(config.enforcement);
  // A NAT may give the peer another address while its packets are under way: whose an SA is tells the reqid.
  const backLevel = levelOf(inboundEnforcement(config));
  const back = template(config, mode, tunnel ? { destination: local } : undefined, 0, backLevel);
  const demands = { back: { action: 'allow', template: back } } as const;
  // Nobody knows where a tunnel would go to: it is the peer that calls.
  if (tunnel && remote === undefined) return { ...demands, out: withoutSa(config).out };
  // Kernels from 6.4 on refuse an optional tunnel on the way out: it is required while there is an SA, else not asked for.
  if (tunnel && level === 'optional' && outboundSpi === 0) return { ...demands, out: { action: 'allow' } };
  const outLevel = tunnel ? 'required' : level;
  // Unpinned, an SA would be sent on as soon as it is there, which may be before the peer has its half.
  const pin = outboundSpi === 0 && level === 'optional' ? NO_SA : outboundSpi;
  const out = template(
    config,
    mode,
    tunnel && remote !== undefined ? { source: local, destination: remote } : undefined,
    pin,
    outLevel,
  );
  return { ...demands, out: { action: 'allow', template: out } };
}

function pinnedTo({ config, mode, localAddress, remoteAddress, outboundSpi }: ChildSa): Demands {
  return templates(config, mode, localAddress, remoteAddress, outboundSpi);
}

function withoutSa(config: ChildConfig): Demands {
  const demand = (level: ChildConfig['enforcement']): Demand => ({ action: level === 'Required' ? 'block' : 'allow' });
  return { out: demand(config.enforcement), back: demand(inboundEnforcement(config)) };
}

function inboundEnforcement(config: ChildConfig): ChildConfig['enforcement'] {
  return config.inboundEnforcement ?? config.enforcement;
}

function levelOf(enforcement: ChildConfig['enforcement']): PolicyTemplate['level'] {
  return enforcement === 'Required' ? 'required' : 'optional';
}

/** The first to ask for a place has it. */
function addPolicies(
  needed: Map<string, Draft>,
  places: readonly Place[],
  wanted: Demands,
  leavesTo: (key: string) => boolean = NOBODY,
): void {
  for (const place of places) {
    const demand = place.direction === 'out' ? wanted.out : wanted.back;
    if (!needed.has(place.key) && !leavesTo(place.key)) needed.set(place.key, { place, demand });
  }
}

/**
 * What is exempt of a Child's traffic passes as it is on the way out. On the way in it may be encrypted as well, for as
 * long as the peer does not know: a policy without a template would refuse what comes out of a tunnel.
 */
function addExemptions(
  exempt: Map<string, Draft>,
  traffic: Traffic,
  config: ChildConfig,
  local: IpAddress,
  limits: Limits,
  leavesTo: (key: string) => boolean = NOBODY,
): void {
  if (config.exempt === undefined) return;
  const outer = config.mode === 'tunnel' ? { destination: local } : undefined;
  const back: Demand = { action: 'allow', template: template(config, config.mode, outer, 0, 'optional') };
  for (const place of exemptPlacesOf(traffic, config, limits)) {
    const present = exempt.get(place.key);
    if (leavesTo(place.key) || (present !== undefined && present.place.priority <= place.priority)) continue;
    exempt.set(place.key, { place, demand: place.direction === 'out' ? AS_IT_IS : back });
  }
}

function template(
  config: ChildConfig,
  mode: ChildConfig['mode'],
  endpoints: Pick<PolicyTemplate, 'source' | 'destination'> | undefined,
  spi: number,
  level: PolicyTemplate['level'],
): PolicyTemplate {
  return { mode, ...endpoints, reqid: config.reqid, spi, level };
}

/** Whether the policy that was ordered before does what is asked for. */
function isMet(demand: Demand, { priority }: Place, present: PolicySpec): boolean {
  const before = present.template;
  const after = demand.template;
  return (
    present.action === demand.action &&
    present.priority === priority &&
    before?.spi === after?.spi &&
    before?.reqid === after?.reqid &&
    before?.mode === after?.mode &&
    before?.level === after?.level &&
    before?.source === after?.source &&
    before?.destination === after?.destination
  );
}

/** An SPI that no SA ever has: RFC 4303 §2.1 reserves 1 to 255. Its template still raises an ACQUIRE. */
const NO_SA = 1;
const NO_PINS: ReadonlyMap<number, number> = new Map();
const NOBODY = (): boolean => false;
const AS_IT_IS: Demand = { action: 'allow' };
