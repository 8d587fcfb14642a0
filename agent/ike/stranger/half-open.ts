import type { IkeSpi } from '../../wire/header.ts';
import { type IpAddress, ipAddressBytes, ipAddressFromBytes, ipFamily } from '../../wire/ip-address.ts';
import type { Limits } from '../limits.ts';
import type { IkeSa } from '../state.ts';
import type { Instant, Path } from '../types.ts';

/**
 * A responder's IKE SAs that have not authenticated, by where their first message came from: how many there are, and
 * what that means for the next stranger.
 */
export class HalfOpen {
  readonly #limits: Limits;
  readonly #entries = new Map<string, { readonly sa: IkeSa; readonly source: IpAddress }>();
  readonly #bySource = new Map<IpAddress, number>();
  #cookiesUntil = Number.NEGATIVE_INFINITY;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The IKE SA whose first message came on `path` with that SPI. */
  find(path: Path, remoteSpi: IkeSpi): IkeSa | undefined {
    return this.#entries.get(entryKey(path, remoteSpi))?.sa;
  }

  /** Counts a new one, for `source` among others. */
  enter(sa: IkeSa, source: IpAddress): void {
    sa.halfOpenKey = entryKey(sa.path, sa.remoteSpi);
    this.#entries.set(sa.halfOpenKey, { sa, source });
    this.#bySource.set(source, this.#countOf(source) + 1);
  }

  /** Takes out one that has authenticated, or is gone. */
  leave(sa: IkeSa): void {
    const entry = sa.halfOpenKey === undefined ? undefined : this.#entries.get(sa.halfOpenKey);
    if (sa.halfOpenKey === undefined || entry === undefined) return;
    this.#entries.delete(sa.halfOpenKey);
    sa.halfOpenKey = undefined;
    const left = this.#countOf(entry.source) - 1;
    if (left === 0) this.#bySource.delete(entry.source);
    else this.#bySource.set(entry.source, left);
  }

  /** Whether there is no room for one more, or for one more of this source. */
  isFull(source: IpAddress): boolean {
    return this.size >= this.#limits.halfOpenTotal || this.#countOf(source) >= this.#limits.halfOpenPerSource;
  }

  /**
   * Whether strangers have to show first that they receive what is sent to them. It goes on for a while after there are
   * fewer again, so that it does not change with every IKE SA that comes and goes.
   */
  demandsCookies(at: Instant, source: IpAddress): boolean {
    const { cookieThreshold, cookieThresholdPerSource } = this.#limits;
    const isMany = this.size >= cookieThreshold || this.#countOf(source) >= cookieThresholdPerSource;
    if (isMany) this.beginDemand(at);
    return this.demandsCookiesOfAll(at);
  }

  /** Whether that is demanded of every stranger at this moment, wherever it comes from. */
  demandsCookiesOfAll(at: Instant): boolean {
    return at < this.#cookiesUntil;
  }

  /** Demands cookies of all strangers for a while, because one of them could be answered by nothing else. */
  beginDemand(at: Instant): void {
    this.#cookiesUntil = at + this.#limits.cookieCalmMs;
  }

  #countOf(source: IpAddress): number {
    return this.#bySource.get(source) ?? 0;
  }
}

/**
 * For whom a stranger's IKE SAs are counted: an IPv6 host may have all addresses of its network to choose from. A
 * configured address is a peer's own.
 */
export function sourceOf(address: IpAddress, isConfigured: boolean): IpAddress {
  if (isConfigured || ipFamily(address) === 4) return address;
  return ipAddressFromBytes(ipAddressBytes(address).fill(0, NETWORK_BYTES));
}

/** Not the path of the IKE SA, which moves to port 4500 while it is half open. */
function entryKey(path: Path, remoteSpi: IkeSpi): string {
  return `${path.remoteAddress} ${path.remotePort} ${remoteSpi}`;
}

/** A /64, which is what a subscriber or a link has at least (RFC 4291 §2.5.1). */
const NETWORK_BYTES = 8;
