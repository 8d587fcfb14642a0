import { setImmediate } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { err, ok } from '../../result.ts';
import { RESOLVE_TIMEOUT_MS } from './limits.ts';
import { hostResolver, resolveHost, resolveHosts } from './resolve-host.ts';

const NAMES = Array.from({ length: 300 }, (_, index) => `host-${index}.test`);
const FOUND = [{ address: '192.0.2.7' }];

describe('host names of peers', () => {
  it('never become loopback addresses, whatever the resolver says', async () => {
    expect(await resolveHost('localhost')).toEqual(ok([]));
  });

  it('are asked for once each', async () => {
    const asked: string[] = [];
    const found = await resolveHosts([...NAMES, ...NAMES], async (host) => {
      asked.push(host);
      return err(host);
    });
    expect(found.size).toBe(300);
    expect(found.get('host-7.test')).toEqual(err('host-7.test'));
    expect(asked).toEqual(NAMES);
  });
});

describe('names that no DNS server answers for', () => {
  /** What waits for an answer, by the name; a name may be asked for several times. */
  const answers: [string, (found: typeof FOUND) => void][] = [];
  const hanging = () => hostResolver((host) => new Promise((resolve) => answers.push([host, resolve])));

  beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));

  afterEach(() => {
    vi.useRealTimers();
    answers.length = 0;
  });

  /** Asks for names until that is given up. */
  async function inVain(resolver: ReturnType<typeof hostResolver>, names: readonly string[]) {
    const asked = resolveHosts(names, resolver);
    await vi.advanceTimersByTimeAsync(RESOLVE_TIMEOUT_MS);
    return asked;
  }

  it('hold nothing up for longer than one of them does, however many there are', async () => {
    const found = await inVain(hanging(), NAMES);
    expect([...found.values()].filter((each) => each.ok)).toEqual([]);
    expect(found.get('host-0.test')).toEqual(
      err('host-0.test did not resolve within 5 s: write its address, or mend DNS'),
    );
  });

  it('are not asked for again while that goes on, which would be in the way of all others', async () => {
    const resolver = hanging();
    await inVain(resolver, NAMES);
    await inVain(resolver, NAMES);
    expect(answers.map(([host]) => host)).toEqual(NAMES);
  });

  it('resolve by an answer that came when nobody waited for it any more, unless that is long ago', async () => {
    const resolver = hanging();
    await inVain(resolver, ['late.test', 'old.test']);
    for (const [, answer] of answers) answer(FOUND);
    await setImmediate();
    expect(await resolver('late.test')).toEqual(ok(['192.0.2.7']));
    await vi.advanceTimersByTimeAsync(60_001);
    expect((await inVain(resolver, ['old.test'])).get('old.test')?.ok).toBe(false);
    expect(answers.map(([host]) => host)).toEqual(['late.test', 'old.test', 'old.test']);
  });
});
