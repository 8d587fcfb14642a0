import { describe, expect, it } from 'vitest';
import { seededRandom } from '../testing/pair.ts';
import { shortenedLimits, withinSequenceNumbers } from './rekey-time.ts';

const CONFIGURED = {
  softSeconds: 3_600,
  hardSeconds: 7_200,
  softBytes: 1_000_000,
  hardBytes: 2_000_000,
  softPackets: 10_000,
  hardPackets: 20_000,
} as const;

describe('soft limits', () => {
  it('end in the last fifth of what is configured, each SA at another moment, so that a mesh does not rekey in step', () => {
    const random = seededRandom(7);
    const drawn = Array.from({ length: 200 }, () => shortenedLimits(CONFIGURED, random));
    for (const limit of ['softSeconds', 'softBytes', 'softPackets'] as const) {
      const values = drawn.map((lifetime) => (lifetime[limit] ?? 0) / CONFIGURED[limit]);
      expect(Math.min(...values)).toBeGreaterThanOrEqual(0.8);
      expect(Math.max(...values)).toBeLessThanOrEqual(1);
      expect(Math.max(...values) - Math.min(...values)).toBeGreaterThan(0.15);
    }
  });

  it('are whole numbers, and limits that nobody set stay unset; hard ones stay as they are', () => {
    const random = seededRandom(7);
    expect(shortenedLimits({ hardSeconds: 60 }, random)).toEqual({ hardSeconds: 60 });
    for (let round = 0; round < 50; round += 1) {
      const { softSeconds = 0, hardSeconds } = shortenedLimits({ softSeconds: 7, hardSeconds: 60 }, random);
      expect([5, 6, 7]).toContain(softSeconds);
      expect(hardSeconds).toBe(60);
    }
  });
});

describe('an SA whose sequence numbers have 32 bits', () => {
  it('is replaced before they end, however many bytes it may carry', () => {
    const { softPackets = 0 } = withinSequenceNumbers({ softBytes: 2 ** 60 }, false);
    expect(softPackets).toBe(2 ** 31);
    expect(withinSequenceNumbers({ softPackets: 10 }, false)).toEqual({ softPackets: 10 });
    expect(withinSequenceNumbers({ softBytes: 2 ** 60 }, true)).toEqual({ softBytes: 2 ** 60 });
  });
});
