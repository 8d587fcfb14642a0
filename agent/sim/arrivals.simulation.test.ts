import { describe, expect, it } from 'vitest';

import type { KernelSnapshot } from '../dataplane/types.ts';
import type { Dataplane } from '../ports.ts';
import { ok } from '../result.ts';
import { drawScenario } from './draw-scenario.ts';
import { type Disturbance, FAULT_FAMILIES, type NetworkPlan, type Scenario } from './scenario.ts';
import { simulate } from './simulation.ts';
import { foundInMutant, type Mutation } from './testing/mutant.ts';
import { found, scenario, violation } from './testing/planted-bugs.ts';

/** Two nodes whose flows send and are silent by turns, and whose SAs last longer than what happens. */
function pausing(network: Partial<NetworkPlan> = {}, ...disturbances: readonly Disturbance[]): Scenario {
  const drawn = scenario(network);
  const lifetime = { softSeconds: 1_000, hardSeconds: 2_000 };
  return {
    ...drawn,
    longestTurnMs: 2_000,
    calmAtMs: 120_000,
    disturbances,
    pairs: drawn.pairs.map((pair) => ({
      ...pair,
      liveness: { intervalMs: 10_000, timeoutMs: 30_000 },
      ikeLifetimeMs: [1_000_000, 1_000_000],
      children: pair.children.map((child) => ({ ...child, lifetime: [lifetime, lifetime] as const })),
    })),
  };
}

function cutOff(...times: readonly (readonly [atMs: number, forMs: number])[]): readonly Disturbance[] {
  return times.map(([atMs, forMs]) => ({ kind: 'partition', atMs, nodes: [0], forMs }));
}

/** When nothing else goes wrong any more. */
const DROPPED: Disturbance = { kind: 'dropEsp', atMs: 140_000, pair: 0, from: [0, 1], forMs: 'ever' };
const DROPPED_AT_FIRST: Disturbance = { ...DROPPED, atMs: 0 };

const ARRIVAL = 'ike/child/arrival.ts';
const WATCH = 'ike/child/arrival-watch.ts';
const LIMITS = 'ike/limits.ts';
const FALLBACK = 'ike/path/esp-fallback.ts';
const HASTY: readonly Mutation[] = [
  { module: LIMITS, from: 'lossPackets: 12,', to: 'lossPackets: 3,' },
  { module: LIMITS, from: 'lossPacketsAtOnce: 4,', to: 'lossPacketsAtOnce: 3,' },
];

describe('nothing is called lost, nothing replaced, and nothing sent in UDP', () => {
  it.each([
    ['flows send by turns', pausing()],
    ['every third packet is lost', { ...pausing({ loss: 0.3 }), packetEveryMs: 700 }],
    ['the network holds back and overtakes', pausing({ minDelayMs: 0, maxDelayMs: 2_000, duplicate: 0.2 })],
    [
      'the path is cut off for a while, again and again',
      pausing({}, ...cutOff([20_000, 3_000], [30_000, 9_000], [50_000, 20_000])),
    ],
    [
      'agents are killed and machines restart',
      pausing(
        { loss: 0.02 },
        { kind: 'crash', atMs: 20_000, node: 0, downMs: 8_000 },
        { kind: 'crash', atMs: 40_000, node: 1, downMs: 0 },
        { kind: 'reboot', atMs: 60_000, node: 0, downMs: 5_000 },
      ),
    ],
  ])('where %s', (_, played) => {
    expect(simulate(played).violation).toBeUndefined();
  });

  it.each([
    ['loses every third packet', 57],
    ['loses every third packet, and has a NAT that forgets', 14],
    ['loses a tenth of all packets, and nothing is sent for a while', 4],
  ] as const)('where the network %s (seed %i)', (_, seed) => {
    expect(simulate(drawScenario(seed, undefined, new Set(FAULT_FAMILIES))).violation).toBeUndefined();
  });
});

describe('nothing is wrong where', () => {
  it.each([
    ['a kernel has not sent an SA to where the NAT now leads, and that is told', 463, undefined],
    ['ESP is dropped to a peer that has taken its connection out', 469, undefined],
    ['ESP passes again as soon as it was told that it does not', 65, 5],
    ['a flow stops before enough was dropped', 129, 5],
  ] as const)('%s (seed %i)', (_, seed, nodes) => {
    expect(simulate(drawScenario(seed, nodes, new Set(FAULT_FAMILIES))).violation).toBeUndefined();
  });
});

describe('where the way drops ESP, that is told, and it goes in UDP', () => {
  it.each([
    ['both ways', [0, 1]],
    ['from the left', [0]],
    ['from the right', [1]],
  ] as const)('%s, for ever or for a while', (_, from) => {
    expect(simulate(pausing({}, { ...DROPPED, from })).violation).toBeUndefined();
    expect(simulate(pausing({}, { ...DROPPED_AT_FIRST, from })).violation).toBeUndefined();
    expect(simulate(pausing({}, { ...DROPPED_AT_FIRST, from, forMs: 40_000 })).violation).toBeUndefined();
  });
});

