import type { CloseReason } from '../../ike/fact.ts';

/** What to do about an established IKE SA that ended so; undefined where that is in the course of things. */
export function closeRemedy(reason: CloseReason): string | undefined {
  return REMEDIES[reason];
}

const REMEDIES: Partial<Readonly<Record<CloseReason, string>>> = {
  peerDead: 'the peer no longer answers; is it running, and do UDP 500 and 4500 reach it?',
  protocolViolation: 'the peer broke the protocol; compare versions at both ends',
  dataplaneFailed: 'the kernel refused what was agreed; see the message before this',
  expired: 'its lifetime ended before it was replaced; look for failures before this',
};
