import { randomFillSync } from 'node:crypto';

import type { Random } from '../ports.ts';

/**
 * The host's generator of unpredictable bytes. A call of it costs as much for 4 bytes as for a thousand, and an IKE SA
 * wants a dozen small draws; so they are cut from a reserve. What was handed out is overwritten at once.
 */
export const systemRandom: Random = {
  fill(target) {
    if (target.length > RESERVE_BYTES) {
      randomFillSync(target);
      return;
    }
    if (target.length > RESERVE_BYTES - used) {
      randomFillSync(reserve);
      used = 0;
    }
    for (let i = 0; i < target.length; i++) {
      target[i] = reserve[used] as number;
      reserve[used++] = 0;
    }
  },
};

const RESERVE_BYTES = 1024;
const reserve = new Uint8Array(RESERVE_BYTES);
let used = RESERVE_BYTES;
