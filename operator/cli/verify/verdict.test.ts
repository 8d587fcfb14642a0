import { describe, expect, it } from 'vitest';

import { type Known, known, unknown } from '../diagnosis/known.ts';
import type { ProbeAnswer, TargetAnswer } from './probe-answer.ts';
import type { Untried } from './probe-plan.ts';
import { pairVerdict, untriedVerdict } from './verdict.ts';

const pair = { name: 'p', nodes: ['a', 'b'], what: 'transport, 10.0.0.1 to 10.0.0.2' } as const;

/** As the lab scenario `agent-probe-transport` has them, of real kernels. */
const healthy = {
  a: target({ greetingsSent: 2, outbound: [sa('facc6ffb', 22)], inbound: [sa('8a772b5f', 21)] }),
  b: target({ greetingsSent: 4, outbound: [sa('8a772b5f', 24)], inbound: [sa('facc6ffb', 24)] }),
};

describe('what probes between two nodes show', () => {
  it('is proven where both ends count them by the same SAs', () => {
    const verdict = judge(healthy.a, healthy.b);
    expect(verdict).toMatchObject({ state: 'encrypted', code: 'Proven' });
    expect(verdict.directions).toEqual([
      { from: 'a', to: 'b', sent: 10, encrypted: 22, decrypted: 24, received: 10, answered: 10 },
      { from: 'b', to: 'a', sent: 10, encrypted: 24, decrypted: 21, received: 10, answered: 10 },
    ]);
  });

  it.each<[string, Partial<TargetAnswer>, Partial<TargetAnswer>, string, RegExp]>([
    [
      'the kernel sends nothing',
      { probesSent: 0, refused: { EAGAIN: 30 }, answersReceived: 0, outbound: [] },
      { isHeard: false, probesReceived: 0, answersSent: 0, inbound: [] },
      'NotSent',
      /^the kernel of a would not send 10 of 10 probes to b \(EAGAIN 30 times\)$/,
    ],
    [
      'everything leaves in plaintext',
      { greetingsSent: 17, answersReceived: 0, outbound: [sa('facc6ffb', 0)] },
      { isHeard: false, probesReceived: 0, answersSent: 0, answersReceived: 0, inbound: [sa('facc6ffb', 0)] },
      'NotEncrypted',
      /^a sent 37 packets to b, and its SAs encrypted 0: the others left in plaintext/,
    ],
    [
      'one packet leaves in plaintext',
      { outbound: [sa('facc6ffb', 21)], answersReceived: 9 },
      { probesReceived: 9, inbound: [sa('facc6ffb', 21)] },
      'NotEncrypted',
      /^a sent 22 packets to b, and its SAs encrypted 21/,
    ],
    [
      'ESP is dropped on the way',
      { greetingsSent: 23, answersReceived: 0, outbound: [sa('facc6ffb', 43)] },
      { isHeard: false, probesReceived: 0, answersSent: 0, answersReceived: 0, inbound: [sa('facc6ffb', 0)] },
      'LostOnTheWay',
      /^a encrypted 10 probes for b, whose SA has decrypted 0$/,
    ],
    [
      'another SA counts at the other end',
      { answersReceived: 0 },
      { probesReceived: 0, inbound: [sa('00000bad', 24)] },
      'LostOnTheWay',
      /decrypted 0/,
    ],
    [
      'a packet filter drops what is decrypted',
      { greetingsSent: 19, answersReceived: 0, outbound: [sa('facc6ffb', 39)] },
      { isHeard: false, probesReceived: 0, answersSent: 0, answersReceived: 0, inbound: [sa('facc6ffb', 38)] },
      'NotHandedOver',
      /^b has decrypted the probes of a, and its host handed over 0 of 10$/,
    ],
    [
      'answers are lost',
      { answersReceived: 9 },
      {},
      'AnswersLost',
      /^b has answered 10 of 10 probes of a, and 9 answers/,
    ],
  ])('is wrong where %s', (_, a, b, code, text) => {
    const verdict = judge({ ...healthy.a, ...a }, { ...healthy.b, ...b });
    expect(verdict).toMatchObject({ state: 'wrong', code, text: expect.stringMatching(text) });
    expect(verdict.remedy).toContain('kubectl ikemesh why'.slice(0, code === 'NotHandedOver' ? 0 : undefined));
    // The same from the other end.
    const swapped = judge({ ...healthy.b, ...b }, { ...healthy.a, ...a });
    expect(swapped.code).toBe(code);
  });

  it('says what the kernel of the receiver counts as errors', () => {
    const a = { ...healthy.a, answersReceived: 0 };
    const b = { ...healthy.b, probesReceived: 0, inbound: [sa('facc6ffb', 0)] };
    const verdict = pairVerdict(pair, answersOf(a, b, { XfrmInStateProtoError: 10 }), 10);
    expect(verdict.text).toMatch(/decrypted 0 \(its kernel counts XfrmInStateProtoError \+10\)$/);
  });

  it('is not known where one end did not answer, and the other one is shown', () => {
    const silent = unknown('the agent of b', 'unanswered', 'no answer within 40 s');
    const answers = new Map<string, Known<ProbeAnswer>>([
      ['a', known({ targets: [healthy.a], xfrmErrors: {} })],
      ['b', silent],
    ]);
    expect(pairVerdict(pair, answers, 10)).toMatchObject({
      state: 'unknown',
      text: 'the agent of b: no answer within 40 s',
      directions: [{ from: 'a', to: 'b', sent: 10, decrypted: undefined }],
    });
  });

  it.each<[Untried['code'], string, string, string | undefined]>([
    ['NoPeering', 'wrong', 'why: nothing is encrypted', 'kubectl ikemesh why a b'],
    ['UnknownToPeer', 'wrong', 'why: nothing is encrypted', 'kubectl ikemesh why a b'],
    ['NoChildSa', 'wrong', 'why: nothing is encrypted', 'kubectl ikemesh why a b'],
    ['NotEncrypting', 'wrong', 'why', 'kubectl ikemesh why a b'],
    ['WaitingForTraffic', 'unknown', 'why', 'send something from a to b, such as a ping, and verify again'],
    ['NotTried', 'unknown', 'why', undefined],
  ])('tells by %s that what was not tried is %s', (code, state, text, remedy) => {
    const nodes = ['a', 'b'] as const;
    const verdict = untriedVerdict({ nodes, code, text: 'why' });
    expect(verdict).toMatchObject({ nodes, code, state, text });
    expect(verdict.remedy).toBe(remedy);
  });
});

function judge(a: TargetAnswer, b: TargetAnswer) {
  return pairVerdict(pair, answersOf(a, b), 10);
}

function answersOf(a: TargetAnswer, b: TargetAnswer, errorsOfB: ProbeAnswer['xfrmErrors'] = {}) {
  return new Map<string, Known<ProbeAnswer>>([
    ['a', known({ targets: [a], xfrmErrors: {} })],
    ['b', known({ targets: [b], xfrmErrors: errorsOfB })],
  ]);
}

function target(fields: Partial<TargetAnswer>): TargetAnswer {
  return {
    name: 'p',
    isHeard: true,
    greetingsSent: 1,
    probesSent: 10,
    answersReceived: 10,
    probesReceived: 10,
    answersSent: 10,
    refused: {},
    outbound: [],
    inbound: [],
    ...fields,
  };
}

function sa(spi: string, packets: number) {
  return { spi, packets };
}
