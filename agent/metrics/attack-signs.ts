import type { DropReason, Fact } from '../ike/fact.ts';

/** What attacks look like from here. */
export const ATTACK_SIGNS = [
  'halfOpenFlood',
  'authenticationFailure',
  'forgery',
  'replay',
  'downgrade',
  'unknownSpi',
  'unknownPeer',
] as const;

type AttackSign = (typeof ATTACK_SIGNS)[number];

/** Of which attack a fact may be a sign; undefined for what honest peers do every day. */
export function attackSign(fact: Fact): AttackSign | undefined {
  switch (fact.kind) {
    case 'datagramDropped':
      return SIGNS[fact.reason];
    case 'negotiationFailed':
      if (fact.reason === 'authenticationFailed') return 'authenticationFailure';
      // Somebody offered nothing that is good enough for us.
      return fact.reason === 'noProposalChosen' && fact.by === 'us' ? 'downgrade' : undefined;
    default:
      return undefined;
  }
}

const SIGNS: Readonly<Partial<Record<DropReason, AttackSign>>> = {
  halfOpenLimit: 'halfOpenFlood',
  cookieRequired: 'halfOpenFlood',
  cookieInvalid: 'halfOpenFlood',
  integrity: 'forgery',
  reflected: 'forgery',
  unprovedAddress: 'forgery',
  differentRetransmission: 'replay',
  unexpectedMessageId: 'replay',
  // An error or another version in the clear, where a protected message is due (RFC 7296 §2.21, §2.5).
  unauthenticatedNotify: 'downgrade',
  majorVersion: 'downgrade',
  unknownSpi: 'unknownSpi',
  unknownPeer: 'unknownPeer',
};
