import { describe, expect, it } from 'vitest';

import type { StoredObject } from './source.ts';
import { Store } from './store.ts';

describe('a store', () => {
  const storeOf = () => {
    const told: string[] = [];
    const store = new Store<number>((object) => Number(object.metadata.resourceVersion), {
      changed: (key, { value }) => void told.push(`${key}=${value}`),
      lost: (key, _, how) => void told.push(`${key} ${how}`),
    });
    return { store, told };
  };

  it('has an own write before the watch tells it, and does not go back when the watch tells what was before', () => {
    const { store } = storeOf();
    store.replace({ items: [object('a', 10)], resourceVersion: '10' });
    store.put(object('a', 12));
    expect(store.of('/a')?.value).toBe(12);
    store.take({ kind: 'changed', object: object('a', 11) });
    expect(store.of('/a')?.value).toBe(12);
  });

  it('does not bring back what the watch said was deleted while the answer to a write was on its way', () => {
    const { store } = storeOf();
    store.replace({ items: [object('a', 10)], resourceVersion: '10' });
    store.take({ kind: 'deleted', object: object('a', 13) });
    store.put(object('a', 12));
    expect(store.size).toBe(0);
  });

  it('keeps an own write that is newer than a list', () => {
    const { store } = storeOf();
    store.put(object('a', 12));
    store.replace({ items: [], resourceVersion: '11' });
    expect(store.of('/a')?.value).toBe(12);
  });

  it('tells what a watch said was deleted from what a list only lacks', () => {
    const { store, told } = storeOf();
    store.replace({ items: [object('a', 1), object('b', 2)], resourceVersion: '2' });
    store.take({ kind: 'deleted', object: object('a', 3) });
    store.replace({ items: [], resourceVersion: '4' });
    expect(told.slice(2)).toEqual(['/a deleted', '/b unlisted']);
  });

  it('compares versions as numbers', () => {
    const { store } = storeOf();
    store.replace({ items: [object('a', 9)], resourceVersion: '9' });
    store.take({ kind: 'changed', object: object('a', 10) });
    store.take({ kind: 'bookmark', resourceVersion: '100' });
    expect([store.of('/a')?.value, store.resourceVersion]).toEqual([10, '100']);
  });
});

function object(name: string, version: number): StoredObject {
  return { metadata: { name, uid: `uid-${name}`, resourceVersion: String(version) } };
}
