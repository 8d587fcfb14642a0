import type { Known } from '../diagnosis/known.ts';
import { lackText } from '../diagnosis/known.ts';
import type { ProbeAnswer, TargetAnswer } from './probe-answer.ts';
import type { ProbePair, Untried, UntriedCode } from './probe-plan.ts';

/** What the probes between two nodes have shown. */
export interface PairVerdict {
  readonly nodes: readonly [string, string];
  readonly what: string;
  readonly state: 'encrypted' | 'wrong' | 'unknown';
  /** One word for programs. */
  readonly code: VerdictCode;
  readonly text: string;
  readonly remedy?: string;
  /** Of each direction; absent where nothing could be learned of it. */
  readonly directions: readonly DirectionCounts[];
}

type VerdictCode =
  | UntriedCode
  | 'Proven'
  | 'NotAnswered'
  | 'NotSent'
  | 'NotEncrypted'
  | 'LostOnTheWay'
  | 'NotHandedOver'
  | 'AnswersLost';

/** Probes of one node to the other, by the counters of both kernels. */
export interface DirectionCounts {
  readonly from: string;
  readonly to: string;
  readonly sent: number;
  /** By the SAs of the sender. */
  readonly encrypted: number;
  /** By the same SAs at the receiver. */
  readonly decrypted: number | undefined;
  readonly received: number | undefined;
  readonly answered: number;
}

/** Judges a pair by what both ends have counted; `probes` were to be sent by each. */
export function pairVerdict(
  { name, nodes, what }: ProbePair,
  answers: ReadonlyMap<string, Known<ProbeAnswer>>,
  probes: number,
): PairVerdict {
  const [left, right] = nodes;
  const [leftAnswer, rightAnswer] = [answers.get(left), answers.get(right)];
  const base = { nodes, what };
  const [own, peer] = [leftAnswer, rightAnswer].map((answer) =>
    answer?.known === true ? answer.value.targets.find((target) => target.name === name) : undefined,
  );
  const lacking = [leftAnswer, rightAnswer].find((answer) => answer !== undefined && !answer.known);
  if (own === undefined || peer === undefined) {
    const text = lacking?.known === false ? lackText(lacking.lack) : 'one of the two agents has said nothing of it';
    const known = [
      ...(own === undefined ? [] : [countsOf(left, right, own, undefined)]),
      ...(peer === undefined ? [] : [countsOf(right, left, peer, undefined)]),
    ];
    return { ...base, state: 'unknown', code: 'NotTried', text, directions: known };
  }
  const directions = [countsOf(left, right, own, peer), countsOf(right, left, peer, own)];
  const errors = [leftAnswer, rightAnswer].map((answer) => (answer?.known === true ? answer.value.xfrmErrors : {}));
  const faults = [
    directionFault(left, right, own, peer, probes, errors[1] ?? {}),
    directionFault(right, left, peer, own, probes, errors[0] ?? {}),
  ].filter((fault) => fault !== undefined);
  const [fault] = faults.toSorted((one, other) => rankOf(one) - rankOf(other));
  if (fault !== undefined) return { ...base, state: 'wrong', ...fault, directions };
  const text = `${2 * probes} probes and ${2 * probes} answers, each decrypted at the other end by the SA that it was encrypted with`;
  return { ...base, state: 'encrypted', code: 'Proven', text, directions };
}

/** What could not be tried, or does not encrypt whatever was tried. */
export function untriedVerdict({ nodes, code, text }: Untried): PairVerdict {
  const base = { nodes, what: '', code, directions: [] };
  const [own, peer] = nodes;
  const why = `kubectl ikemesh why ${own} ${peer}`;
  switch (code) {
    case 'NotTried':
      return { ...base, state: 'unknown', text };
    case 'WaitingForTraffic': {
      const remedy = `send something from ${own} to ${peer}, such as a ping, and verify again`;
      return { ...base, state: 'unknown', text, remedy };
    }
    case 'NotEncrypting':
      return { ...base, state: 'wrong', text, remedy: why };
    case 'NoPeering':
    case 'UnknownToPeer':
    case 'NoChildSa':
      return { ...base, state: 'wrong', text: `${text}: nothing is encrypted`, remedy: why };
  }
}

