import { describe, expect, it } from 'vitest';

import type { Endpoint, IkeAction, IkeEvent } from '../ike/types.ts';
import type { Verifier } from '../ports.ts';
import { ok } from '../result.ts';
import { Later } from './certificates/later.ts';
import { drawScenario } from './draw-scenario.ts';
import type { Sabotage } from './host.ts';
import type { Disturbance, Scenario } from './scenario.ts';
import { simulate } from './simulation.ts';
import { unmoved } from './wall-clocks.ts';
import type { Invariant, Violation } from './world.ts';

/** Two nodes with certificates that outlive the run, if nothing happens to them. */
function scenario(...disturbances: readonly Disturbance[]): Scenario {
  const drawn = drawScenario(1, 2, new Set());
  return {
    ...drawn,
    certificates: { lifetimeMs: 3_600_000, backdatedMs: 300_000, slowestVerificationMs: 20 },
    packetEveryMs: 300,
    calmAtMs: 90_000,
    disturbances,
    pairs: drawn.pairs.map((pair) => ({ ...pair, identityBytes: 0, initiation: ['start', 'respond'] })),
  };
}

function found(sabotage: Sabotage, played: Scenario): Violation | undefined {
  return simulate(played, { sabotage }).violation;
}

/** A core whose answers to events are changed. */
function core(handle: (endpoint: Endpoint, at: number, event: IkeEvent) => readonly IkeAction[]): Sabotage {
  return {
    endpoint: (endpoint) => ({
      handle: (at, event) => handle(endpoint, at, event),
      nextDeadline: () => endpoint.nextDeadline(),
      status: (at) => endpoint.status(at),
    }),
  };
}

function violation(invariant: Invariant, text: RegExp) {
  return expect.objectContaining({ invariant, text: expect.stringMatching(text) });
}

/** Answers at once, and always yes. */
const CREDULOUS: Sabotage = {
  verifier: (): Verifier => ({ verify: () => Later.after({ after: atOnce }, 0, () => ok(undefined)) }),
};

function atOnce(_: number, callback: () => void): () => void {
  callback();
  return () => {};
}

function again(atMs: number): Disturbance {
  return { kind: 'order', atMs, pair: 0, side: 0, order: 'reauthenticate' };
}

const RENEWAL: Disturbance = { kind: 'renew', atMs: 20_000, node: 0 };
const ROLL: Disturbance = { kind: 'roll', atMs: 20_000, phaseMs: 10_000 };
const EXPIRY: Disturbance = { kind: 'expireCertificate', atMs: 10_000, node: 1, inMs: 8_000, forMs: 40_000 };
const THEFT: Disturbance = { kind: 'steal', atMs: 10_000, node: 1, from: 0, forMs: 40_000 };

describe('the simulator finds nothing', () => {
  it.each<readonly [string, readonly Disturbance[]]>([
    ['a certificate is renewed', [RENEWAL]],
    ['one authority follows another', [ROLL]],
    ['a certificate ends before it is renewed', [EXPIRY, again(25_000)]],
    ['a node shows the certificate of another one', [THEFT, again(25_000)]],
    [
      'a verifier never answers',
      [{ kind: 'verifier', atMs: 5_000, node: 0, fault: { kind: 'mute' }, forMs: 60_000 }, again(9_000)],
    ],
    ['a clock is a year slow', [{ kind: 'setClock', atMs: 10_000, node: 0, offsetMs: -31_536_000_000 }, again(25_000)]],
  ])('where %s', (_, disturbances) => {
    expect(found({}, scenario(...disturbances))).toBeUndefined();
  });
});

describe('the simulator finds', () => {
  it('a verifier that believes a certificate which has ended', () => {
    expect(found(CREDULOUS, scenario(EXPIRY, again(25_000)))).toEqual(
      violation('certificates', /node-0 believes node-1, but its certificate does not count at this time/),
    );
  });

  it('a verifier that believes whoever has some certificate or other', () => {
    expect(found(CREDULOUS, scenario(THEFT, again(25_000)))).toEqual(
      violation('certificates', /node-0 believes node-1, but its certificate is that of node-0/),
    );
  });

  it('a verifier that goes on believing an authority that has been replaced', () => {
    let hosts = 0;
    const stubborn = core((endpoint, at, event) => endpoint.handle(at, event));
    const broken: Sabotage = {
      ...CREDULOUS,
      endpoint: (endpoint) => {
        hosts += 1;
        const isSecond = hosts === 2;
        const ignores = (event: IkeEvent): boolean =>
          isSecond && event.kind === 'command' && event.command.kind === 'updateConnection';
        return {
          ...(stubborn.endpoint?.(endpoint) ?? endpoint),
          handle: (at, event) => (ignores(event) ? [] : endpoint.handle(at, event)),
        };
      },
    };
    expect(found(broken, scenario({ ...ROLL, phaseMs: 5_000 }, again(34_000)))).toEqual(
      violation('certificates', /is of an authority that is not in the bundle/),
    );
  });

  it('a core that takes a peer in without having asked who it is', () => {
    const broken = core((endpoint, at, event) => {
      const actions = endpoint.handle(at, event);
      return actions.flatMap((action) =>
        action.kind === 'verify'
          ? endpoint.handle(at, { kind: 'verified', job: action.job.id, outcome: ok(undefined) })
          : action,
      );
    });
    expect(found(broken, scenario())).toEqual(violation('certificates', /which has not shown a certificate/));
  });

  it('a refusal that nobody hears of', () => {
    const broken = core((endpoint, at, event) =>
      endpoint
        .handle(at, event)
        .filter((action) => action.kind !== 'report' || action.fact.kind !== 'negotiationFailed'),
    );
    expect(found(broken, scenario(EXPIRY, again(25_000)))).toEqual(
      violation('certificates', /does not tell why it refuses node-[01]: its certificate has expired/),
    );
  });

  it('a new certificate that is never shown', () => {
    const broken = core((endpoint, at, event) =>
      event.kind === 'command' && event.command.kind === 'updateConnection' ? [] : endpoint.handle(at, event),
    );
    expect(found(broken, scenario(RENEWAL))).toEqual(
      violation('certificates', /node-1 has no IKE SA that node-0 has proved itself for .* for 20 s/),
    );
  });

  it('a new certificate that is shown only when the old SAs are gone', () => {
    const broken = core((endpoint, at, event) => {
      if (event.kind !== 'command' || event.command.kind !== 'updateConnection') return endpoint.handle(at, event);
      const { name } = event.command.connection;
      const ended = endpoint.handle(at, { kind: 'command', command: { kind: 'terminate', name } });
      return [...ended, ...endpoint.handle(at, event)];
    });
    expect(found(broken, scenario(RENEWAL))).toEqual(violation('continuity', /nothing happened that ends SAs/));
  });

  it('deadlines that the clock on the wall moves', () => {
    const jump: Disturbance = { kind: 'setClock', atMs: 30_000, node: 0, offsetMs: 7_000 };
    const { certificates: _, ...played } = { ...scenario(jump), wallOffsetsMs: [0, 0] };
    const sabotage: Sabotage = {
      clock: (clock) => {
        const startedAt = clock.wallMs() - clock.monotonicMs();
        return { wallMs: () => clock.wallMs(), monotonicMs: () => clock.wallMs() - startedAt };
      },
    };
    expect(unmoved(played, simulate(played)).violation).toBeUndefined();
    const run = (each: Scenario) => simulate(each, { sabotage });
    expect(unmoved(played, run(played), run).violation).toEqual(violation('deadlines', /clocks on the wall/));
  });
});
