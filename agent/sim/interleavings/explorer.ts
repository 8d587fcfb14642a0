import { Situation } from './situation.ts';
import { historyText, type Plan, type SideFacts, type SideName, type Step } from './step.ts';

/*
 * Every order in which two endpoints that do things at the same time may hear of one another: depth first over which
 * order is given next, which datagram arrives, which deadline is noticed and which datagram is lost. Endpoints are
 * deterministic: what a side is in and what it sends depends only on what it has taken in. So each side is asked once
 * for each history of its own, and of two ways to the same histories of both one is followed.
 */

/** What came out: how many situations there are, how many ends, and how the first one that breaks a promise comes about. */
export interface Exploration {
  readonly situations: number;
  readonly ends: number;
  readonly violation: { readonly text: string; readonly steps: readonly string[] } | undefined;
}

/** Follows a plan in every order. `mostSituations` keeps a mistake from going on for ever. */
export function explore(plan: Plan, mostSituations = 10_000_000): Exploration {
  return new Explorer(plan, mostSituations).run();
}

/** Both sides' histories and what is under way between them. */
interface Joint {
  readonly at: number;
  readonly losses: number;
  /** How often time has passed although something was under way. */
  readonly waits: number;
  readonly given: Readonly<Record<SideName, number>>;
  readonly histories: Readonly<Record<SideName, string>>;
  readonly wire: readonly string[];
  readonly path: readonly Step[];
}

class Explorer {
  readonly #plan: Plan;
  readonly #mostSituations: number;
  readonly #seen = new Set<string>();
  /** Numbers of texts, which are long and many. */
  readonly #ids = new Map<string, number>();
  readonly #facts = { left: new Map<string, SideFacts>(), right: new Map<string, SideFacts>() };
  /** The endpoints that went last, and how far. */
  #last: { readonly situation: Situation; readonly path: readonly Step[] } | undefined;
  #ends = 0;
  #violation: Exploration['violation'];

  constructor(plan: Plan, mostSituations: number) {
    this.#plan = plan;
    this.#mostSituations = mostSituations;
  }

