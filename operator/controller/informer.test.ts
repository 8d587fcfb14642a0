import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Informer, type InformerState } from './informer.ts';
import type { Listing, Source, SourceFailure, WatchEvent } from './source.ts';
import { Store } from './store.ts';

describe('an informer', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const object = (name: string, version: number) => ({
    metadata: { name, uid: name, resourceVersion: String(version) },
  });
  /** A server that answers what it is told to, and is asked no more when it has nothing left. */
  const run = (lists: (Listing | SourceFailure)[], watches: (readonly WatchEvent[] | SourceFailure)[]) => {
    const asked: string[] = [];
    const states: InformerState[] = [];
    const never = new Promise<never>(() => undefined);
    const source: Source = {
      async list() {
        asked.push('list');
        return lists.shift() ?? never;
      },
      async watch(after, _, tell) {
        asked.push(`watch ${after}`);
        const next = watches.shift() ?? (await never);
        if ('kind' in next) return next;
        for (const event of next) tell(event);
        return undefined;
      },
    };
    const store = new Store((each) => each.metadata.name, { changed: () => undefined, lost: () => undefined });
    const informer = new Informer(source, store, (state) => void states.push(state));
    void informer.run(new AbortController().signal);
    return { asked, states, informer, names: () => [...store.entries()].map(({ value }) => value) };
  };

  it('goes on where a bookmark said, when the server ends a watch', async () => {
    const { asked } = run([{ items: [], resourceVersion: '5' }], [[{ kind: 'bookmark', resourceVersion: '9' }]]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(asked).toEqual(['list', 'watch 5', 'watch 9']);
  });

  it('lists again at once when the server has forgotten where it was', async () => {
    const { asked, names } = run(
      [
        { items: [object('a', 4)], resourceVersion: '5' },
        { items: [object('b', 90)], resourceVersion: '90' },
      ],
      [{ kind: 'expired', text: 'too old resource version' }],
    );
    await vi.advanceTimersByTimeAsync(0);
    expect(asked).toEqual(['list', 'watch 5', 'list', 'watch 90']);
    expect(names()).toEqual(['b']);
  });

  it.each(['unknownKind', 'forbidden', 'failed'] as const)(
    'keeps everything while the server says: %s',
    async (kind) => {
      const failure: SourceFailure = { kind, text: 'no' };
      const { informer, names, states } = run(
        [{ items: [object('a', 4)], resourceVersion: '5' }, ...Array<SourceFailure>(9).fill(failure)],
        Array<SourceFailure>(9).fill(failure),
      );
      await vi.advanceTimersByTimeAsync(60_000);
      expect(names()).toEqual(['a']);
      expect(informer.state).toEqual({ kind: 'failing', listed: true, failure });
      expect(states.map((state) => state.kind)).toEqual(['watching', 'failing']);
    },
  );

  it('asks a server that fails less and less often', async () => {
    const { asked } = run(Array<SourceFailure>(100).fill({ kind: 'failed', text: 'refused' }), []);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(asked.length).toBeGreaterThan(6);
    expect(asked.length).toBeLessThan(14);
  });
});
