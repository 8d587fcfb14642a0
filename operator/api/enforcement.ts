import * as z from 'zod';

/** Whether packets without an SA pass in plaintext or are dropped, by direction. */
export const enforcement = z.object({
  outbound: z.enum(['Optional', 'Required']).describe('What a node sends.'),
  inbound: z.enum(['Optional', 'Required']).describe('What a node receives and forwards.'),
});
