import { describe, expect, it } from 'vitest';

import type { Change } from '../nodeconfig/changes.ts';
import { changeKey, PendingChanges } from './pending-changes.ts';

const apply = (name: string, size: number): Change => ({
  kind: 'apply',
  object: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, labels: { size: String(size) } } },
  uid: undefined,
});
const remove = (name: string, uid: string): Change => ({
  kind: 'delete',
  object: { apiVersion: 'v1', kind: 'Secret', metadata: { name, uid } },
  uid,
});

describe('changes that wait to be written', () => {
  it('are new once: a plan that wants the same does not begin their waiting anew', () => {
    const pending = new PendingChanges();
    expect(pending.replace([apply('a', 1), apply('b', 1)]).fresh).toHaveLength(2);
    expect(pending.replace([apply('a', 1), apply('b', 2)])).toEqual({ fresh: ['ServiceAccount b'], dropped: [] });
    expect(pending.replace([apply('b', 2)])).toEqual({ fresh: [], dropped: ['ServiceAccount a'] });
  });

  it('stay where another was wanted while one was written', () => {
    const pending = new PendingChanges();
    const [first, second] = [apply('a', 1), apply('a', 2)];
    pending.replace([first]);
    pending.replace([second]);
    pending.written(changeKey(first), first);
    expect(pending.of('ServiceAccount a')).toBe(second);
    pending.written(changeKey(second), second);
    expect(pending.size).toBe(0);
  });

  it('delete an object once, though the watch has not told yet, and its successor, too', () => {
    const pending = new PendingChanges();
    const change = remove('a', 'one');
    pending.replace([change]);
    pending.written(changeKey(change), change);
    expect(pending.replace([remove('a', 'one')]).fresh).toEqual([]);
    expect(pending.replace([remove('a', 'two')]).fresh).toEqual(['Secret a']);
  });
});
