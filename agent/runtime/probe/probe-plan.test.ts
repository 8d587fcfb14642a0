import { describe, expect, it } from 'vitest';

import { parseProbePlan } from './probe-plan.ts';

const target = {
  name: 'b',
  local: '10.0.0.1',
  remote: '10.0.0.2',
  mode: 'transport',
  outerRemote: '10.0.0.2',
  reqids: [7],
};
const plan = { token: '0f'.repeat(16), port: 61_000, probes: 10, patienceSeconds: 10, targets: [target] };

describe('a plan of probes', () => {
  it('is read', () => {
    expect(parseProbePlan(JSON.stringify(plan))).toEqual({ ok: true, value: plan });
  });

  it.each<[string, unknown, RegExp]>([
    ['no JSON', '{', /no JSON/],
    ['something else', '[]', /cannot be carried out/],
    ['a token that is none', { ...plan, token: 'x' }, /token/],
    ['a port of the system', { ...plan, port: 500 }, /port/],
    ['a flood', { ...plan, probes: 100_000 }, /probes/],
    [
      'an address that is none',
      { ...plan, targets: [{ ...target, remote: 'b' }] },
      /targets\.0\.remote is no IP address/,
    ],
    ['nobody', { ...plan, targets: [] }, /targets/],
    ['a field that it does not know', { ...plan, size: 1 }, /size/],
  ])('is refused with %s', (_, value, text) => {
    const read = parseProbePlan(typeof value === 'string' ? value : JSON.stringify(value));
    expect(read).toMatchObject({ ok: false, error: expect.stringMatching(text) });
  });
});
