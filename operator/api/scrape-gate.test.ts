import { describe, expect, it } from 'vitest';

import { ScrapeGate } from './scrape-gate.ts';

/** A gate and an API server that knows two tokens, one of which may read metrics. */
function gateOf({ isAway = false } = {}) {
  const asked: string[] = [];
  const time = { nowMs: 0 };
  const answers = { isAway };
  const gate = new ScrapeGate({
    fingerprint: (token) => `#${token}`,
    nowMs: () => time.nowMs,
    post: async (path, body) => {
      asked.push(path.split('/').at(-1) ?? '');
      if (answers.isAway) return undefined;
      const { spec } = body as { readonly spec: { readonly token?: string; readonly user?: string } };
      if (path.endsWith('tokenreviews')) {
        const isKnown = spec.token === 'reader' || spec.token === 'other';
        return { status: isKnown ? { authenticated: true, user: { username: spec.token, groups: [] } } : {} };
      }
      expect(body).toMatchObject({ spec: { nonResourceAttributes: { path: '/metrics', verb: 'get' } } });
      return { status: { allowed: spec.user === 'reader' } };
    },
  });
  const judge = (token: string | undefined) => gate.judge(token, '/metrics');
  return { judge, asked, time, answers };
}

describe('the gate before metrics', () => {
  it('lets in whom the API server knows and lets, and nobody else', async () => {
    const { judge } = gateOf();
    expect(await judge('Bearer reader')).toBe('allowed');
    expect(await judge('bearer reader')).toBe('allowed');
    expect(await judge('Bearer other')).toBe('forbidden');
    expect(await judge('Bearer stolen')).toBe('unauthenticated');
  });

  it('asks nobody about what is no bearer token', async () => {
    const { judge, asked } = gateOf();
    for (const header of [
      undefined,
      '',
      'Bearer',
      'Bearer ',
      'Basic cmVhZGVy',
      'Bearer a b',
      `Bearer ${'a'.repeat(9_000)}`,
    ])
      expect(await judge(header), header).toBe('unauthenticated');
    expect(asked).toEqual([]);
  });

  it('lets nobody in while the API server does not answer, and asks again at once', async () => {
    const { judge, answers } = gateOf({ isAway: true });
    expect(await judge('Bearer reader')).toBe('unknown');
    answers.isAway = false;
    expect(await judge('Bearer reader')).toBe('allowed');
  });

  it('asks once a minute for the same token, and every ten seconds for one that was refused', async () => {
    const { judge, asked, time } = gateOf();
    for (let second = 0; second < 60; second += 1) {
      time.nowMs = second * 1_000;
      await judge('Bearer reader');
    }
    expect(asked).toHaveLength(2);
    time.nowMs = 60_000;
    await judge('Bearer reader');
    expect(asked).toHaveLength(4);
    await judge('Bearer stolen');
    time.nowMs += 9_999;
    await judge('Bearer stolen');
    expect(asked).toHaveLength(5);
    time.nowMs += 1;
    await judge('Bearer stolen');
    expect(asked).toHaveLength(6);
  });

  it('has few questions under way, however many tokens are made up, and one for one token', async () => {
    const { judge, asked } = gateOf();
    const verdicts = await Promise.all(Array.from({ length: 100 }, (_, index) => judge(`Bearer ${index}`)));
    expect(verdicts.filter((each) => each === 'unauthenticated')).toHaveLength(4);
    expect(verdicts.filter((each) => each === 'unknown')).toHaveLength(96);
    expect(asked).toHaveLength(4);
    expect(await Promise.all([judge('Bearer reader'), judge('Bearer reader')])).toEqual(['allowed', 'allowed']);
    expect(asked).toHaveLength(6);
  });

  it('remembers a bounded number of tokens, the newest', async () => {
    const { judge, asked } = gateOf();
    await judge('Bearer reader');
    for (let index = 0; index < 64; index += 1) await judge(`Bearer ${index}`);
    const before = asked.length;
    await judge('Bearer 63');
    expect(asked.length).toBe(before);
    await judge('Bearer reader');
    expect(asked.length).toBe(before + 2);
  });
});
