import * as z from 'zod';

const count = z.number().int().min(0);
const saCounts = z.array(z.object({ spi: z.string().max(16), packets: count })).max(1_000);

const target = z.object({
  name: z.string(),
  isHeard: z.boolean(),
  greetingsSent: count,
  probesSent: count,
  answersReceived: count,
  probesReceived: count,
  answersSent: count,
  refused: z.record(z.string(), count).default({}),
  outbound: saCounts,
  inbound: saCounts,
});

/** What `agent probe` prints. */
export const probeAnswer = z.object({
  targets: z.array(target).max(10_000),
  /** The kernel's IPsec errors that were added meanwhile, by name. */
  xfrmErrors: z.record(z.string(), count).default({}),
});

export type ProbeAnswer = z.output<typeof probeAnswer>;
export type TargetAnswer = ProbeAnswer['targets'][number];
