import { describe, expect, it } from 'vitest';

import { opensslProvider } from '../../agent/crypto/openssl/openssl-provider.ts';
import { HandshakeRun, primitivesOfHandshakes } from './handshake.ts';
import { certificateProof, preSharedKeyProof } from './proof.ts';
import type { Primitive } from './record-primitives.ts';

describe('handshake bench', () => {
  it('gives handshakes per CPU-second and their ratio to the primitives timed in the same run', () => {
    const run = new HandshakeRun(opensslProvider, () => preSharedKeyProof, 3, []);
    run.warmUp();
    run.measureRound();
    run.measureRound();
    const { parameters, figures, parts } = run.result();
    const { handshakesPerCpuSecond = 0, cpuSeconds = 0, primitivesSeconds = 0, ratioToPrimitives = 0 } = figures;
    const { primitivesInPlaceSeconds = 0, ratioToPrimitivesInPlace = 0 } = figures;
    expect(parameters).toMatchObject({ provider: 'openssl', rounds: 2, handshakes: 3 });
    expect(cpuSeconds).toBeGreaterThan(0);
    expect(primitivesSeconds).toBeGreaterThan(0);
    expect(handshakesPerCpuSecond).toBeCloseTo(3 / cpuSeconds);
    expect(ratioToPrimitives).toBeCloseTo(cpuSeconds / primitivesSeconds);
    expect(primitivesInPlaceSeconds).toBeGreaterThan(0);
    expect(ratioToPrimitivesInPlace).toBeCloseTo(cpuSeconds / primitivesInPlaceSeconds);
    const counts = parts?.rows.map(({ count }) => Number(count)) ?? [];
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(32);
  });

  it('finds the same primitives in the same order in every handshake, which is how they are listed', () => {
    const names = primitivesOfHandshakes(opensslProvider, 3).map((primitives) => primitives.map(({ name }) => name));
    expect(names).toEqual([names[0], names[0], names[0]]);
    expect(names[0]).toHaveLength(32);
  });

  it('counts two signatures and four checks in a handshake with certificates, and no MAC in their place', () => {
    const [primitives = []] = primitivesOfHandshakes(opensslProvider, 1, (note) => certificateProof('ecdsaP256', note));
    const names = primitives
      .filter(({ kind }) => kind === 'signature' || kind === 'verification')
      .map(({ name }) => name);
    expect(names.sort()).toEqual([
      'ecdsaP256 signature',
      'ecdsaP256 signature',
      'ecdsaP256 verification of AUTH',
      'ecdsaP256 verification of AUTH',
      'ecdsaP256 verification of a certificate',
      'ecdsaP256 verification of a certificate',
    ]);
    const [byKey = []] = primitivesOfHandshakes(opensslProvider, 1);
    const hmacs = (list: readonly Primitive[]): number => list.filter(({ kind }) => kind === 'hmac').length;
    expect(hmacs(primitives)).toBeLessThan(hmacs(byKey));
    const run = new HandshakeRun(opensslProvider, (note) => certificateProof('ecdsaP256', note), 2, []);
    run.measureRound();
    expect(run.result().parameters).toMatchObject({ authentication: 'ecdsaP256 certificates' });
  });
});
