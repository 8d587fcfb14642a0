import { describe, expect, it } from 'vitest';
import { productionProviders } from './provider.ts';
import { missing, sharedJson } from './testing/shared-vectors.ts';
import { runEcdh } from './testing/wycheproof.ts';

const reason = missing('wycheproof');
const { VECTORS } = process.env;

/** Noble takes 5 to 8 ms for each derivation on the larger curves; VECTORS=all runs all of them nevertheless. */
const nobleStride = VECTORS === 'all' ? 1 : 4;

describe.skipIf(reason !== undefined)(`Wycheproof's ECDH vectors ${reason ?? ''}`, () => {
  describe.each(productionProviders)('with $name', (provider) => {
    const stride = provider.name === 'noble' ? nobleStride : 1;
    it.each([
      { group: 'p256', file: 'wycheproof/ecdh_secp256r1_ecpoint_test.json', stride: 1, valid: 330, refused: 25 },
      { group: 'p384', file: 'wycheproof/ecdh_secp384r1_ecpoint_test.json', stride, valid: 771, refused: 19 },
      { group: 'p521', file: 'wycheproof/ecdh_secp521r1_ecpoint_test.json', stride, valid: 632, refused: 29 },
    ] as const)('on $group derive one in $stride of $valid secrets and refuse $refused points', (use) => {
      const counts = runEcdh(provider, use.group, sharedJson(use.file), use.stride);
      expect(counts).toEqual({ derived: Math.ceil(use.valid / use.stride), refused: use.refused });
    });
  });
});
