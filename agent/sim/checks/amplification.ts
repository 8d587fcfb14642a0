import { hexFromBytes } from '../../crypto/bytes.ts';
import type { Path } from '../../ike/types.ts';
import { decodeHeader } from '../../wire/header.ts';
import { scanInitRequest } from '../../wire/init-scan.ts';
import { decodeMessageBody } from '../../wire/message.ts';
import { NotifyType, PayloadType } from '../../wire/registry.ts';
import type { Host } from '../host.ts';
import type { Arrival } from '../network.ts';
import type { Check, World } from '../world.ts';

/**
 * Whoever makes up a datagram in somebody else's name does not get that somebody answered by more bytes than it took. What
 * is protected by an IKE SA goes to whoever has proved to receive it, and a fragment brings all fragments of the answer
 * (RFC 7383 §2.6.1). A COOKIE proves it too while it counts: whoever reads one on its way can pass for its receiver, which
 * no cookie keeps him from (RFC 7296 §2.6).
 */
export class AmplificationCheck implements Check {
  readonly #world: World;
  /** Every COOKIE that was asked for, in hex. */
  readonly #cookies = new Set<string>();
  #forged: { readonly host: Host; readonly bytes: number; answered: number } | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  datagramArrived(host: Host, bytes: Uint8Array, arrival: Arrival): void {
    const isForged = arrival === 'forged' && !this.#hasCookie(bytes);
    this.#forged = isForged ? { host, bytes: bytes.length, answered: 0 } : undefined;
  }

  datagramSent(host: Host, path: Path, bytes: Uint8Array): void {
    const forged = this.#forged;
    const cookie = demandedCookie(bytes);
    if (cookie !== undefined) this.#cookies.add(cookie);
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

  #hasCookie(bytes: Uint8Array): boolean {
    const header = decodeHeader(bytes);
    const cookie = header.ok ? scanInitRequest(header.value.nextPayload, bytes)?.cookie : undefined;
    return cookie !== undefined && this.#cookies.has(hexFromBytes(cookie));
  }
}

/** The COOKIE that a datagram asks for, in hex; undefined for every other one. */
function demandedCookie(bytes: Uint8Array): string | undefined {
  const header = decodeHeader(bytes);
  if (!header.ok || header.value.nextPayload !== PayloadType.Notify) return undefined;
  const message = decodeMessageBody(header.value, bytes);
  const [payload] = message.ok ? message.value.payloads : [];
  const isCookie = payload?.kind === 'notify' && payload.notifyType === NotifyType.COOKIE;
  return isCookie ? hexFromBytes(payload.data) : undefined;
}

const PROTECTED: ReadonlySet<number> = new Set([PayloadType.SK, PayloadType.SKF]);
/** RFC 7296 §3.1. */
const NEXT_PAYLOAD_OFFSET = 16;
const FLAGS_OFFSET = 19;
const RESPONSE_FLAG = 0x20;
