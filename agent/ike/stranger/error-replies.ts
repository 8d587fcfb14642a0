import type { IpAddress } from '../../wire/ip-address.ts';
import type { Limits } from '../limits.ts';
import type { Instant } from '../types.ts';

/**
 * How many errors are told to whoever has proved nothing: few to one address, so that two programs do not go on
 * correcting one another and a flood from one source leaves some for the others, and not too many in all.
 */
export class ErrorReplies {
  readonly #limits: Limits;
  /** When the last one went to an address, the longest ago first. */
  readonly #last = new Map<IpAddress, Instant>();
  #tokens = 0;
  #countedAt = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Takes one, if there is one for this address. */
  take(at: Instant, address: IpAddress): boolean {
    const { errorRepliesPerSecond, errorReplyIntervalMs, errorReplyAddresses } = this.#limits;
    const last = this.#last.get(address);
    if (last !== undefined && at < last + errorReplyIntervalMs) return false;
    const earned = ((at - this.#countedAt) / 1000) * errorRepliesPerSecond;
    this.#tokens = Math.min(errorRepliesPerSecond, this.#tokens + earned);
    this.#countedAt = at;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    this.#last.delete(address);
    this.#last.set(address, at);
    if (this.#last.size > errorReplyAddresses) this.#last.delete(this.#last.keys().next().value as IpAddress);
    return true;
  }
}
