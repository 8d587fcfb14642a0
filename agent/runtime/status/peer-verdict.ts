import type { InboundArrival, OutboundArrival } from '../../ike/child/arrival.ts';
import type { ConnectionConfig } from '../../ike/types.ts';
import type { ChildSaReport, IkeSaReport, PeerReport } from './report.ts';

/** Why a peer's state is as it is, in one word for programs. */
export type PeerReason =
  /** Packets of both directions get through: our kernel has counted theirs, and the peer has counted ours. */
  | 'Proven'
  /** The same in UDP, because ESP itself does not arrive. */
  | 'FellBackToUDP'
  /** SAs and policies are there; no packet has shown yet that they work, or the peer does not tell. */
  | 'Unproven'
  /** Requests of ours are not answered, though packets may come. */
  | 'PeerSilent'
  /** What we send does not arrive. */
  | 'NotArriving'
  /** What we send arrives, and the peer cannot decrypt it. */
  | 'PeerCannotDecrypt'
  /** We cannot decrypt what comes. */
  | 'CannotDecrypt'
  /** There are SAs, or none are needed yet, and a policy that was ordered is not in the kernel as it was. */
  | 'PolicyMissing'
  /** An SA that was negotiated is not in the kernel. */
  | 'SAMissing'
  /** There is an IKE SA, but not every Child SA. */
  | 'NoChildSA'
  | 'Connecting'
  /** SAs are made for traffic, and there was none. */
  | 'WaitingForTraffic'
  /** Nobody knows its address: its host name does not resolve. */
  | 'NameUnresolved'
  | 'NotEstablished';

/** How a peer stands. */
export interface PeerVerdict {
  readonly state: PeerReport['state'];
  readonly reason: PeerReason;
  /** A sentence for people. */
  readonly message: string;
}

/** What a verdict is about. */
export interface VerdictInputs {
  readonly ikeSas: readonly IkeSaReport[];
  readonly config: ConnectionConfig | undefined;
  /** ESP itself does not arrive, and so goes in UDP. */
  readonly espInUdp: boolean;
  /** Policies that the kernel lacks, in words. */
  readonly missingPolicies: readonly string[];
  readonly lastFailure: string | undefined;
  /** Why the kernel did not say what it has. */
  readonly kernelFailure: string | undefined;
}

/** Encrypting is what the kernel's counters and the peer confirm, not what was negotiated. */
export function peerVerdict({
  ikeSas,
  config,
  espInUdp,
  missingPolicies,
  lastFailure,
  kernelFailure,
}: VerdictInputs): PeerVerdict {
  const reported = lastFailure === undefined ? '' : `: ${lastFailure}`;
  const lacking =
    missingPolicies.length === 0 ? undefined : `not in the kernel as ordered: ${missingPolicies.join(', ')}`;
  // Without SAs these policies are all that keeps packets from leaving in plaintext.
  const why = lacking === undefined ? reported : `${reported}; ${lacking}`;
  const established = ikeSas.filter(({ state }) => state === 'established');
  if (established.length === 0) {
    if (ikeSas.length > 0)
      return { state: 'connecting', reason: 'Connecting', message: `the IKE SA is being negotiated${why}` };
    if (config?.initiation === 'onDemand' && lastFailure === undefined && lacking !== undefined)
      return { state: 'down', reason: 'PolicyMissing', message: lacking };
    if (config?.initiation === 'onDemand' && lastFailure === undefined)
      return { state: 'idle', reason: 'WaitingForTraffic', message: 'there is no IKE SA: the first packet makes one' };
    return { state: 'down', reason: 'NotEstablished', message: `there is no IKE SA${why}` };
  }
  if (kernelFailure !== undefined) {
    const message = `the kernel does not say what it has: ${kernelFailure}`;
    return { state: 'established', reason: 'SAMissing', message };
  }
  const children = established.flatMap((sa) => sa.children).filter(({ state }) => state === 'installed');
  const pairs: ChildSaReport[] = [];
  for (const { name } of config?.children ?? []) {
    const own = children.filter((child) => child.name === name);
    const [fault] = own.map(pairFault).filter((each) => each !== undefined);
    const working = own.find((child) => pairFault(child) === undefined);
    if (working !== undefined) pairs.push(working);
    else if (fault !== undefined) return { state: 'established', ...fault };
    else return { state: 'established', reason: 'NoChildSA', message: `there is an IKE SA, but no ${name}${why}` };
  }
  if (config === undefined)
    return { state: 'established', reason: 'NoChildSA', message: 'it is not configured any more' };
  if (lacking !== undefined) return { state: 'established', reason: 'PolicyMissing', message: `${lacking}${reported}` };
  return silence(established, pairs) ?? proof(pairs, espInUdp);
}