  run(): Exploration {
    const { at } = this.#follow([]);
    const given = { left: 0, right: 0 };
    this.#explore({ at, losses: 0, waits: 0, given, histories: { left: '', right: '' }, wire: [], path: [] });
    return { situations: this.#seen.size, ends: this.#ends, violation: this.#violation };
  }

  #explore(here: Joint): void {
    const { at, losses, waits, histories, wire } = here;
    const key = [at, losses, waits, ...[histories.left, histories.right, ...wire].map((text) => this.#id(text))].join();
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    if (this.#seen.size > this.#mostSituations) this.#fail('there are more situations than can be', here);
    const broken = this.#broken(here);
    if (broken !== undefined) this.#fail(broken, here);
    const choices = this.#choices(here);
    if (choices.length === 0) this.#end(here);
    for (const step of choices) {
      if (this.#violation !== undefined) return;
      this.#explore(this.#after(here, step));
    }
  }

  #id(text: string): number {
    const id = this.#ids.get(text) ?? this.#ids.size;
    this.#ids.set(text, id);
    return id;
  }

  #end(here: Joint): void {
    this.#ends += 1;
    const text = this.#follow(here.path).atRest();
    // They are older than the way is long.
    this.#last = undefined;
    if (text !== undefined) this.#fail(text, here);
  }

  /** What can happen next; nothing where all has been said and heard. */
  #choices({ at, losses, waits, given, histories, wire }: Joint): readonly Step[] {
    const steps: Step[] = [];
    const deadlines = SIDES.map((side) => this.#factsOf(side, histories[side]).deadline ?? Number.POSITIVE_INFINITY);
    for (const [index, side] of SIDES.entries()) if ((deadlines[index] ?? 0) <= at) steps.push({ kind: 'fire', side });
    const isDue = steps.length > 0;
    for (const side of SIDES) if (given[side] < this.#plan[side].length) steps.push({ kind: 'order', side });
    const different = [...new Set(wire)];
    for (const datagram of different) steps.push({ kind: 'deliver', side: receiverOf(datagram), datagram });
    if (losses < this.#plan.losses) for (const datagram of different) steps.push({ kind: 'lose', datagram });
    // Whoever waits for what is lost asks again when nothing is under way, or once for each loss while something is.
    const until = Math.min(...deadlines);
    const mayWait = losses > 0 && !isDue && until <= at + LONGEST_WAIT_MS && (wire.length === 0 || waits < losses);
    if (mayWait) steps.push({ kind: 'wait', until });
    return steps;
  }

  #after(here: Joint, step: Step): Joint {
    const { at, losses, given, histories, wire } = here;
    const path = [...here.path, step];
    if (step.kind === 'wait') {
      return { ...here, at: step.until, waits: wire.length === 0 ? here.waits : here.waits + 1, path };
    }
    const rest = step.kind === 'deliver' || step.kind === 'lose' ? without(wire, step.datagram) : wire;
    if (step.kind === 'lose') return { ...here, losses: losses + 1, wire: rest, path };
    const { side } = step;
    const history = `${histories[side]}${historyText(at, step)}`;
    if (!this.#facts[side].has(history)) this.#follow(path);
    return {
      at,
      losses,
      waits: here.waits,
      given: step.kind === 'order' ? { ...given, [side]: given[side] + 1 } : given,
      histories: { ...histories, [side]: history },
      wire: [...rest, ...this.#factsOf(side, history).sent].sort(),
      path,
    };
  }

  /** A packet that is sent now, or was as long ago as the network may take, finds its SA. */
  #broken({ at, histories }: Joint): string | undefined {
    for (const side of SIDES) {
      const other = side === 'left' ? 'right' : 'left';
      const sender = this.#factsOf(side, histories[side]);
      const receiver = this.#factsOf(other, histories[other]);
      for (const { spi, only, leftAt } of sender.selections) {
        if (leftAt !== undefined && leftAt + LONGEST_DELAY_MS < at) continue;
        const reqid = receiver.inbound.get(spi);
        if (reqid === undefined && this.#isExcused(sender, receiver, only)) continue;
        const when = leftAt === undefined ? 'sends' : 'has just sent';
        if (reqid === undefined) return `the ${side} ${when} on ${spi.toString(16)}, which the ${other} does not have`;
        if (reqid !== receiver.wanted) return `${spi.toString(16)} has another reqid than the ${other} wants`;
      }
    }
    return undefined;
  }

  /**
   * Where an order has ended what there was, a responder sends on the first pair that it grants, which the initiator has
   * only when the answer has come: there is nothing else to send on.
   */
  #isExcused(sender: SideFacts, receiver: SideFacts, only: boolean): boolean {
    const ends = [...this.#plan.left, ...this.#plan.right].some((order) => order.startsWith('terminate'));
    return ends && (only || !sender.outbound.some((spi) => receiver.inbound.has(spi)));
  }

  #factsOf(side: SideName, history: string): SideFacts {
    const facts = this.#facts[side].get(history);
    if (facts === undefined) throw new Error('an endpoint does not do the same again');
    return facts;
  }

  /** Real endpoints go the way, those that have come some of it already if there are any; what they are in on it is noted. */
  #follow(path: readonly Step[]): Situation {
    const last = this.#last?.path.every((step, index) => step === path[index]) ? this.#last : undefined;
    const note = (side: SideName, history: string, facts: SideFacts): void => {
      this.#facts[side].set(history, facts);
    };
    const situation = last?.situation ?? new Situation(this.#plan, note);
    for (const step of path.slice(last?.path.length ?? 0)) situation.take(step);
    this.#last = { situation, path };
    return situation;
  }

  #fail(text: string, { path }: Joint): void {
    this.#violation ??= { text, steps: path.map((step) => stepText(step, this.#plan)) };
  }
}

/** A datagram's text begins with its sender. */
function receiverOf(datagram: string): SideName {
  return datagram.startsWith('left') ? 'right' : 'left';
}

function without(wire: readonly string[], datagram: string): readonly string[] {
  const index = wire.indexOf(datagram);
  return [...wire.slice(0, index), ...wire.slice(index + 1)];
}

function stepText(step: Step, plan: Plan): string {
  switch (step.kind) {
    case 'order':
      return `${step.side} gets its next order of ${plan[step.side].join(', ')}`;
    case 'deliver':
      return `${step.side} hears ${step.datagram}`;
    case 'fire':
      return `${step.side} notices a deadline`;
    case 'lose':
      return `lost: ${step.datagram}`;
    case 'wait':
      return `time passes until ${step.until}`;
  }
}

const SIDES: readonly SideName[] = ['left', 'right'];
/** A request is repeated within this. */
const LONGEST_WAIT_MS = 3_000;
/** What a packet may take from end to end: less than the grace of an SA that has been replaced. */
const LONGEST_DELAY_MS = 3_000;
