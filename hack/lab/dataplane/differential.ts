import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';

import type { DataplaneEvent, KernelSnapshot } from '../../../agent/dataplane/types.ts';
import { FakeWorld } from './fake-world.ts';
import { type CommandStep, RandomLife, type Step } from './random-step.ts';
import type { RealWorld } from './real-world.ts';
import { ipsecNodes } from './world.ts';

/** What happened in a run without a difference. */
export interface Tally {
  readonly commands: number;
  readonly packets: number;
  /** Packets that came through an SA. */
  readonly encrypted: number;
  /** How packets ended and what events there were, and how often. */
  readonly fates: ReadonlyMap<string, number>;
}

/**
 * The same random commands and packets in the fake kernel and in the real one. After each, everything that can be seen
 * is compared: the answer, where the packet arrived, the counters of drops, all SAs with their counters, all policies,
 * the events. In the second half packets to west arrive twice. Throws at the first difference, with what led to it.
 */
export async function compareKernels(real: RealWorld, seed: number, steps: number): Promise<Tally> {
  const comparison = new Comparison(real);
  const life = new RandomLife(seed);
  while (comparison.history.length < steps / 2) {
    for (const step of life.next()) await comparison.take(step);
  }
  await comparison.duplicate();
  while (comparison.history.length < steps) {
    for (const step of life.next()) await comparison.take(step);
  }
  return comparison.tally();
}

class Comparison {
  readonly history: string[] = [];
  readonly #real: RealWorld;
  readonly #fake = new FakeWorld({ monotonicMs: () => performance.now(), wallMs: () => Date.now() });
  readonly #fates = new Map<string, number>();
  readonly #told = new Set<string>();
  #packets = 0;

  constructor(real: RealWorld) {
    this.#real = real;
  }

  async take(step: Step): Promise<void> {
    this.history.push(describe(step));
    await this.#leaveEdges();
    if (step.kind === 'command') await this.#command(step);
    else await this.#packet(step);
    for (const node of ipsecNodes) {
      const fakeEvents = await this.#fake.events(node);
      for (const { kind } of fakeEvents) this.#count(kind);
      const realEvents = await this.#real.events(node, fakeEvents.length);
      this.#compare(`events of ${node}`, this.#comparableEvents(fakeEvents), this.#comparableEvents(realEvents));
      for (const event of [...fakeEvents, ...realEvents]) this.#told.add(eventText(event));
      this.#compare(`objects of ${node}`, comparable(this.#fake.dump(node)), comparable(this.#real.dump(node)));
    }
  }

  /** From here on packets to west arrive twice. */
  async duplicate(): Promise<void> {
    this.history.push('packets from east arrive at west twice');
    await this.#fake.setDuplicating(true);
    await this.#real.setDuplicating(true);
  }

  tally(): Tally {
    const commands = this.history.length - this.#packets;
    return { commands, packets: this.#packets, encrypted: this.#fake.encrypted, fates: this.#fates };
  }

  async #command(step: CommandStep): Promise<void> {
    await this.#avoidTwins(step);
    this.#compare('answer', this.#fake.execute(step.node, step.make()), this.#real.execute(step.node, step.make()));
  }

  async #packet(step: Step & { readonly kind: 'packet' }): Promise<void> {
    this.#packets += 1;
    const outcome = await this.#fake.send(step.packet);
    const seen = await this.#real.send(step.packet, this.#packets, outcome);
    this.#compare('outcome', outcome, seen);
    for (const fate of [...outcome.arrivals.map(() => 'arrived'), ...outcome.statistics]) this.#count(fate);
  }

  /**
   * Ages are whole seconds, and timers fire a tick late: near a change of second or a deadline the two worlds would
   * see different things.
   */
  async #leaveEdges(): Promise<void> {
    for (;;) {
      const ms = Date.now() % 1000;
      const toDeadline = this.#fake.nextDeadline() - performance.now();
      if (ms < EDGE_MS) await delay(EDGE_MS - ms);
      else if (ms > 1000 - EDGE_MS) await delay(1000 - ms + EDGE_MS);
      else if (toDeadline < EDGE_MS) await this.#passDeadline(toDeadline);
      else return;
    }
  }

  async #passDeadline(toDeadlineMs: number): Promise<void> {
    await delay(Math.max(0, toDeadlineMs) + EDGE_MS);
    for (const node of ipsecNodes) {
      const fakeEvents = await this.#fake.events(node);
      for (const { kind } of fakeEvents) this.#count(kind);
      const realEvents = await this.#real.events(node, fakeEvents.length);
      this.#compare(`timed events of ${node}`, this.#comparableEvents(fakeEvents), this.#comparableEvents(realEvents));
    }
  }

  /**
   * Of two SAs of one second the kernel takes either, depending on when its hash table last grew: they are kept apart
   * by a second.
   */
  async #avoidTwins(step: CommandStep): Promise<void> {
    const command = step.make();
    if (command.kind !== 'addSa') return;
    const { source, reqid, id } = command.sa;
    const second = Math.floor(Date.now() / 1000);
    const twin = this.#fake
      .dump(step.node)
      .sas.some(
        (sa) =>
          sa.source === source && sa.reqid === reqid && sa.id.destination === id.destination && sa.addedAt === second,
      );
    if (twin) await delay(1000 - (Date.now() % 1000) + EDGE_MS);
  }

  /** In one order. When a mapping is told again depends on where the kernel's seconds begin. */
  #comparableEvents(events: readonly DataplaneEvent[]): readonly string[] {
    const texts = events.map((event) => ({ event, text: eventText(event) }));
    return texts
      .filter(({ event, text }) => event.kind !== 'mapping' || !this.#told.has(text))
      .map(({ text }) => text)
      .sort();
  }

  #count(fate: string): void {
    this.#fates.set(fate, (this.#fates.get(fate) ?? 0) + 1);
  }

  #compare(what: string, fake: unknown, real: unknown): void {
    if (isDeepStrictEqual(fake, real)) return;
    const lines = [
      `the fake kernel and the real one differ at step ${this.history.length - 1} in the ${what}`,
      `fake: ${JSON.stringify(without(fake, real))}`,
      `real: ${JSON.stringify(without(real, fake))}`,
      ...this.#fake.trace.map((line) => `fake: ${line}`),
      'what led to it:',
      ...this.history,
    ];
    throw new Error(lines.join('\n'));
  }
}

function describe(step: Step): string {
  return step.kind === 'command' ? `${step.node} ${step.text}` : `packet ${JSON.stringify(step.packet)}`;
}

/** In one order, whatever the order of the dump. */
function comparable(snapshot: KernelSnapshot): readonly string[] {
  return [...snapshot.sas, ...snapshot.policies].map((object) => JSON.stringify(sorted(object))).sort();
}

/** The numbers of ACQUIREs are those of the whole kernel, all namespaces together. */
function eventText(event: DataplaneEvent): string {
  return JSON.stringify(sorted(event.kind === 'acquire' ? { ...event, sequence: 0 } : event));
}

/** Of a list, what the other list does not have. */
function without(value: unknown, other: unknown): unknown {
  if (!Array.isArray(value) || !Array.isArray(other)) return value;
  const others = new Set(other.map((member) => JSON.stringify(member)));
  return value.filter((member) => !others.has(JSON.stringify(member)));
}

/** The same value with its members in alphabetical order. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, member]) => [name, sorted(member)]));
}

/** Several ticks of the kernel's clock. */
const EDGE_MS = 60;
