import { describe, expect, it } from 'vitest';

import { opensslProvider } from '../../agent/crypto/openssl/openssl-provider.ts';
import { HandshakeRun } from './handshake.ts';

describe('handshake bench', () => {
  it('gives handshakes per CPU-second and their ratio to the primitives timed in the same run', () => {
    const run = new HandshakeRun(opensslProvider, 3, []);
    run.warmUp();
    run.measureRound();
    run.measureRound();
    const { parameters, figures, parts } = run.result();
    const { handshakesPerCpuSecond = 0, cpuSeconds = 0, primitivesSeconds = 0, ratioToPrimitives = 0 } = figures;
    expect(parameters).toMatchObject({ provider: 'openssl', rounds: 2, handshakes: 3 });
    expect(cpuSeconds).toBeGreaterThan(0);
    expect(primitivesSeconds).toBeGreaterThan(0);
    expect(handshakesPerCpuSecond).toBeCloseTo(3 / cpuSeconds);
    expect(ratioToPrimitives).toBeCloseTo(cpuSeconds / primitivesSeconds);
    const counts = parts?.rows.map(({ count }) => Number(count)) ?? [];
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(32);
  });
});
