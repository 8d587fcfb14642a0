import { createHash } from 'node:crypto';

import type { InstalledPolicy } from '../../dataplane/types.ts';
import { DEFAULT_LIMITS } from '../../ike/limits.ts';
import { childConfig, connectionConfig, type Datagram, LIVENESS, Pair, type Side } from '../../ike/testing/pair.ts';
import type { Command } from '../../ike/types.ts';
import { decodeHeader } from '../../wire/header.ts';
import { historyText, type Order, type Plan, type Selected, type SideFacts, type SideName, type Step } from './step.ts';

/** Two real endpoints with their SAs, a fake kernel each, and the datagrams between them. */
export class Situation {
  readonly #plan: Plan;
  readonly #note: (side: SideName, history: string, facts: SideFacts) => void;
  readonly #pair: Pair;
  readonly #given = { left: 0, right: 0 };
  readonly #histories = { left: '', right: '' };
  readonly #wire: Datagram[] = [];
  readonly #selections: Record<SideName, Selected[]> = { left: [], right: [] };
  #hasLost = false;

  /** `note` is told what a side is in after each thing that it takes in. */
  constructor(plan: Plan, note: (side: SideName, history: string, facts: SideFacts) => void) {
    this.#plan = plan;
    this.#note = note;
    this.#pair = new Pair({ seeds: plan.seeds }).configure().settle().advance(STANDING_MS);
    for (const side of ['left', 'right'] as const) this.#noteFacts(side, []);
  }

  get at(): number {
    return this.#pair.at;
  }

  /** Lets something happen. */
  take(step: Step): void {
    const pair = this.#pair;
    if (step.kind === 'wait') pair.at = step.until;
    else if (step.kind === 'lose') {
      this.#takeOff(step.datagram);
      this.#hasLost = true;
    } else {
      this.#histories[step.side] += historyText(pair.at, step);
      this.#happen(step);
      const sent = pair.wire.splice(0);
      this.#wire.push(...sent);
      this.#noteFacts(step.side, sent.map(datagramText));
    }
  }

  /** Lets all deadlines pass, and says what is not as it should be then. */
  atRest(): string | undefined {
    const pair = this.#pair;
    const restSeconds = (this.#hasLost ? LONGEST_REST_MS : REST_MS) / 1_000;
    for (let second = 1; second <= restSeconds; second += 1) {
      pair.advance(1_000);
      const lost = lostPacket(pair);
      if (lost !== undefined && second > RECOVERY_S) return `${second} s later ${lost}`;
    }
    return unlike(pair) ?? leftover(pair);
  }

  #happen(step: Extract<Step, { readonly side: SideName }>): void {
    const pair = this.#pair;
    const side = pair[step.side];
    switch (step.kind) {
      case 'order': {
        const order = this.#plan[step.side][this.#given[step.side]];
        if (order === undefined) throw new Error('all orders have been given');
        this.#given[step.side] += 1;
        pair.command(side, commandOf(order, side, pair.other(side)));
        return;
      }
      case 'fire':
        fire(pair, side);
        return;
      case 'deliver':
        pair.deliverCopy(this.#takeOff(step.datagram));
    }
  }

  #takeOff(text: string): Datagram {
    const index = this.#wire.findIndex((datagram) => datagramText(datagram) === text);
    const [datagram] = this.#wire.splice(index, 1);
    if (index < 0 || datagram === undefined) throw new Error(`${text} is not under way`);
    return datagram;
  }

  #noteFacts(name: SideName, sent: readonly string[]): void {
    const pair = this.#pair;
    const side = pair[name];
    this.#select(name);
    this.#note(name, this.#histories[name], {
      sent,
      deadline: side.endpoint.nextDeadline(),
      selections: [...this.#selections[name]],
      outbound: pair.outbound(side).map(({ id }) => id.spi),
      inbound: new Map(
        pair.sas(side).flatMap(({ id, reqid }) => (id.destination === side.address ? [[id.spi, reqid]] : [])),
      ),
      wanted: policyOf(pair, side, 'in')?.template?.reqid,
    });
  }

  #select(name: SideName): void {
    const { at } = this.#pair;
    const selections = this.#selections[name];
    const now = selected(this.#pair, this.#pair[name]);
    const last = selections.at(-1);
    if (last?.spi === now && last?.leftAt === undefined) return;
    if (last !== undefined && last.leftAt === undefined) selections[selections.length - 1] = { ...last, leftAt: at };
    const only = this.#pair.outbound(this.#pair[name]).length === 1;
    if (now !== undefined) selections.push({ spi: now, only, leftAt: undefined });
  }
}

function commandOf(order: Order, side: Side, peer: Side): Command {
  const { name } = peer;
  switch (order) {
    case 'changeTraffic': {
      // UDP, which is what is watched, and one more protocol, of all that there was.
      const traffic = [UDP, 6].map((protocol) => ({ protocol, fromPort: 0, toPort: 65_535 }));
      const children = [childConfig({ local: traffic, remote: traffic })];
      return { kind: 'updateConnection', connection: connectionConfig(side, peer, { children }) };
    }
    case 'rekeyChild':
    case 'terminateChild':
      return { kind: order, name, child: 'hosts' };
    default:
      return { kind: order, name };
  }
}

