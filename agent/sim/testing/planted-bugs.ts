import { expect } from 'vitest';

import type { DataplaneCommand } from '../../dataplane/types.ts';
import type { Endpoint, IkeAction, IkeEvent } from '../../ike/types.ts';
import { ok } from '../../result.ts';
import { drawScenario } from '../draw-scenario.ts';
import type { Sabotage } from '../host.ts';
import type { NetworkPlan, Scenario } from '../scenario.ts';
import { simulate } from '../simulation.ts';
import type { Invariant, Violation } from '../world.ts';

/*
 * Bugs that are planted on purpose, to see that the checks find them.
 */

/** Nodes, two by default, each with each, with a Child in transport and one in tunnel mode, both Required, rekeyed all the time; nothing goes wrong. */
export function scenario(
  network: Partial<NetworkPlan> = {},
  esp: readonly string[] = ['aes256gcm16', 'esn'],
  nodes = 2,
): Scenario {
  const drawn = drawScenario(1, nodes, new Set());
  const networkOf = (node: number): readonly string[] => [`10.${node + 1}.0.0/16`];
  const lifetime = { softSeconds: 15, hardSeconds: 120 };
  const child = { protocol: 0, enforcement: 'Required', replayWindow: 64, lifetime: [lifetime, lifetime] } as const;
  return {
    ...drawn,
    network: { ...drawn.network, minDelayMs: 10, maxDelayMs: 10, ...network },
    packetEveryMs: 300,
    calmAtMs: 60_000,
    pairs: drawn.pairs.map((pair) => ({
      ...pair,
      family: 4,
      initiation: ['start', 'respond'],
      natTraversal: 'Auto',
      esp,
      children: [
        { ...child, name: 'hosts', mode: 'transport', prefixes: [[], []] },
        { ...child, name: 'networks', mode: 'tunnel', prefixes: [networkOf(pair.nodes[0]), networkOf(pair.nodes[1])] },
      ],
    })),
  };
}

/** What is found where all hosts are broken in this way. */
export function found(sabotage: Sabotage, played: Scenario = scenario()): Violation | undefined {
  return simulate(played, { sabotage }).violation;
}

/** A kernel that makes something else of an order: another one, or nothing at all, and says yes. */
export function kernel(change: (command: DataplaneCommand) => DataplaneCommand | undefined): Sabotage {
  return {
    dataplane: (dataplane) => ({
      ...dataplane,
      execute: (command) => {
        const changed = change(command);
        return changed === undefined ? ok(undefined) : dataplane.execute(changed);
      },
    }),
  };
}

/** A core whose answers to events are changed. */
export function core(handle: (endpoint: Endpoint, at: number, event: IkeEvent) => readonly IkeAction[]): Sabotage {
  return {
    endpoint: (endpoint) => ({
      handle: (at, event) => handle(endpoint, at, event),
      nextDeadline: () => endpoint.nextDeadline(),
      status: (at) => endpoint.status(at),
    }),
  };
}

/** A violation of that invariant, in such words. */
export function violation(invariant: Invariant, text: RegExp) {
  return expect.objectContaining({ invariant, text: expect.stringMatching(text) });
}

/** Whoever orders what nobody has asked for. */
export const owner = { connection: '', ikeSa: 0, childSpi: 0 };

type Addition = Extract<IkeAction, { kind: 'dataplane' }> & {
  readonly command: Extract<DataplaneCommand, { kind: 'addSa' }>;
};

/** Whether an action installs an SA of that direction. */
export function isAddition(action: IkeAction, direction: 'in' | 'out'): action is Addition {
  return action.kind === 'dataplane' && action.command.kind === 'addSa' && action.command.sa.direction === direction;
}
