import type { CounterName, LabelsOf } from './definitions.ts';
import type { Samples } from './samples.ts';

/** How often something happened, by labels. */
export class Tally<Name extends CounterName> {
  readonly #name: Name;
  readonly #counts = new Map<string, { readonly labels: LabelsOf<Name>; value: number }>();

  /** What is in `initial` is told as 0 until it happens, so that the first time is an increase. */
  constructor(name: Name, initial: readonly LabelsOf<Name>[] = []) {
    this.#name = name;
    for (const labels of initial) this.#counts.set(JSON.stringify(labels), { labels, value: 0 });
  }

  count(labels: LabelsOf<Name>): void {
    const key = JSON.stringify(labels);
    const known = this.#counts.get(key);
    if (known === undefined) this.#counts.set(key, { labels, value: 1 });
    else known.value += 1;
  }

  /** Forgets what `isKept` does not want. */
  retain(isKept: (labels: LabelsOf<Name>) => boolean): void {
    for (const [key, { labels }] of this.#counts) if (!isKept(labels)) this.#counts.delete(key);
  }

  addTo(samples: Samples, isWanted: (labels: LabelsOf<Name>) => boolean = () => true): void {
    for (const { labels, value } of this.#counts.values()) if (isWanted(labels)) samples.add(this.#name, labels, value);
  }
}
