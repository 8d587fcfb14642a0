import type { CloseReason, CredentialKind, Fact } from '../../ike/fact.ts';
import { timeText } from '../../pki/utc-time.ts';
import { assertNever } from '../../result.ts';
import { durationText } from '../config/scalars.ts';
import { closeRemedy } from './close-remedy.ts';
import { arrivalFault } from './peer-verdict.ts';

/** What became of a peer or of the node, as people want to see it in a list. */
export interface FactEvent {
  /** One word, for programs and for whoever skims. */
  readonly what:
    | 'Established'
    | 'Rekeyed'
    | 'Closed'
    | 'Lost'
    | 'Failed'
    | 'RekeyFailed'
    | 'Moved'
    | 'Expired'
    | 'Repaired'
    | 'NotArriving'
    | 'Arriving'
    | 'FellBackToUDP'
    | 'Revoked'
    | 'Credential'
    | 'KernelRefused'
    | 'Flood'
    | 'FloodOver';
  /** Somebody may have to do something. */
  readonly isTrouble: boolean;
  /** Empty where it concerns the whole node, or a stranger. */
  readonly peer: string;
  /** What happened, and what to do. */
  readonly text: string;
}

/**
 * A fact as a transition; undefined for single steps of the protocol and for what another fact tells, such as the end of an SA
 * that has a successor.
 */
export function factEvent(fact: Fact): FactEvent | undefined {
  switch (fact.kind) {
    case 'ikeSaEstablished': {
      const { role, suite, handshakeMs } = fact;
      return routine('Established', fact, `IKE SA as ${role}, ${suite}, in ${Math.round(handshakeMs)} ms`);
    }
    case 'ikeSaRekeyed':
      return routine('Rekeyed', fact, `IKE SA, asked for by ${fact.role === 'initiator' ? 'us' : 'the peer'}`);
    case 'childSaRekeyed':
      return routine('Rekeyed', fact, `${fact.child}, asked for by ${fact.by === 'us' ? 'us' : 'the peer'}`);
    case 'ikeSaClosed':
      return closed(fact);
    case 'negotiationFailed':
      return trouble('Failed', fact, fact.text);
    case 'rekeyFailed': {
      const sa = fact.child === '' ? 'IKE SA' : fact.child;
      const text = `${sa}: ${fact.reason}; a new IKE SA is negotiated, what is there stays in use`;
      return trouble('RekeyFailed', fact, text);
    }
    case 'peerMoved': {
      const { remoteAddress, remotePort } = fact.to;
      return routine('Moved', fact, `behind its NAT the peer is at ${remoteAddress}[${remotePort}] from here on`);
    }
    case 'saExpired':
      if (!fact.hard) return undefined;
      return trouble('Expired', fact, `${fact.child} was not replaced in time; look for failures before this`);
    case 'saTampered':
      return trouble(
        'Repaired',
        fact,
        `${fact.child}: another program has deleted or replaced an SA; a new pair is made`,
      );
    case 'policyRestored': {
      const text = `another program has removed the ${fact.object}, which was put back: see who else administers IPsec here`;
      return trouble('Repaired', NODE, text);
    }
    case 'arrivalChanged': {
      const fault = arrivalFault(fact, undefined);
      if (fault === undefined) return routine('Arriving', fact, `${fact.child}: packets get through again`);
      return trouble('NotArriving', fact, `${fact.child}: ${fault.message}`);
    }
    case 'espFallback': {
      const text = 'ESP does not arrive and goes in UDP from here on: let IP protocol 50 through on the path';
      return trouble('FellBackToUDP', fact, text);
    }
    case 'peerRevoked':
      return trouble('Revoked', fact, fact.text);
    case 'credentialHeldBack':
      return trouble('Credential', NODE, `${fact.text}; what was read before stays in use`);
    case 'credentialTaken':
      return routine(
        'Credential',
        NODE,
        `${CREDENTIALS[fact.what]} ${fact.name} is in use, until ${timeText(fact.notAfterMs)}`,
      );
    case 'credentialEnding': {
      const left = fact.leftMs > 0 ? `ends in ${durationText(fact.leftMs)}` : 'has ended';
      return trouble(
        'Credential',
        NODE,
        `${CREDENTIALS[fact.what]} ${fact.name} ${left}: put its successor into ${fact.file}`,
      );
    }
    case 'dataplaneFailed':
      return trouble('KernelRefused', fact, `${fact.error.object}: ${fact.error.message} (${fact.error.errno})`);
    case 'cookiesDemanded': {
      if (!fact.demanded) return routine('FloodOver', NODE, 'peers need not prove their addresses any more');
      const text = `${fact.halfOpen} IKE SAs are half open: strangers have to prove their addresses first, known peers get through`;
      return trouble('Flood', NODE, text);
    }
    case 'childSaEstablished':
    case 'childSaClosed':
    case 'reauthenticationDemanded':
    case 'rekeyPostponed':
    case 'collision':
    case 'retransmitted':
    case 'livenessChecked':
    case 'datagramDropped':
    case 'responseReplayed':
    case 'natDetected':
    case 'notifyIgnored':
    case 'pathMtuFound':
    case 'acquired':
    case 'orphanRemoved':
      return undefined;
    default:
      return assertNever(fact);
  }
}

function closed(fact: Extract<Fact, { kind: 'ikeSaClosed' }>): FactEvent | undefined {
  // Why an attempt came to nothing is told by a negotiationFailed of its own.
  if (!fact.established) return undefined;
  const remedy = closeRemedy(fact.reason);
  if (remedy !== undefined) return trouble('Lost', fact, `${fact.reason}: ${remedy}`);
  const text = ENDS[fact.reason];
  return text === undefined ? undefined : routine('Closed', fact, text);
}

function routine(what: FactEvent['what'], { connection }: About, text: string): FactEvent {
  return { what, isTrouble: false, peer: connection, text };
}

function trouble(what: FactEvent['what'], { connection }: About, text: string): FactEvent {
  return { what, isTrouble: true, peer: connection, text };
}

interface About {
  readonly connection: string;
}

const NODE: About = { connection: '' };
const CREDENTIALS: Readonly<Record<CredentialKind, string>> = {
  own: 'our certificate for',
  authority: 'authority',
  revocationList: 'revocation list of',
};
/** Of what has a successor nobody wants to know that it has ended. */
const ENDS: Partial<Readonly<Record<CloseReason, string>>> = {
  deletedByPeer: 'the peer has ended the IKE SA',
  refusedByPeer: 'the peer has given the IKE SA up, because it did not accept our proof or a message of ours',
  deletedLocally: 'we have ended the IKE SA',
};
