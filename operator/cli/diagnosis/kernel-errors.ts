import { type Finding, finding } from './finding.ts';
import type { End } from './view.ts';

/** What the kernel of a node drops, whoever has sent it or is to have it: it does not count by peers. */
export function kernelErrorFault({ name, host }: End): Finding | undefined {
  if (host?.known !== true) return undefined;
  for (const [counter, text, remedy] of ERRORS) {
    const added = host.value.errors[counter]?.added ?? 0;
    if (added === 0) continue;
    return finding(counter, `the kernel of ${name} ${text}: ${counter} grew by ${added} within a second`, remedy);
  }
  return undefined;
}

/** The kernel's IPsec errors (Documentation/networking/xfrm_proc.rst) that tell of a fault, the gravest first. */
const ERRORS: readonly (readonly [counter: string, text: string, remedy: string])[] = [
  [
    'XfrmInStateProtoError',
    'gets ESP that it cannot decrypt',
    'something on the path changes packets, or SAs have other keys: replace the agent of the peer',
  ],
  ['XfrmInStateModeError', 'gets ESP of another mode', 'set spec.traffic.mode alike on both sides'],
  [
    'XfrmInTmplMismatch',
    'drops packets that came without the encryption that policy demands',
    'somebody sends plaintext, or by an SA of other traffic: see whether all nodes have the same peerings',
  ],
  [
    'XfrmInNoPols',
    'drops plaintext that policy forbids',
    'a node sends plaintext: kubectl ikemesh status shows which is not ready',
  ],
  [
    'XfrmInNoStates',
    'gets ESP for SAs that it does not have',
    'a peer uses an SA that is gone here: kubectl ikemesh why for the peers; it ends with the liveness check',
  ],
  ['XfrmInStateSeqError', 'drops packets as replayed or too late', 'the network reorders or repeats packets'],
  [
    'XfrmOutNoStates',
    'drops packets because there is no SA yet',
    'a tunnel of a Required peering is not up: kubectl ikemesh why for the peers',
  ],
  ['XfrmOutPolBlock', 'drops packets because a policy blocks them', 'see ip xfrm policy for action block'],
  ['XfrmInPolBlock', 'drops received packets because a policy blocks them', 'see ip xfrm policy for action block'],
];
