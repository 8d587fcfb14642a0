import { randomFillSync } from 'node:crypto';

import type { Random } from '../ports.ts';

/** The host's generator of unpredictable bytes. */
export const systemRandom: Random = {
  fill(target) {
    randomFillSync(target);
  },
};
