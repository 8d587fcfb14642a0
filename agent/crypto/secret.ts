import { constantTimeEqual } from './constant-time.ts';

const INSPECT = Symbol.for('nodejs.util.inspect.custom');

/**
 * Bytes that must not be seen: they are read only inside `use`, print as `[secret]` everywhere, and are overwritten by
 * `wipe`. Best effort in JavaScript: copies made by an engine or a crypto library are out of reach.
 */
export class SecretBytes {
  #bytes: Uint8Array | undefined;
  #derived: { readonly name: number; readonly secret: SecretBytes } | undefined;

  /** Takes ownership of `bytes`: the caller must neither keep nor change them. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Length in bytes; 0 once wiped. */
  get length(): number {
    return this.#bytes?.length ?? 0;
  }

  /** Whether nobody can use it any more. */
  get isWiped(): boolean {
    return this.#bytes === undefined;
  }

  /** Lends the bytes to `reader`, which must not keep them. Throws if they were wiped: use after wipe is a bug. */
  use<T>(reader: (bytes: Uint8Array) => T): T {
    if (this.#bytes === undefined) throw new Error('secret used after it was wiped');
    return reader(this.#bytes);
  }

  /**
   * A secret that follows from this one and `name` alone. The last one is kept, for as long as this one, since the same
   * is asked for again and again.
   */
  derived(name: number, derive: (bytes: Uint8Array) => Uint8Array): SecretBytes {
    if (this.#derived?.name === name) return this.#derived.secret;
    this.#derived?.secret.wipe();
    const secret = new SecretBytes(this.use(derive));
    this.#derived = { name, secret };
    return secret;
  }

  /** Whether two secrets are the same, in a time that depends on their lengths only. */
  equals(other: SecretBytes): boolean {
    return this.use((mine) => other.use((theirs) => constantTimeEqual(mine, theirs)));
  }

  /** Overwrites the bytes with zeros, and what was derived from them, and lets go of them. May be called twice. */
  wipe(): void {
    this.#bytes?.fill(0);
    this.#bytes = undefined;
    this.#derived?.secret.wipe();
    this.#derived = undefined;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [INSPECT](): string {
    return '[secret]';
  }
}