function fire(pair: Pair, side: Side): void {
  for (let count = 0; (side.endpoint.nextDeadline() ?? Number.POSITIVE_INFINITY) <= pair.at; count += 1) {
    if (count > MOST_DEADLINES) throw new Error('a deadline stays due');
    pair.handle(side, { kind: 'deadline' });
  }
}

/** Its header for people, and a hash of all of it, so that only equal ones are taken for equal. */
function datagramText({ from, bytes }: Datagram): string {
  const header = decodeHeader(bytes);
  if (!header.ok) throw new Error('an endpoint sends what is no message');
  const { initiatorSpi, exchangeType, flags, messageId } = header.value;
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, HASH_DIGITS);
  const kind = flags.response ? 'response' : 'request';
  return `${from.name}: ${EXCHANGES[exchangeType]} ${kind} ${messageId} of ${initiatorSpi}, ${hash}`;
}

/** The SA that a side's next packet leaves on; undefined where it would not leave. */
function selected(pair: Pair, side: Side): number | undefined {
  const spi = policyOf(pair, side, 'out')?.template?.spi ?? 0;
  const outbound = pair.outbound(side);
  return spi === 0 ? outbound.at(-1)?.id.spi : outbound.find(({ id }) => id.spi === spi)?.id.spi;
}

/** The policy for what is watched, which is UDP: of several the first by priority. */
function policyOf(pair: Pair, side: Side, direction: 'in' | 'out'): InstalledPolicy | undefined {
  const fitting = pair.policies(side).filter(({ direction: own, selector: { protocol } }) => {
    return own === direction && (protocol === UDP || protocol === 0);
  });
  return fitting.toSorted((left, right) => left.priority - right.priority)[0];
}

function lostPacket(pair: Pair): string | undefined {
  for (const side of [pair.left, pair.right]) {
    const fate = pair.packet(side);
    if (fate !== 'encrypted') return `a packet of the ${side.name} is ${fate}`;
  }
  return undefined;
}

/** Both ends have one IKE SA with one Child SA, the same, with the same keys. */
function unlike(pair: Pair): string | undefined {
  const [left = [], right = []] = [pair.left, pair.right].map((side) => pair.status(side).ikeSas);
  const names = [left, right].map((sas) => sas.map((sa) => `${sa.initiatorSpi} ${sa.responderSpi} ${sa.state}`).join());
  if (left.length !== 1 || names[0] !== names[1]) return `the IKE SAs are ${names.join(' and ')}`;
  const [ours = [], theirs = []] = [left, right].map(([sa]) => sa?.children);
  const same = ours[0]?.inboundSpi === theirs[0]?.outboundSpi && ours[0]?.outboundSpi === theirs[0]?.inboundSpi;
  if (ours.length !== 1 || theirs.length !== 1 || !same) return `${ours.length} and ${theirs.length} Child SAs, unlike`;
  for (const side of [pair.left, pair.right]) {
    for (const { id } of pair.outbound(side)) {
      const [mine, other] = [side, pair.other(side)].map((each) => each.kernel.kernel.states.find(id));
      if (mine === undefined || mine.fingerprint !== other?.fingerprint) return 'the keys differ';
    }
  }
  return undefined;
}

/** Nothing is left of what has been replaced. */
function leftover(pair: Pair): string | undefined {
  for (const side of [pair.left, pair.right]) {
    const sas = pair.sas(side).length;
    if (sas !== 2) return `the ${side.name} has ${sas} SAs in its kernel`;
    const { espSpis, ikeSas, queuedRequests } = side.endpoint.status(pair.at).tables;
    if (espSpis !== 1 || ikeSas !== 1 || queuedRequests !== 0) {
      return `the ${side.name} remembers ${ikeSas} IKE SAs, ${espSpis} SPIs, ${queuedRequests} requests`;
    }
  }
  return undefined;
}

const EXCHANGES: Readonly<Record<number, string>> = {
  34: 'IKE_SA_INIT',
  35: 'IKE_AUTH',
  36: 'CREATE_CHILD_SA',
  37: 'INFORMATIONAL',
};
const HASH_DIGITS = 12;
const UDP = 17;
const STANDING_MS = 1_000;
/**
 * As long as anything may stay that is out of use where everything has arrived: a pair that has been replaced is deleted
 * after a while, an IKE SA that is there twice as well; behind that a grace, and one in which the kernel's counter is watched.
 */
const REST_MS = DEFAULT_LIMITS.rekeyedGraceMs + DEFAULT_LIMITS.duplicateGraceMs + 2 * DEFAULT_LIMITS.supersededGraceMs;
/**
 * Where something was lost: a peer that never answers a Delete may believe in the IKE SA until it has found it dead; behind
 * that the same.
 */
const LONGEST_REST_MS =
  DEFAULT_LIMITS.deleteTimeoutMs +
  LIVENESS.intervalMs +
  DEFAULT_LIMITS.retransmitFirstMs +
  LIVENESS.timeoutMs +
  2 * DEFAULT_LIMITS.supersededGraceMs;
/** What has been ended by order is back by then. */
const RECOVERY_S = 20;
const MOST_DEADLINES = 50;
