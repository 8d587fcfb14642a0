import type { Fact } from '../../ike/fact.ts';
import { DEFAULT_LIMITS } from '../../ike/limits.ts';
import type { ChildSaStatus, ConnectionStatus, EndpointStatus } from '../../ike/types.ts';
import type { Host } from '../host.ts';
import { nodeOf } from '../topology.ts';
import type { Check, World } from '../world.ts';

/**
 * No false alarm: nobody says that packets do not arrive, or cannot be decrypted, and nobody goes over to ESP in UDP, unless
 * the way has dropped ESP again and again, or a NAT what was sent to where it knows nobody, and none has come since. Loss, however heavy, delay, copies, a way that
 * is cut off for a while, rekeys and restarts are no reason.
 */
export class AlarmsCheck implements Check {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  noted(host: Host, fact: Fact): void {
    if (fact.kind === 'arrivalChanged') this.#judge(host, connectionOf(host, fact.connection));
    if (fact.kind === 'espFallback') this.#judgeFallback(host, connectionOf(host, fact.connection));
    if (fact.kind === 'saTampered') this.#judgeTampered(host, fact.connection, fact.spi);
    if (fact.kind === 'policyRestored') {
      this.#violate(`${host.name} says that somebody has removed the policy ${fact.object}, which nobody has`);
    }
  }

  tick(statuses: readonly (EndpointStatus | undefined)[]): void {
    for (const host of this.#world.hosts) {
      for (const connection of statuses[host.node]?.connections ?? []) this.#judge(host, connection);
    }
  }

  #judge(host: Host, connection: ConnectionStatus | undefined): void {
    if (connection === undefined) return;
    const peer = nodeOf(connection.name);
    for (const child of childrenOf(connection)) {
      const { name, arrival, inboundSpi, outboundSpi } = child;
      const pair = `the pair ${name} (${outboundSpi.toString(16)}) of ${host.name} with ${connection.name}`;
      if (arrival?.outbound === 'lost' && !this.#isFiltered(peer, outboundSpi)) {
        this.#violate(`${pair} is said to lose what is sent, and the way drops no ESP`);
      }
      if (arrival?.outbound === 'undecryptable' && !this.#isReplayed(peer, outboundSpi)) {
        this.#violate(`${pair} is said to send what the peer cannot decrypt, and nothing is wrong with its keys`);
      }
      if (arrival?.inbound === 'undecryptable' && !this.#isReplayed(host.node, inboundSpi)) {
        this.#violate(`${pair} is said to receive what cannot be decrypted, and nothing is wrong with its keys`);
      }
    }
  }

  #judgeFallback(host: Host, connection: ConnectionStatus | undefined): void {
    if (connection === undefined) return;
    const peer = nodeOf(connection.name);
    if (childrenOf(connection).some(({ outboundSpi }) => this.#isFiltered(peer, outboundSpi))) return;
    this.#violate(`${host.name} goes over to ESP in UDP with ${connection.name}, and the way drops no ESP`);
  }

  /** What the kernel has ended by itself is not there, whoever may have ended it. */
  #judgeTampered(host: Host, connection: string, spi: number): void {
    const there = host.kernel.kernel.states.all().some((state) => state.id.spi === spi && !state.larval);
    if (!there) return;
    this.#violate(`${host.name} says that SA ${spi.toString(16)} with ${connection} is not its own, which it is`);
  }

  /** Whether so many packets were dropped on their way that nothing else was the reason, and none was taken since. */
  #isFiltered(receiver: number, spi: number): boolean {
    const { deliveries, clock } = this.#world;
    const { filteredAtMs } = deliveries.of(receiver, spi, clock.monotonicMs() - NOTICED_MS);
    return filteredAtMs.length >= DEFAULT_LIMITS.arrivalPackets;
  }

  /** What comes again from behind the window of an SA with ESN is nothing that its keys have made, for all that is known. */
  #isReplayed(receiver: number, spi: number): boolean {
    return this.#world.deliveries.replayed(receiver, spi) >= DEFAULT_LIMITS.arrivalPackets;
  }

  #violate(text: string): void {
    this.#world.violate('noFalseAlarm', text);
  }
}

function connectionOf(host: Host, name: string): ConnectionStatus | undefined {
  return host.status()?.connections.find((connection) => connection.name === name);
}

function childrenOf({ ikeSas }: ConnectionStatus): readonly ChildSaStatus[] {
  return ikeSas.flatMap(({ children }) => children);
}

/** Within this time a status is to be right again. */
const NOTICED_MS = 15_000;
