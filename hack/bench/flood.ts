import type { Path } from '../../agent/ike/types.ts';
import { type IpAddress, ipAddressFromBytes } from '../../agent/wire/ip-address.ts';
import type { TwoEnds } from './two-ends.ts';

/** IKE_SA_INIT requests in number, each with another SPI and from another address, none of which goes on. */
export class Flood {
  readonly bytes = { in: 0, out: 0 };
  readonly #ends: TwoEnds;
  readonly #request: Uint8Array;
  readonly #localAddress: IpAddress;
  #number = 0;

  /** `request` is a true one, of which copies are made. */
  constructor(ends: TwoEnds, spoofed: { readonly request: Uint8Array; readonly localAddress: IpAddress }) {
    this.#ends = ends;
    this.#request = spoofed.request;
    this.#localAddress = spoofed.localAddress;
  }

  /** Offers so many to the right end, at a rate that leaves time for what else the two ends have to say. */
  offer(count: number): void {
    for (let sent = 0; sent < count; sent += 1) {
      if (this.#number % PACKETS_PER_STEP === 0) this.#ends.advance(STEP_MS);
      this.#number += 1;
      const bytes = this.#request.slice();
      new DataView(bytes.buffer).setUint32(0, this.#number);
      this.bytes.in += bytes.length;
      for (const answer of this.#ends.offer(this.#path(), bytes)) this.bytes.out += answer.length;
    }
  }

  #path(): Path {
    const number = this.#number;
    const address = new Uint8Array([198, 18 + (number >> 16), (number >> 8) & 0xff, number & 0xff]);
    return {
      localAddress: this.#localAddress,
      localPort: 500,
      remoteAddress: ipAddressFromBytes(address),
      remotePort: 1_024 + (number % 60_000),
    };
  }
}

/** A thousand a second. */
const PACKETS_PER_STEP = 100;
const STEP_MS = 100;
