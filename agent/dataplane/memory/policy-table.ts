import { ipFamily } from '../../wire/ip-address.ts';
import { directionNumber } from '../ownership.ts';
import { policyKeyText } from '../texts.ts';
import type { PolicyDirection, PolicyKey, PolicySpec, Selector } from '../types.ts';
import { type CompiledSelector, compileSelector, type Flow, selectorMatches } from './packet.ts';

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
  readonly #chains = new Map<string, TablePolicy[]>();
  #nextPosition = 0;
  #nextIndex = 8;

  get size(): number {
    return this.#byKey.size;
  }

  all(): readonly TablePolicy[] {
    return [...this.#byKey.values()];
  }

  find(key: PolicyKey): TablePolicy | undefined {
    return this.#byKey.get(policyKeyText(key));
  }

  /**
   * UPDPOLICY: a policy of the same key is replaced and hands on its index; an index that another policy has, or 0, is
   * replaced by one made up here.
   */
  put(spec: PolicySpec): TablePolicy {
    const key = policyKeyText(spec);
    const replaced = this.#byKey.get(key);
    const chain = replaced?.chain ?? this.#chain(spec.direction, spec.selector);
    const policy: TablePolicy = {
      spec,
      index: replaced?.index ?? this.#freeIndex(spec.index, spec.direction),
      selector: replaced?.selector ?? compileSelector(spec.selector),
      chain,
      position: this.#nextPosition++,
    };
    const keepsPlace = replaced !== undefined && replaced.spec.priority === spec.priority;
    const place = keepsPlace ? chain.indexOf(replaced) : placeBehindEquals(chain, spec.priority);
    chain.splice(place, keepsPlace ? 1 : 0, policy);
    if (replaced !== undefined && !keepsPlace) chain.splice(chain.indexOf(replaced), 1);
    this.#byKey.set(key, policy);
    this.#indexes.add(policy.index);
    return policy;
  }

  /** DELPOLICY; false if there is none. */
  delete(key: PolicyKey): boolean {
    const policy = this.find(key);
    if (policy === undefined) return false;
    const { chain } = policy;
    chain.splice(chain.indexOf(policy), 1);
    if (chain.length === 0) this.#chains.delete(chainName(key.direction, key.selector));
    this.#indexes.delete(policy.index);
    return this.#byKey.delete(policyKeyText(key));
  }

  /** The policy that decides about a packet in a direction. */
  lookup(direction: PolicyDirection, flow: Flow): TablePolicy | undefined {
    const { source, destination } = flow.packet;
    let best: TablePolicy | undefined;
    for (const chain of [hostChain(direction, source, destination), ...wideChains(direction, ipFamily(source))]) {
      const found = this.#chains.get(chain)?.find((policy) => matches(policy, flow));
      if (found === undefined) continue;
      if (best === undefined || precedes(found, best)) best = found;
    }
    return best;
  }

  #chain(direction: PolicyDirection, selector: Selector): TablePolicy[] {
    const name = chainName(direction, selector);
    let chain = this.#chains.get(name);
    if (chain === undefined) {
      chain = [];
      this.#chains.set(name, chain);
    }
    return chain;
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
function chainName(direction: PolicyDirection, { source, destination }: Selector): string {
  const family = ipFamily(source.address);
  const bits = family === 4 ? 32 : 128;
  if (source.length === bits && destination.length === bits) {
    return hostChain(direction, source.address, destination.address);
  }
  const shortest = family === 4 ? 16 : 48;
  const kind = (source.length < shortest ? 2 : 0) + (destination.length < shortest ? 1 : 0);
  return wideChains(direction, family)[kind] as string;
}

function hostChain(direction: PolicyDirection, source: string, destination: string): string {
  return `${direction} ${source} ${destination}`;
}

function wideChains(direction: PolicyDirection, family: 4 | 6): readonly string[] {
  return WIDE_CHAINS[direction][family];
}

const WIDE_CHAINS: Readonly<Record<PolicyDirection, Readonly<Record<4 | 6, readonly string[]>>>> = {
  in: { 4: wideNames('in', 4), 6: wideNames('in', 6) },
  out: { 4: wideNames('out', 4), 6: wideNames('out', 6) },
  fwd: { 4: wideNames('fwd', 4), 6: wideNames('fwd', 6) },
};

function wideNames(direction: PolicyDirection, family: 4 | 6): readonly string[] {
  return [0, 1, 2, 3].map((kind) => `${direction} ${family} ${kind}`);
}
