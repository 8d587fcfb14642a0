import { constantTimeEqual } from '../../crypto/constant-time.ts';
import { SecretBytes } from '../../crypto/secret.ts';
import type { Prf, Random } from '../../crypto/types.ts';
import { type IkeSpi, spiBytes } from '../../wire/header.ts';
import { ipAddressBytes } from '../../wire/ip-address.ts';
import type { Instant, Path } from '../types.ts';

/** What a cookie stands for: an IKE_SA_INIT request and where it came from. */
export interface CookieSubject {
  readonly path: Path;
  readonly initiatorSpi: IkeSpi;
  readonly nonce: Uint8Array;
}

/**
 * Cookies by which a stranger shows that it receives what is sent to its address, without anything being kept for it
 * (RFC 7296 §2.6): which secret | prf(secret, Ni | IPi | port | SPIi). The key exchange is not in it, so a cookie
 * outlives INVALID_KE_PAYLOAD. The secret is replaced as time goes by, and the one before is accepted as long again.
 *
 * Whoever was asked lately is known again, in a table that does not grow: it stays asked, and for the same cookie. An
 * initiator that gets a COOKIE for one copy of its request and something else for another would not know which of its
 * requests was taken, and AUTH covers that one.
 */
export class Cookies {
  readonly #prf: Prf;
  readonly #random: Random;
  readonly #secretMs: number;
  #current: CookieSecret | undefined;
  #previous: CookieSecret | undefined;
  #secrets = 0;
  #asked: AskedInitiators | undefined;

  constructor(prf: Prf, random: Random, secretMs: number) {
    this.#prf = prf;
    this.#random = random;
    this.#secretMs = secretMs;
  }

  /** The cookie that is asked back. */
  make(at: Instant, subject: CookieSubject): Uint8Array {
    this.#rotate(at);
    this.#current ??= this.#drawSecret(at);
    this.#asked ??= new AskedInitiators(this.#secretMs);
    const before = this.#numbered(this.#asked.secretOf(at, subject.initiatorSpi));
    const secret = before ?? this.#current;
    this.#asked.note(at, subject.initiatorSpi, secret.number);
    return this.#cookie(secret, subject);
  }

  /** Whether the initiator with this SPI was asked lately. */
  hasAsked(at: Instant, initiatorSpi: IkeSpi): boolean {
    return this.#asked?.secretOf(at, initiatorSpi) !== undefined;
  }

  /** Whether a cookie was made for just this, and not too long ago. */
  isGenuine(at: Instant, subject: CookieSubject, cookie: Uint8Array): boolean {
    this.#rotate(at);
    const secret = this.#numbered(cookie[0]);
    return secret !== undefined && constantTimeEqual(this.#cookie(secret, subject), cookie);
  }

  /** A secret is used to make cookies for one period and to check them for one more. */
  #rotate(at: Instant): void {
    if (this.#current !== undefined && at >= this.#current.madeAt + this.#secretMs) {
      this.#previous?.value.wipe();
      this.#previous = this.#current;
      this.#current = undefined;
    }
    if (this.#previous !== undefined && at >= this.#previous.madeAt + 2 * this.#secretMs) {
      this.#previous.value.wipe();
      this.#previous = undefined;
    }
  }

  #numbered(number: number | undefined): CookieSecret | undefined {
    if (this.#current?.number === number) return this.#current;
    return this.#previous?.number === number ? this.#previous : undefined;
  }

  #drawSecret(at: Instant): CookieSecret {
    const bytes = new Uint8Array(SECRET_BYTES);
    this.#random.fill(bytes);
    this.#secrets += 1;
    return { number: this.#secrets & 0xff, value: new SecretBytes(bytes), madeAt: at };
  }

  #cookie({ number, value }: CookieSecret, { path, initiatorSpi, nonce }: CookieSubject): Uint8Array {
    const address = ipAddressBytes(path.remoteAddress);
    const { remotePort: port } = path;
    // The length of the address stands before it: no nonce can make an IPv4 source look like an IPv6 one.
    const source = [Uint8Array.of(address.length), address, Uint8Array.of(port >> 8, port & 0xff)];
    const digest = value.use((key) => this.#prf.compute(key, [...source, spiBytes(initiatorSpi), nonce]));
    const cookie = new Uint8Array(COOKIE_BYTES);
    cookie[0] = number;
    cookie.set(digest.subarray(0, COOKIE_BYTES - 1), 1);
    return cookie;
  }
}

interface CookieSecret {
  /** The first byte of cookies made with it. */
  readonly number: number;
  readonly value: SecretBytes;
  readonly madeAt: Instant;
}

/** Who was asked for a COOKIE, and with which secret it was made; of two that share a place the later one. */
class AskedInitiators {
  readonly #rememberedMs: number;
  readonly #tags = new Uint32Array(PLACES);
  readonly #askedAt = new Float64Array(PLACES).fill(Number.NEGATIVE_INFINITY);
  readonly #secrets = new Uint8Array(PLACES);

  constructor(rememberedMs: number) {
    this.#rememberedMs = rememberedMs;
  }

  note(at: Instant, initiatorSpi: IkeSpi, secret: number): void {
    const tag = tagOf(initiatorSpi);
    const place = tag % PLACES;
    this.#tags[place] = tag;
    this.#askedAt[place] = at;
    this.#secrets[place] = secret;
  }

  /** The number of the secret; undefined for who was not asked, or long ago. */
  secretOf(at: Instant, initiatorSpi: IkeSpi): number | undefined {
    const tag = tagOf(initiatorSpi);
    const place = tag % PLACES;
    const known = this.#tags[place] === tag && at < (this.#askedAt[place] ?? 0) + this.#rememberedMs;
    return known ? this.#secrets[place] : undefined;
  }
}

/** Half of an SPI, which is random, tells well enough: a mistake costs somebody a round trip. */
function tagOf(initiatorSpi: IkeSpi): number {
  return Number.parseInt(initiatorSpi.slice(8), 16);
}

const SECRET_BYTES = 32;
/** A second of a flood of 4,000 a second. */
const PLACES = 4_096;
/** Nobody can guess 120 bits in the life of a secret, and the answer stays shorter than any request. */
const COOKIE_BYTES = 16;