describe('the simulator finds', () => {
  const finds = async (played: Scenario, expected: unknown, ...mutations: readonly Mutation[]): Promise<void> => {
    expect(await foundInMutant(played, ...mutations)).toEqual(expected);
  };

  it('packets missed that the peer had counted before our own kernel was asked for them', () =>
    finds(
      { ...pausing(), longestTurnMs: 15_000 },
      violation('noFalseAlarm', /is said to lose what is sent/),
      { module: ARRIVAL, from: 'Math.max(before.sent, before.reported.received)', to: 'before.sent' },
      ...HASTY,
    ));

  it('none of that in these limits alone', async () => {
    expect(await foundInMutant({ ...pausing(), longestTurnMs: 15_000 }, ...HASTY)).toBeUndefined();
  });

  it('a few lost packets taken for a path that drops ESP', () =>
    finds(
      { ...pausing({ loss: 0.3 }), packetEveryMs: 700 },
      violation('noFalseAlarm', /is said to lose what is sent/),
      ...HASTY,
    ));

  it('ESP in UDP for no reason', () =>
    finds(pausing(), violation('noFalseAlarm', /goes over to ESP in UDP/), {
      module: FALLBACK,
      from: "if (outbound !== 'lost' || lostAt === undefined) return false;",
      to: "if (outbound === 'unused' || lostAt !== undefined) return false;",
    }));

  it('a pair that is called undecryptable because nothing comes', () =>
    finds(pausing(), violation('noFalseAlarm', /is said to receive what cannot be decrypted/), {
      module: ARRIVAL,
      from: 'undecryptableBefore >= packets;',
      to: 'undecryptableBefore >= 0;',
    }));

  it('an SA that is called foreign because nothing is sent on it', () =>
    finds(pausing(), violation('noFalseAlarm', /is not its own, which it is/), {
      module: WATCH,
      from: 'outbound.packets < known.sent ||',
      to: 'outbound.packets <= known.sent ||',
    }));

  it('a policy that is put back although it is there', () => {
    const without = (snapshot: KernelSnapshot): KernelSnapshot => ({ ...snapshot, policies: [] });
    expect(found(surveyed(without), pausing())).toEqual(violation('noFalseAlarm', /which nobody has/));
  });

  it('a kernel that counts packets which it has not sent', () => {
    let phantoms = 0;
    const more = (snapshot: KernelSnapshot): KernelSnapshot => {
      phantoms += 4;
      // Only inbound SAs have a window.
      const counted = (packets: number, window: number): number => (window === 0 ? packets + phantoms : packets);
      const sas = snapshot.sas.map((sa) => ({ ...sa, packets: counted(sa.packets, sa.replayWindow) }));
      return { ...snapshot, sas };
    };
    const silent = { ...pausing(), longestTurnMs: 60_000 };
    expect(found(surveyed(more), silent)).toEqual(violation('noFalseAlarm', /is said to lose what is sent/));
  });

  it('a path that drops ESP, and a status that knows nothing of it', () =>
    finds(pausing({}, DROPPED), violation('espDropped', /the status says Proven/), {
      module: ARRIVAL,
      from: 'trial.lost >= limits.lossPackets;',
      to: 'trial.lost > 1_000_000;',
    }));

  it('a path that drops ESP, which never goes in UDP', () =>
    finds(pausing({}, DROPPED), violation('espDropped', /it does not go in UDP/), {
      module: FALLBACK,
      from: 'if (!lost) return;',
      to: 'if (lost || at > 0) return;',
    }));

  it('ESP in UDP that is forgotten and begun again and again', () =>
    finds(pausing({}, DROPPED), violation('espDropped', /once more/), {
      module: FALLBACK,
      from: 'connection.espInUdp = true;',
      to: '',
    }));

  it('a proof of what no packet has shown', () =>
    finds(pausing({}, { ...DROPPED_AT_FIRST, from: [0] }), violation('proof', /none has on its SAs/), {
      module: 'runtime/status/peer-verdict.ts',
      from: "if (outbound === 'unconfirmed') return",
      to: 'if (inbound === undefined) return',
    }));

  it('a peer that tells of packets which it has not got', () =>
    finds(pausing(), violation('proof', /has got \d+ packets/), {
      module: 'ike/child/received.ts',
      from: 'packets: received,',
      to: 'packets: received + 1,',
    }));
});

/** A kernel of which surveys show something else. */
function surveyed(change: (snapshot: KernelSnapshot) => KernelSnapshot) {
  return {
    dataplane: (dataplane: Dataplane): Dataplane => ({
      ...dataplane,
      dump: () => {
        const dumped = dataplane.dump();
        return dumped.ok ? ok(change(dumped.value)) : dumped;
      },
    }),
  };
}
