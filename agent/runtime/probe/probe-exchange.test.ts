import { describe, expect, it } from 'vitest';

import { ProbeExchange } from './probe-exchange.ts';
import type { ProbeMessage } from './probe-message.ts';

const PROBES = 10;

describe('an exchange of probes', () => {
  it('ends when both ends have every answer', () => {
    const { left, right, endedAt } = run({});
    for (const { counts } of [left, right]) {
      expect(counts).toMatchObject({ isHeard: true, probesSent: PROBES, answersReceived: PROBES, answersSent: PROBES });
      expect(counts.refused).toEqual({});
    }
    expect(endedAt).toBeLessThan(1_000);
  });

  it('waits for a peer that begins later', () => {
    const { left, right } = run({ rightBeginsAt: 8_000 });
    for (const { counts } of [left, right])
      expect(counts).toMatchObject({ answersReceived: PROBES, probesReceived: PROBES });
  });

  it('sends its probes to a peer that is never heard, and ends', () => {
    const { left, endedAt } = run({ rightBeginsAt: Number.POSITIVE_INFINITY });
    expect(left.counts).toMatchObject({ isHeard: false, probesSent: PROBES, answersReceived: 0, probesReceived: 0 });
    expect(endedAt).toBeGreaterThan(PATIENCE_MS);
    expect(endedAt).toBeLessThan(PATIENCE_MS + 4_000);
  });

  it('tells where one way is closed', () => {
    const { left, right } = run({ passes: (from) => from === 'right' });
    expect(left.counts).toMatchObject({
      isHeard: true,
      probesSent: PROBES,
      answersReceived: 0,
      probesReceived: PROBES,
    });
    expect(right.counts).toMatchObject({ isHeard: false, probesSent: PROBES, probesReceived: 0, answersReceived: 0 });
  });

  it('counts what is lost', () => {
    const { left, right } = run({ passes: (from, message) => from === 'right' || !isProbe(message, 3) });
    expect(left.counts).toMatchObject({ probesSent: PROBES, answersReceived: PROBES - 1 });
    expect(right.counts).toMatchObject({
      probesReceived: PROBES - 1,
      answersSent: PROBES - 1,
      answersReceived: PROBES,
    });
  });

  it('counts what the kernel does not send, by error', () => {
    const { left } = run({ refuses: 'EAGAIN' });
    expect(left.counts).toMatchObject({ probesSent: 0, greetingsSent: 0 });
    expect(left.counts.refused['EAGAIN']).toBeGreaterThanOrEqual(PROBES);
  });

  it('answers each probe once, none that there is not, and counts no answer twice', () => {
    const sent: ProbeMessage[] = [];
    const exchange = new ProbeExchange({ probes: 2, patienceMs: 1_000, startedAt: 0 }, (message) => {
      sent.push(message);
      return undefined;
    });
    for (const number of [0, 0, 1, 2, 65_535]) exchange.receive(10, { kind: 'probe', number });
    expect(sent).toEqual([
      { kind: 'answer', number: 0 },
      { kind: 'answer', number: 1 },
    ]);
    exchange.receive(20, { kind: 'answer', number: 0 });
    expect(exchange.counts).toMatchObject({ probesReceived: 2, answersReceived: 0 });
    for (let now = 20; now < 1_000; now += 20) exchange.tick(now);
    for (const number of [0, 0, 1, 9]) exchange.receive(1_000, { kind: 'answer', number });
    expect(exchange.counts).toMatchObject({ answersReceived: 2 });
    // Greetings are answered now and then only.
    const before = exchange.counts.greetingsSent;
    for (let now = 1_000; now < 1_200; now += 1) exchange.receive(now, { kind: 'greeting' });
    expect(exchange.counts.greetingsSent - before).toBeLessThanOrEqual(2);
  });
});

interface Circumstances {
  readonly rightBeginsAt?: number;
  readonly passes?: (from: Side, message: ProbeMessage) => boolean;
  /** What the left one cannot send. */
  readonly refuses?: string;
}

type Side = 'left' | 'right';

/** Both ends in virtual time, over a wire that takes five milliseconds; a port is closed before its end begins. */
function run({ rightBeginsAt = 0, passes = () => true, refuses }: Circumstances) {
  const wire: { readonly at: number; readonly to: Side; readonly message: ProbeMessage }[] = [];
  let now = 0;
  const make = (side: Side, startedAt: number) =>
    new ProbeExchange({ probes: PROBES, patienceMs: PATIENCE_MS, startedAt }, (message) => {
      if (side === 'left' && refuses !== undefined) return refuses;
      if (passes(side, message)) wire.push({ at: now + 5, to: side === 'left' ? 'right' : 'left', message });
      return undefined;
    });
  const ends = { left: make('left', 0), right: make('right', rightBeginsAt) };
  const isThere = (side: Side): boolean => side === 'left' || now >= rightBeginsAt;
  for (now = 0; now < 60_000; now += 5) {
    while (wire[0] !== undefined && wire[0].at <= now) {
      const arrived = wire.shift();
      if (arrived !== undefined && isThere(arrived.to)) ends[arrived.to].receive(now, arrived.message);
    }
    if (now % 20 === 0) for (const side of ['left', 'right'] as const) if (isThere(side)) ends[side].tick(now);
    if (ends.left.isOver(now) && (ends.right.isOver(now) || !isThere('right'))) break;
  }
  return { ...ends, endedAt: now };
}

function isProbe(message: ProbeMessage, number: number): boolean {
  return message.kind === 'probe' && message.number === number;
}

const PATIENCE_MS = 10_000;
