import { describe, expect, it } from 'vitest';

import { SecretBytes } from '../crypto/secret.ts';
import { byPreSharedKey } from '../ike/negotiation/authentication.ts';
import type { ConnectionConfig, IkeEvent } from '../ike/types.ts';
import { drawDepartures } from './draw-departures.ts';
import { drawScenario } from './draw-scenario.ts';
import type { Sabotage } from './host.ts';
import { FAULT_FAMILIES, type Scenario } from './scenario.ts';
import { core, found, kernel, scenario, violation } from './testing/planted-bugs.ts';

/** Three nodes, of which the first two lose each other from their lists, one after the other. */
function parting(forMs: number | 'ever' = 'ever'): Scenario {
  const quiet = scenario({}, undefined, 3);
  return {
    ...quiet,
    disturbances: [
      { kind: 'remove', atMs: 20_000, pair: 0, side: 0, forMs },
      { kind: 'remove', atMs: 23_000, pair: 0, side: 1, forMs },
    ],
  };
}

/** Does something at an agent that is told to take out a connection, besides or instead. */
function onRemoval(change: (event: Extract<IkeEvent, { kind: 'command' }>) => readonly IkeEvent[]): Sabotage {
  return core((endpoint, at, event) => {
    const isRemoval = event.kind === 'command' && event.command.kind === 'removeConnection';
    const events = isRemoval ? change(event) : [event];
    return events.flatMap((each) => endpoint.handle(at, each));
  });
}

describe('the simulator finds nothing where a node leaves the list of another', () => {
  it('for ever', () => {
    expect(found({}, parting())).toBeUndefined();
  });

  it('and comes back', () => {
    expect(found({}, parting(10_000))).toBeUndefined();
  });

  it('at one end only, where it is called again and again', () => {
    const { disturbances, ...quiet } = parting();
    expect(found({}, { ...quiet, disturbances: disturbances.slice(0, 1) })).toBeUndefined();
  });
});

describe('of a peer that has left the list, the simulator finds', () => {
  it('SAs that stay', () => {
    let parted = false;
    const broken: Sabotage = {
      ...onRemoval((event) => {
        parted = true;
        return [event];
      }),
      ...kernel((command) => (parted && command.kind === 'deleteSa' ? undefined : command)),
    };
    expect(found(broken, parting())).toEqual(
      violation('departure', /list has lost node-\d, it has SA .* in the kernel/),
    );
  });

  it('policies that stay', () => {
    const broken = kernel((command) => (command.kind === 'deletePolicy' ? undefined : command));
    expect(found(broken, parting())).toEqual(violation('departure', /it has policy/));
  });

  it('a connection that stays', () => {
    expect(
      found(
        onRemoval(() => []),
        parting(),
      ),
    ).toEqual(violation('departure', /it has a connection with it/));
  });

  it('that the tunnels of another peer go as well', () => {
    const broken = onRemoval((event) => [event, { kind: 'command', command: { kind: 'terminate', name: 'node-2' } }]);
    expect(found(broken, parting())).toEqual(violation('departure', /changes IKE SA \d+ with node-2/));
  });

  it('that it does not come up again when it is back', () => {
    const broken = core((endpoint, at, event) => endpoint.handle(at, withOtherKey(event)));
    expect(found(broken, parting(5_000))?.invariant).toMatch(/^(authentication|convergence)$/u);
  });
});

describe('departures are drawn', () => {
  const pairs = drawScenario(1, 3, new Set()).pairs;
  const drawn = Array.from({ length: 200 }, (_, seed) => drawDepartures(seed, 3, pairs, 60_000)).flat();
  const removals = drawn.flatMap((each) => (each.kind === 'remove' ? [each] : []));

  it('for ever and for a while, none of them after the faults', () => {
    expect(removals.some(({ forMs }) => forMs === 'ever')).toBe(true);
    expect(removals.some(({ forMs }) => forMs !== 'ever')).toBe(true);
    expect(Math.max(...removals.map(({ atMs }) => atMs))).toBeLessThan(60_000);
  });

  it('in about half of the seeds, which are otherwise as they would be', () => {
    const others = new Set(FAULT_FAMILIES.filter((family) => family !== 'departure'));
    const counts = Array.from({ length: 40 }, (_, seed) => {
      const { disturbances } = drawScenario(seed, 5, new Set(FAULT_FAMILIES));
      const without = drawScenario(seed, 5, others).disturbances.map((each) => JSON.stringify(each));
      const all = disturbances.map((each) => JSON.stringify(each));
      expect(all.filter((each) => without.includes(each))).toEqual(without);
      return all.length - without.length;
    });
    const having = counts.filter((count) => count > 0).length;
    expect(having).toBeGreaterThan(10);
    expect(having).toBeLessThan(30);
  });
});

function withOtherKey(event: IkeEvent): IkeEvent {
  if (event.kind !== 'command' || event.command.kind !== 'addConnection') return event;
  const { connection } = event.command;
  const key = byPreSharedKey(new SecretBytes(new TextEncoder().encode(`another one of ${connection.name}`)));
  const changed: ConnectionConfig = { ...connection, ...key };
  return { kind: 'command', command: { kind: 'addConnection', connection: changed } };
}