interface Fault {
  readonly code: VerdictCode;
  readonly text: string;
  readonly remedy: string;
}

/** What is wrong with the probes of one end and their answers, at the earliest place on their way. */
function directionFault(
  from: string,
  to: string,
  sender: TargetAnswer,
  receiver: TargetAnswer,
  probes: number,
  errorsAtReceiver: Readonly<Record<string, number>>,
): Fault | undefined {
  const counts = countsOf(from, to, sender, receiver);
  const { encrypted, decrypted = 0, received = 0 } = counts;
  const why = `kubectl ikemesh why ${from} ${to}`;
  if (sender.probesSent < probes) {
    const errors = Object.entries(sender.refused).map(([error, count]) => `${error} ${count} times`);
    return {
      code: 'NotSent',
      text: `the kernel of ${from} would not send ${probes - sender.probesSent} of ${probes} probes to ${to} (${errors.join(', ')})`,
      remedy: `a policy blocks them for want of an SA, or there is no route: ${why}`,
    };
  }
  const all = sentBy(sender);
  if (encrypted < all) {
    return {
      code: 'NotEncrypted',
      text: `${from} sent ${all} packets to ${to}, and its SAs encrypted ${encrypted}: the others left in plaintext or not at all`,
      remedy: `see ip xfrm policy on ${from} for what lets them past, and whether UDP is exempt; or try another --port; ${why}`,
    };
  }
  if (decrypted < probes) {
    return {
      code: 'LostOnTheWay',
      text: `${from} encrypted ${probes} probes for ${to}, whose SA has decrypted ${decrypted}${errorText(errorsAtReceiver)}`,
      remedy: `open IP protocol 50 (ESP), or UDP 4500 where it goes in UDP, from ${from} to ${to}; ${why}`,
    };
  }
  if (received < probes) {
    return {
      code: 'NotHandedOver',
      text: `${to} has decrypted the probes of ${from}, and its host handed over ${received} of ${probes}${errorText(errorsAtReceiver)}`,
      remedy: `a packet filter of ${to} drops them behind IPsec: let their UDP port pass, or choose another by --port`,
    };
  }
  // What becomes of answers is judged as probes of the other end are; here it only shows that they are missing.
  if (sender.answersReceived < probes) {
    return {
      code: 'AnswersLost',
      text: `${to} has answered ${receiver.answersSent} of ${probes} probes of ${from}, and ${sender.answersReceived} answers arrived`,
      remedy: `see the way back from ${to} to ${from}: kubectl ikemesh why ${to} ${from}`,
    };
  }
  return undefined;
}

function countsOf(from: string, to: string, sender: TargetAnswer, receiver: TargetAnswer | undefined): DirectionCounts {
  const spis = new Set(sender.outbound.map(({ spi }) => spi));
  // Only what the same SA has decrypted is what the sender has encrypted.
  const decrypted = receiver?.inbound.filter(({ spi }) => spis.has(spi));
  return {
    from,
    to,
    sent: sender.probesSent,
    encrypted: total(sender.outbound),
    decrypted: decrypted === undefined ? undefined : total(decrypted),
    received: receiver?.probesReceived,
    answered: sender.answersReceived,
  };
}

function sentBy({ greetingsSent, probesSent, answersSent }: TargetAnswer): number {
  return greetingsSent + probesSent + answersSent;
}

function errorText(errors: Readonly<Record<string, number>>): string {
  const named = Object.entries(errors).map(([name, count]) => `${name} +${count}`);
  return named.length === 0 ? '' : ` (its kernel counts ${named.join(', ')})`;
}

function total(counts: TargetAnswer['inbound']): number {
  return counts.reduce((sum, { packets }) => sum + packets, 0);
}

/** Where on the way it is: what is wrong earlier explains what is missing later. */
function rankOf({ code }: Fault): number {
  return WAY.indexOf(code);
}

const WAY: readonly VerdictCode[] = ['NotSent', 'NotEncrypted', 'LostOnTheWay', 'NotHandedOver', 'AnswersLost'];
