/** Why the API server did not take writes, until it does or nobody wants them any more; by the keys of the changes. */
export class Refusals {
  readonly #texts = new Map<string, string>();

  /** Answers whether that is news. */
  note(key: string, text: string): boolean {
    if (this.#texts.get(key) === text) return false;
    this.#texts.set(key, text);
    return true;
  }

  /** Answers whether there was one. */
  forget(key: string): boolean {
    return this.#texts.delete(key);
  }

  /** Those of the objects of a kind, by their names. */
  of(kind: string, namespace?: string): ReadonlyMap<string, string> {
    const prefix = `${kind} ${namespace === undefined ? '' : `${namespace}/`}`;
    const ours = [...this.#texts].filter(([key]) => key.startsWith(prefix));
    return new Map(ours.map(([key, text]) => [key.slice(prefix.length), text]));
  }
}
