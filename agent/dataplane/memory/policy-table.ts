import { type IpAddress, ipFamily } from '../../wire/ip-address.ts';
import { directionNumber } from '../ownership.ts';
import { policyKeyText } from '../texts.ts';
import type { PolicyDirection, PolicyKey, PolicySpec, Selector } from '../types.ts';
import { type CompiledSelector, compileSelector, type Flow, type PlainPacket, selectorMatches } from './packet.ts';

/** A policy in the table. */
export interface TablePolicy {
  readonly spec: PolicySpec;
  readonly index: number;
  readonly selector: CompiledSelector;
  /** The list that it stands in. */
  readonly chain: TablePolicy[];
  /** Age among policies of equal priority: the lower is the older. */
  readonly position: number;
}

/**
 * The security policy database: which policy a packet meets. The lowest priority wins; among equals the oldest, where
 * a replacement counts as new, except among the policies of its own chain, where it keeps its place if the priority
 * stays (net/xfrm/xfrm_policy.c; measured). Do not build on that last rule.
 */
export class PolicyTable {
  readonly #byKey = new Map<string, TablePolicy>();
  readonly #indexes = new Set<number>();
  readonly #chains: Readonly<Record<PolicyDirection, Chains>> = { in: noChains(), out: noChains(), fwd: noChains() };
  /** What packets have met since the last change of a direction's policies. */
  readonly #met: Readonly<Record<PolicyDirection, Map<PlainPacket, TablePolicy | undefined>>> = {
    in: new Map(),
    out: new Map(),
    fwd: new Map(),
  };
  #asked: { readonly key: PolicyKey; readonly text: string } | undefined;
  #nextPosition = 0;
  #nextIndex = 8;

  get size(): number {
    return this.#byKey.size;
  }

  all(): readonly TablePolicy[] {
    return [...this.#byKey.values()];
  }

  find(key: PolicyKey): TablePolicy | undefined {
    return this.#byKey.get(this.#textOf(key));
  }

  /**
   * UPDPOLICY: a policy of the same key is replaced and hands on its index; an index that another policy has, or 0, is
   * replaced by one made up here.
   */
  put(spec: PolicySpec): TablePolicy {
    const key = this.#textOf(spec);
    const replaced = this.#byKey.get(key);
    const chain = replaced?.chain ?? chainOf(this.#chains[spec.direction], spec.selector);
    const policy: TablePolicy = {
      spec,
      index: replaced?.index ?? this.#freeIndex(spec.index, spec.direction),
      selector: replaced?.selector ?? compileSelector(spec.selector),
      chain,
      position: this.#nextPosition++,
    };
    if (replaced !== undefined && replaced.spec.priority === spec.priority) chain[chain.indexOf(replaced)] = policy;
    else {
      chain.splice(placeBehindEquals(chain, spec.priority), 0, policy);
      if (replaced !== undefined) chain.splice(chain.indexOf(replaced), 1);
    }
    this.#byKey.set(key, policy);
    this.#indexes.add(policy.index);
    this.#forgetMet(spec.direction);
    return policy;
  }

  /** DELPOLICY; false if there is none. */
  delete(key: PolicyKey): boolean {
    const policy = this.find(key);
    if (policy === undefined) return false;
    const { chain } = policy;
    chain.splice(chain.indexOf(policy), 1);
    if (chain.length === 0) forgetChain(this.#chains[key.direction], key.selector);
    this.#indexes.delete(policy.index);
    this.#forgetMet(key.direction);
    return this.#byKey.delete(this.#textOf(key));
  }

  /** The policy that decides about a packet in a direction. */
  lookup(direction: PolicyDirection, flow: Flow): TablePolicy | undefined {
    const met = this.#met[direction];
    const known = met.get(flow.packet);
    if (known !== undefined || met.has(flow.packet)) return known;
    const found = this.#find(direction, flow);
    if (met.size >= MAX_REMEMBERED) met.clear();
    met.set(flow.packet, found);
    return found;
  }

  #find(direction: PolicyDirection, flow: Flow): TablePolicy | undefined {
    const { hosts, wide } = this.#chains[direction];
    const { source, destination } = flow.packet;
    let best = firstMatch(hosts.get(source)?.get(destination), flow);
    for (const chain of wide[ipFamily(source)]) {
      const found = firstMatch(chain, flow);
      if (found !== undefined && (best === undefined || precedes(found, best))) best = found;
    }
    return best;
  }

  /** A Map that is cleared makes itself anew, also where it is empty. */
  #forgetMet(direction: PolicyDirection): void {
    const met = this.#met[direction];
    if (met.size > 0) met.clear();
  }

  /** A command asks several times in a row with the same key. */
  #textOf(key: PolicyKey): string {
    if (this.#asked?.key !== key) this.#asked = { key, text: policyKeyText(key) };
    return this.#asked.text;
  }

  #freeIndex(wanted: number, direction: PolicyDirection): number {
    if (wanted !== 0 && !this.#indexes.has(wanted)) return wanted;
    let index: number;
    do {
      index = this.#nextIndex + directionNumber(direction);
      this.#nextIndex += 8;
    } while (this.#indexes.has(index));
    return index;
  }
}

function matches(policy: TablePolicy, flow: Flow): boolean {
  const { mark, ifId } = policy.spec;
  if ((ifId ?? 0) !== 0) return false;
  if (mark !== undefined && ((flow.packet.mark ?? 0) & mark.mask) !== mark.value) return false;
  return selectorMatches(policy.selector, flow);
}

function precedes(a: TablePolicy, b: TablePolicy): boolean {
  return a.spec.priority < b.spec.priority || (a.spec.priority === b.spec.priority && a.position < b.position);
}

function placeBehindEquals(chain: readonly TablePolicy[], priority: number): number {
  const place = chain.findIndex((policy) => policy.spec.priority > priority);
  return place === -1 ? chain.length : place;
}

/** Policies between two hosts are hashed; the others fall in four chains by which prefixes are too short for a tree. */
interface Chains {
  readonly hosts: Map<IpAddress, Map<IpAddress, TablePolicy[]>>;
  readonly wide: Readonly<Record<4 | 6, readonly TablePolicy[][]>>;
}

function noChains(): Chains {
  return { hosts: new Map(), wide: { 4: [[], [], [], []], 6: [[], [], [], []] } };
}

/** The list that policies with a selector stand in. */
function chainOf({ hosts, wide }: Chains, { source, destination }: Selector): TablePolicy[] {
  const family = ipFamily(source.address);
  const bits = family === 4 ? 32 : 128;
  if (source.length !== bits || destination.length !== bits) {
    const shortest = family === 4 ? 16 : 48;
    const kind = (source.length < shortest ? 2 : 0) + (destination.length < shortest ? 1 : 0);
    return wide[family][kind] as TablePolicy[];
  }
  const bySource = hosts.get(source.address) ?? new Map<IpAddress, TablePolicy[]>();
  const chain = bySource.get(destination.address) ?? [];
  hosts.set(source.address, bySource.set(destination.address, chain));
  return chain;
}

/** Lets go of the list of two hosts; the wide ones are few, and stay. */
function forgetChain({ hosts }: Chains, { source, destination }: Selector): void {
  const bySource = hosts.get(source.address);
  bySource?.delete(destination.address);
  if (bySource?.size === 0) hosts.delete(source.address);
}

function firstMatch(chain: readonly TablePolicy[] | undefined, flow: Flow): TablePolicy | undefined {
  if (chain === undefined) return undefined;
  for (const policy of chain) if (matches(policy, flow)) return policy;
  return undefined;
}

/** Flows of a host in a simulation are fewer; packets that come but once do not stay for ever. */
const MAX_REMEMBERED = 512;