type Fault = Omit<PeerVerdict, 'state'>;

function pairFault({ name, inbound, outbound, arrival, udpEncapsulation }: ChildSaReport): Fault | undefined {
  const missing = [inbound, outbound].find(({ installed }) => !installed);
  if (missing !== undefined)
    return {
      reason: 'SAMissing',
      message: `${name}: SA ${missing.spi} to ${missing.destination} is not in the kernel`,
    };
  const fault = arrival && arrivalFault(arrival, udpEncapsulation);
  return fault && { ...fault, message: `${name}: ${fault.message}` };
}

/** Why packets do not get through, as far as counters tell; undefined where nothing says that they do not. */
export function arrivalFault(
  { inbound, outbound }: { readonly inbound: InboundArrival; readonly outbound: OutboundArrival },
  udpEncapsulation: boolean | undefined,
): Fault | undefined {
  if (inbound === 'undecryptable')
    return {
      reason: 'CannotDecrypt',
      message: 'what comes was not made with the keys of our SA; the pair is replaced',
    };
  if (outbound === 'undecryptable')
    return { reason: 'PeerCannotDecrypt', message: 'the peer cannot decrypt what we send; the pair is replaced' };
  if (outbound !== 'lost') return undefined;
  const what = udpEncapsulation === true ? 'ESP in UDP (port 4500)' : 'ESP (IP protocol 50)';
  return {
    reason: 'NotArriving',
    message: `the peer answers IKE and counts none of the packets that we send: is ${what} let through on the path?`,
  };
}

/** The peer's kernel may go on although its agent does not. */
function silence(established: readonly IkeSaReport[], pairs: readonly ChildSaReport[]): PeerVerdict | undefined {
  const [newest] = established.toSorted((one, other) => one.ageSeconds - other.ageSeconds);
  const { unansweredSeconds, lastHeardSeconds } = newest ?? {};
  if (unansweredSeconds === undefined || unansweredSeconds < SILENT_SECONDS) return undefined;
  const comes = pairs.every(({ arrival }) => (arrival?.receivedSeconds ?? Number.POSITIVE_INFINITY) < SILENT_SECONDS);
  const said = `the peer has not answered for ${unansweredSeconds} s, and was heard ${lastHeardSeconds} s ago`;
  const message = comes ? `${said}; packets come all the same` : `${said}: is it running, and is UDP let through?`;
  return { state: comes ? 'encrypting' : 'established', reason: 'PeerSilent', message };
}

function proof(pairs: readonly ChildSaReport[], espInUdp: boolean): PeerVerdict {
  for (const { name, arrival } of pairs) {
    const open = arrival === undefined ? 'the kernel has not been asked yet' : openQuestion(arrival);
    if (open !== undefined) return { state: 'encrypting', reason: 'Unproven', message: `${name}: ${open}` };
  }
  if (espInUdp && pairs.every(({ udpEncapsulation }) => udpEncapsulation)) {
    const message = 'packets get through in both directions in UDP; as ESP (IP protocol 50) they did not arrive';
    return { state: 'encrypting', reason: 'FellBackToUDP', message };
  }
  return { state: 'encrypting', reason: 'Proven', message: 'packets get through in both directions' };
}

function openQuestion({ inbound, outbound }: NonNullable<ChildSaReport['arrival']>): string | undefined {
  if (outbound === 'unused') return inbound === 'unused' ? 'no packet has been sent yet' : 'we have sent nothing yet';
  if (outbound === 'unconfirmed') return 'the peer has not told what has arrived';
  return inbound === 'unused' ? 'nothing has come yet' : undefined;
}

/** Three repetitions of a request. */
const SILENT_SECONDS = 5;
