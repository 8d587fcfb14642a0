import type { TableState } from '../../dataplane/memory/state-table.ts';
import type { Fact } from '../../ike/fact.ts';
import { compareBytes } from '../../ike/negotiation/byte-order.ts';
import { selectorText } from '../../ike/negotiation/selector.ts';
import type { TrafficSelector } from '../../wire/payloads/ts.ts';
import type { Host } from '../host.ts';
import { saText } from '../selection.ts';
import type { Check, World } from '../world.ts';

type Established = Extract<Fact, { kind: 'childSaEstablished' }>;

/** Both ends of a Child SA that both have agree on its keys, algorithms, mode, encapsulation and selectors. */
export class AgreementCheck implements Check {
  readonly #world: World;
  readonly #compared = new WeakMap<TableState, TableState>();
  readonly #established = new Map<string, { readonly host: Host; readonly fact: Established }>();

  constructor(world: World) {
    this.#world = world;
  }

  kernelChanged(host: Host): void {
    for (const mine of host.kernel.kernel.states.all()) {
      if (mine.larval) continue;
      const peer = this.#world.hostAt(mine.direction === 'out' ? mine.id.destination : mine.source);
      const theirs = peer && this.#world.stateAt(peer, mine.id);
      if (peer === undefined || theirs === undefined || theirs.larval || this.#compared.get(mine) === theirs) continue;
      this.#compared.set(mine, theirs);
      this.#compared.set(theirs, mine);
      this.#compare(host, mine, peer, theirs);
    }
  }

  noted(host: Host, fact: Fact): void {
    if (fact.kind !== 'childSaEstablished') return;
    this.#established.set(`${fact.inboundSpi} ${fact.outboundSpi}`, { host, fact });
    const other = this.#established.get(`${fact.outboundSpi} ${fact.inboundSpi}`);
    if (other === undefined) return;
    const [local, remote] = [fact.traffic, other.fact.traffic];
    // What each side says of addresses is its own view, through a NAT.
    if (this.#isNatted(host) || this.#isNatted(other.host)) return;
    if (
      fact.suite === other.fact.suite &&
      areSame(local.localSelectors, remote.remoteSelectors) &&
      areSame(local.remoteSelectors, remote.localSelectors)
    ) {
      return;
    }
    const mine = agreementText(fact.suite, local.localSelectors, local.remoteSelectors);
    const theirs = agreementText(other.fact.suite, remote.remoteSelectors, remote.localSelectors);
    this.#world.violate('agreement', `${host.name} has ${mine} for a Child SA, ${other.host.name} has ${theirs}`);
  }

  /** Through a NAT each end has ports of its own, but both have some. */
  #isSameEncapsulation(host: Host, mine: TableState, peer: Host, theirs: TableState): boolean {
    const [here, there] = [mine.udpEncapsulation, theirs.udpEncapsulation];
    if (this.#isNatted(host) || this.#isNatted(peer)) return here !== undefined && there !== undefined;
    return JSON.stringify(here) === JSON.stringify(there);
  }

  #isNatted({ node }: Host): boolean {
    return this.#world.scenario.nat?.node === node;
  }

  #compare(host: Host, mine: TableState, peer: Host, theirs: TableState): void {
    const differing = [
      mine.direction === theirs.direction ? 'direction' : '',
      mine.fingerprint === theirs.fingerprint ? '' : 'keys or algorithms',
      mine.mode === theirs.mode ? '' : 'mode',
      mine.esn === theirs.esn ? '' : 'ESN',
      this.#isSameEncapsulation(host, mine, peer, theirs) ? '' : 'encapsulation in UDP',
    ].filter((what) => what !== '');
    if (differing.length === 0) return;
    const what = differing.join(', ');
    this.#world.violate('agreement', `${host.name} and ${peer.name} differ about SA ${saText(mine.id)}: ${what}`);
  }
}

function areSame(left: readonly TrafficSelector[], right: readonly TrafficSelector[]): boolean {
  return left.length === right.length && left.every((each, index) => isSame(each, right[index]));
}

function isSame(left: TrafficSelector, right: TrafficSelector | undefined): boolean {
  return (
    right !== undefined &&
    left.protocol === right.protocol &&
    left.startPort === right.startPort &&
    left.endPort === right.endPort &&
    compareBytes(left.start, right.start) === 0 &&
    compareBytes(left.end, right.end) === 0
  );
}

function agreementText(suite: string, ...sides: readonly (readonly TrafficSelector[])[]): string {
  return JSON.stringify([suite, ...sides.map((selectors) => selectors.map(selectorText))]);
}
