import { registerHooks } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';

import type { Scenario } from '../scenario.ts';
import type { Violation } from '../world.ts';
import type { Mutation } from './mutant.ts';

/** Runs one scenario with modules that have been changed on their way from the disk. */
const { scenario, mutations } = workerData as { readonly scenario: Scenario; readonly mutations: readonly Mutation[] };
const left = new Set(mutations);

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    const wanted = mutations.filter(({ module }) => url.endsWith(`/agent/${module}`));
    if (wanted.length === 0) return loaded;
    let source = textOf(loaded.source);
    for (const mutation of wanted) {
      if (source.split(mutation.from).length !== 2) throw new Error(`${url} does not have once: ${mutation.from}`);
      source = source.replace(mutation.from, () => mutation.to);
      left.delete(mutation);
    }
    return { ...loaded, source };
  },
});

const { simulate } = await import('../simulation.ts');
const violation: Violation | undefined = simulate(scenario).violation;
if (left.size > 0) throw new Error(`never loaded: ${[...left].map(({ module }) => module).join(', ')}`);
parentPort?.postMessage(violation);

function textOf(source: string | ArrayBuffer | NodeJS.TypedArray | null | undefined): string {
  if (typeof source === 'string') return source;
  return new TextDecoder().decode(source ?? new Uint8Array());
}
