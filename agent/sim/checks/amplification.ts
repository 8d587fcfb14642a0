import type { Path } from '../../ike/types.ts';
import type { Host } from '../host.ts';
import type { Arrival } from '../network.ts';
import type { Check, World } from '../world.ts';

/**
 * Whoever makes up a datagram in somebody else's name does not get that somebody answered by more bytes than it took.
 */
export class AmplificationCheck implements Check {
  readonly #world: World;
  #forged: { readonly host: Host; readonly bytes: number; answered: number } | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  datagramArrived(host: Host, bytes: Uint8Array, arrival: Arrival): void {
    this.#forged = arrival === 'forged' ? { host, bytes: bytes.length, answered: 0 } : undefined;
  }

  datagramSent(host: Host, path: Path, bytes: Uint8Array): void {
    const forged = this.#forged;
    const isResponse = ((bytes[FLAGS_OFFSET] ?? 0) & RESPONSE_FLAG) !== 0;
    if (forged?.host !== host || !isResponse) return;
    forged.answered += bytes.length;
    if (forged.answered <= forged.bytes) return;
    const { answered, bytes: made } = forged;
    this.#world.violate(
      'amplification',
      `${host.name} sends ${answered} bytes to ${path.remoteAddress} for ${made} made-up ones`,
    );
  }

  eventEnded(): void {
    this.#forged = undefined;
  }
}

/** RFC 7296 §3.1. */
const FLAGS_OFFSET = 19;
const RESPONSE_FLAG = 0x20;
