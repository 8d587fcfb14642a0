import * as z from 'zod';

import { MAX_PROPOSALS } from './limits.ts';
import { espProposal, ikeProposal } from './proposal.ts';
import { ruled } from './rule.ts';
import { atomicList, byteCount, duration, mssClamp, shorter } from './scalars.ts';

const proposals = z.object({
  ike: atomicList(ikeProposal(), MAX_PROPOSALS)
    .min(1)
    .optional()
    .describe('For IKE SAs, the preferred first: `aes256gcm16-prfsha384-ecp384`.'),
  esp: atomicList(espProposal(), MAX_PROPOSALS)
    .min(1)
    .optional()
    .describe(
      'For Child SAs, the preferred first: `aes256gcm16-esn`; with a key exchange each rekey has one of its own.',
    ),
});

const lifetimes = ruled(
  z.object({
    ike: lifetime().default('4h').describe('When an IKE SA is rekeyed.'),
    child: lifetime().default('1h').describe('When a Child SA is rekeyed.'),
    childBytes: byteCount().default('64Gi').describe('After how many bytes a Child SA is rekeyed.'),
    maxAgentOutage: duration('0s', '168h', '1h')
      .default('1h')
      .describe('How long the kernel keeps an SA that no agent is there to replace.'),
    reauthentication: lifetime()
      .optional()
      .describe('How often both sides prove anew who they are; left out: when a certificate is renewed.'),
  }),
  shorter({ path: ['child'], of: ({ child }) => child }, { path: ['ike'], of: ({ ike }) => ike }),
);

const liveness = ruled(
  z.object({
    interval: duration('1s', '1h', '30s').default('30s').describe('After how long a silent peer is asked.'),
    timeout: duration('1s', '1h', '120s').default('120s').describe('After how long without an answer it is given up.'),
  }),
  shorter(
    { path: ['interval'], of: ({ interval }) => interval },
    { path: ['timeout'], of: ({ timeout }) => timeout },
    'OrEqual',
  ),
);

/** What is negotiated, and when it is renewed. */
export const ikeSettings = {
  proposals: proposals.optional().describe("Algorithms in strongSwan's syntax; left out: modern AEADs, and AES-CBC."),
  lifetimes: lifetimes.prefault({}).describe('How long keys are used.'),
  liveness: liveness.prefault({}).describe('How a dead peer is noticed.'),
  natTraversal: z
    .enum(['Auto', 'Always', 'Never'])
    .default('Auto')
    .describe('ESP in UDP: where a NAT is found or ESP itself does not arrive, always, or never.'),
  mssClamp: mssClamp()
    .default('Disabled')
    .describe(
      'The largest segment that TCP connections through the tunnels agree on, forwarded ones too: `Auto`, what fits by the path ' +
        'MTU; a number of bytes; or `Disabled`. For paths whose routers drop long packets without a word. The kernel needs nf_tables.',
    ),
  initiation: z
    .enum(['Always', 'OnDemand'])
    .default('Always')
    .describe('When SAs are made: at once, or for the first packet, which is then lost.'),
};

function lifetime() {
  return duration('60s', '168h', '4h');
}
