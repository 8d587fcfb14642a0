import { describe, expect, it } from 'vitest';

import { type BenchResult, verdict } from './bench.ts';
import { jsonLine, resultText } from './report.ts';

const machine = { processor: 'a processor', processors: 2, node: '26.0.0', openssl: '3.5.0', platform: 'linux-x64' };

function result(ratio: number): BenchResult {
  return {
    bench: 'handshake',
    parameters: { provider: 'openssl', rounds: 3 },
    figures: { ratio, perSecond: 1_500 },
    targets: [
      { figure: 'ratio', bound: 'atMost', limit: 1.8, aim: 1.4 },
      { figure: 'perSecond', bound: 'atLeast', limit: 1_000 },
    ],
    parts: { name: 'primitives', rows: [{ primitive: 'SHA1', count: 8 }] },
  };
}

describe('bench report', () => {
  it('judges a figure by its limit and by its aim', () => {
    const [target] = result(0).targets;
    if (target === undefined) throw new Error('no target');
    expect([1.3, 1.4, 1.6, 1.9].map((ratio) => verdict(result(ratio), target))).toEqual([
      'aim met',
      'aim met',
      'met',
      'missed',
    ]);
  });

  it('is one object of parameters and figures in a line of JSON', () => {
    expect(JSON.parse(jsonLine(result(1.6), machine))).toEqual({
      bench: 'handshake',
      provider: 'openssl',
      rounds: 3,
      ratio: 1.6,
      perSecond: 1_500,
      primitives: [{ primitive: 'SHA1', count: 8 }],
      targets: [
        { figure: 'ratio', bound: 'atMost', limit: 1.8, aim: 1.4, verdict: 'met' },
        { figure: 'perSecond', bound: 'atLeast', limit: 1_000, verdict: 'met' },
      ],
      machine,
    });
  });

  it('shows people each figure beside its verdict', () => {
    const text = resultText(result(1.9));
    expect(text).toMatch(/ratio +1\.9 +missed \(≤ 1\.8, aim ≤ 1\.4\)/);
    expect(text).toMatch(/perSecond +1,500 +met \(≥ 1,000\)/);
    expect(text).toMatch(/SHA1 +8/);
  });
});
