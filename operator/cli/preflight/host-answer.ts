import * as z from 'zod';

/** What `agent preflight --json` prints; agents of other versions may say more or less. */
export const hostAnswer = z.object({
  version: z.string().default('of another version'),
  kernel: z.string().default(''),
  checks: z
    .array(
      z.object({
        name: z.string(),
        state: z.enum(['ok', 'doubtful', 'wrong', 'unknown']),
        short: z.string(),
        text: z.string(),
        remedy: z.string().optional(),
      }),
    )
    .max(100),
  interfaces: z.array(z.object({ name: z.string(), mtu: z.number(), addresses: z.array(z.string()) })).default([]),
  wallMs: z.number().optional(),
});

export type HostAnswer = z.output<typeof hostAnswer>;

/** How far a clock is ahead, and how far that may be wrong. */
export interface ClockOffset {
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
}
