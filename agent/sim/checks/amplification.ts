import type { Path } from '../../ike/types.ts';
import { PayloadType } from '../../wire/registry.ts';
import type { Host } from '../host.ts';
import type { Arrival } from '../network.ts';
import type { Check, World } from '../world.ts';

/**
 * Whoever makes up a datagram in somebody else's name does not get that somebody answered by more bytes than it took. What
 * is protected by an IKE SA goes to whoever has proved to receive it, and a fragment brings all fragments of the answer
 * (RFC 7383 §2.6.1).
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
    if (forged?.host !== host || !isResponse || PROTECTED.has(bytes[NEXT_PAYLOAD_OFFSET] ?? 0)) return;
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

const PROTECTED: ReadonlySet<number> = new Set([PayloadType.SK, PayloadType.SKF]);
/** RFC 7296 §3.1. */
const NEXT_PAYLOAD_OFFSET = 16;
const FLAGS_OFFSET = 19;
const RESPONSE_FLAG = 0x20;
