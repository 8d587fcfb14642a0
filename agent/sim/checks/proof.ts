import type { EndpointStatus } from '../../ike/types.ts';
import type { ChildSaReport } from '../../runtime/status/report.ts';
import type { Host } from '../host.ts';
import { nodeOf } from '../topology.ts';
import type { Check, World } from '../world.ts';

/** Whoever says that packets of a peer get through in both directions says it of packets that did. */
export class ProofCheck implements Check {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  tick(statuses: readonly (EndpointStatus | undefined)[]): void {
    for (const host of this.#world.hosts) {
      const status = statuses[host.node];
      if (status === undefined) continue;
      this.#judgeCounts(host, status);
      for (const { name, reason, ikeSas } of host.verdicts(status)) {
        if (!PROVEN.has(reason)) continue;
        const children = ikeSas.flatMap((sa) => sa.children).filter(({ state }) => state === 'installed');
        this.#judgeProof(host, name, children);
      }
    }
  }

  /** For each Child there is a pair on which packets have got through. */
  #judgeProof(host: Host, peer: string, children: readonly ChildSaReport[]): void {
    for (const name of new Set(children.map((child) => child.name))) {
      const ways = children.filter((child) => child.name === name);
      const isProven = ways.some(({ inbound, outbound }) => {
        return this.#taken(host, inbound.spi) > 0 && this.#taken(this.#world.hostOf(nodeOf(peer)), outbound.spi) > 0;
      });
      if (isProven) continue;
      const text = `${host.name} says that packets of ${name} get through to ${peer} and back, and none has on its SAs`;
      this.#world.violate('proof', text);
    }
  }

  /** Nobody claims more packets than there were. */
  #judgeCounts(host: Host, { connections }: EndpointStatus): void {
    for (const { name, ikeSas } of connections) {
      for (const { arrival, outboundSpi } of ikeSas.flatMap(({ children }) => children)) {
        const spi = outboundSpi.toString(16);
        const taken = arrival === undefined ? 0 : this.#taken(this.#world.hostOf(nodeOf(name)), spi);
        if (arrival === undefined || arrival.reported.received <= taken) continue;
        const { received } = arrival.reported;
        this.#world.violate(
          'proof',
          `${host.name} says that ${name} has got ${received} packets on ${spi}, not ${taken}`,
        );
      }
    }
  }

  /** What was kept until the SA was there has been counted by the kernel alone. */
  #taken(receiver: Host, spiText: string): number {
    const spi = Number.parseInt(spiText, 16);
    const { taken } = this.#world.deliveries.of(receiver.node, spi, Number.NEGATIVE_INFINITY);
    const state = receiver.kernel.kernel.states.all().find(({ id, direction }) => id.spi === spi && direction === 'in');
    return Math.max(taken, state?.packets ?? 0);
  }
}

const PROVEN: ReadonlySet<string> = new Set(['Proven', 'FellBackToUDP']);
