import { describe, expect, it } from 'vitest';

import { policyKeyText } from '../dataplane/texts.ts';
import type { PolicySpec, SaId } from '../dataplane/types.ts';
import type { Fact } from '../ike/fact.ts';
import { DEFAULT_LIMITS } from '../ike/limits.ts';
import { address, present } from '../ike/testing/pair.ts';
import type { EndpointStatus, IkeAction, IkeEvent, IkeSaStatus } from '../ike/types.ts';
import type { Sabotage } from './host.ts';
import type { ChildPlan, Scenario } from './scenario.ts';
import { core, found, isAddition, owner, scenario, violation } from './testing/planted-bugs.ts';
import { flowsOf } from './topology.ts';

const NOWHERE = address('192.0.2.200');

/** With the right node's connection out of the configuration for five seconds. */
function withRemoval(): Scenario {
  return { ...scenario(), disturbances: [{ atMs: 20_000, kind: 'remove', pair: 0, side: 1, forMs: 5_000 }] };
}

function isOrder(event: IkeEvent, kind: 'addConnection' | 'removeConnection'): boolean {
  return event.kind === 'command' && event.command.kind === kind;
}

/** Deletes an SA that it receives on, of those that were made after its connection had come back. */
function forgetful(): Sabotage {
  return {
    endpoint: (endpoint) => {
      let isBack = false;
      let victim: { readonly id: SaId; readonly at: number } | undefined;
      return {
        handle: (at, event) => {
          const actions = endpoint.handle(at, event);
          isBack ||= isOrder(event, 'addConnection');
          if (victim !== undefined && at >= victim.at + 3_000) {
            return [...actions, { kind: 'dataplane', command: { kind: 'deleteSa', id: victim.id }, owner }];
          }
          const added = actions.find((action) => isAddition(action, 'in'));
          if (isBack && added !== undefined) victim ??= { id: added.command.sa.id, at };
          return actions;
        },
        nextDeadline: () => endpoint.nextDeadline(),
        status: (at) => endpoint.status(at),
      };
    },
  };
}

/** Says yes to the peer's Deletes, but sends on as before. */
function stubborn(sinceMs: number): Sabotage {
  return {
    endpoint: (endpoint) => {
      let isTakenOut = false;
      /** By selector: what packets are sent on. */
      const pins = new Map<string, number>();
      const isKept = (at: number, action: IkeAction): boolean => {
        if (action.kind !== 'dataplane' || isTakenOut) return false;
        const { command } = action;
        if (command.kind === 'deleteSa') return at >= sinceMs && [...pins.values()].includes(command.id.spi);
        if (command.kind !== 'putPolicy' || command.policy.direction !== 'out') return false;
        if (at < sinceMs) pins.set(JSON.stringify(command.policy.selector), command.policy.template?.spi ?? 0);
        return at >= sinceMs;
      };
      return {
        handle: (at, event) => {
          isTakenOut ||= isOrder(event, 'removeConnection');
          return endpoint.handle(at, event).filter((action) => !isKept(at, action));
        },
        nextDeadline: () => endpoint.nextDeadline(),
        status: (at) => endpoint.status(at),
      };
    },
  };
}

/** Never lets go of the first IKE SA that it began, as far as it tells. */
function untiring(): Sabotage {
  return {
    endpoint: (endpoint) => {
      let first: IkeSaStatus | undefined;
      const withFirst = (status: EndpointStatus): EndpointStatus => ({
        ...status,
        connections: status.connections.map((connection) => {
          first ??= connection.ikeSas.find(({ state }) => state === 'connecting');
          const isListed = connection.ikeSas.some(({ number }) => number === first?.number);
          if (first === undefined) return connection;
          const others = connection.ikeSas.filter(({ number }) => number !== first?.number);
          return { ...connection, ikeSas: isListed ? [first, ...others] : [first, ...connection.ikeSas] };
        }),
      });
      return {
        handle: (at, event) => endpoint.handle(at, event),
        nextDeadline: () => endpoint.nextDeadline(),
        status: (at) => withFirst(endpoint.status(at)),
      };
    },
  };
}

/** Never deletes an SA that it receives on of this reqid, and says at a time that it has found a peer dead. */
function keeping(reqid: number, dead: { readonly atMs: number; readonly peer: string }): Sabotage {
  return {
    endpoint: (endpoint) => {
      const kept = new Set<number>();
      let hasSaid = false;
      return {
        handle: (at, event) => {
          const actions = endpoint.handle(at, event);
          for (const action of actions) {
            if (isAddition(action, 'in') && action.command.sa.reqid === reqid) kept.add(action.command.sa.id.spi);
          }
          const stays = (action: IkeAction): boolean =>
            action.kind === 'dataplane' && action.command.kind === 'deleteSa' && kept.has(action.command.id.spi);
          const done = actions.filter((action) => !stays(action));
          if (hasSaid || at < dead.atMs) return done;
          hasSaid = true;
          return [...done, { kind: 'report', fact: foundDead(dead.peer) }];
        },
        nextDeadline: () => endpoint.nextDeadline(),
        status: (at) => endpoint.status(at),
      };
    },
  };
}

/** Sends on each pair as soon as it has granted it, before the peer can have it. */
function hasty(): Sabotage {
  const policies = new Map<string, PolicySpec>();
  return core((endpoint, at, event) => {
    const actions = endpoint.handle(at, event);
    for (const action of actions) {
      if (action.kind !== 'dataplane' || action.command.kind !== 'putPolicy') continue;
      const { policy } = action.command;
      if (policy.direction === 'out') policies.set(policyKeyText(policy), policy);
    }
    const granted = actions.find((action) => isAddition(action, 'out'));
    if (granted === undefined || !actions.some(({ kind }) => kind === 'transmit')) return actions;
    const { id, reqid } = granted.command.sa;
    const moved = [...policies.values()].flatMap(({ template, ...policy }): IkeAction[] => {
      if (template?.reqid !== reqid || template.spi === 0) return [];
      const pinned = { ...policy, template: { ...template, spi: id.spi } };
      return [{ kind: 'dataplane', command: { kind: 'putPolicy', policy: pinned }, owner }];
    });
    return [...actions, ...moved];
  });
}

function asPermissive(child: ChildPlan): ChildPlan {
  return { ...child, enforcement: 'Permissive' };
}

function foundDead(peer: string): Fact {
  const path = { localAddress: NOWHERE, localPort: 500, remoteAddress: NOWHERE, remotePort: 500 };
  return { kind: 'ikeSaClosed', connection: peer, ikeSa: 0, path, reason: 'peerDead', established: true };
}

describe('an excuse does not hide', () => {
  it('an SA that is lost after its connection has come back (takenOut)', () => {
    expect(found({}, withRemoval())).toBeUndefined();
    expect(found(forgetful(), withRemoval())).toEqual(violation('reception', /the receiver lost it .* \(agent\)/));
  });

  it('a node that goes on sending on what the other one has taken out and deleted (takenOut)', () => {
    expect(found(stubborn(20_000), withRemoval())).toEqual(violation('convergence', /after the calm node-0 to node-1/));
  });

  it.each([0, DEFAULT_LIMITS.unselectedGraceMs])(
    'a responder that sends on what it has just granted although it has an older pair (onlyOne), grace %i ms',
    (unselectedGraceMs) => {
      expect(found({}, { ...scenario(), unselectedGraceMs })).toBeUndefined();
      const violated = violation('reception', /selects SA .* the receiver never had it/);
      expect(found(hasty(), { ...scenario(), unselectedGraceMs })).toEqual(violated);
    },
  );

  it('a responder that sends on what it has just granted although it may send in plaintext (onlyOne)', () => {
    const required = { ...scenario(), disturbances: [] };
    const pairs = required.pairs.map((pair) => ({ ...pair, children: pair.children.map(asPermissive) }));
    expect(found({}, { ...required, pairs })).toBeUndefined();
    const violated = violation('reception', /selects SA .* the receiver never had it/);
    expect(found(hasty(), { ...required, pairs })).toEqual(violated);
  });

  it('an attempt that never ends, where an IKE_SA_INIT was changed on its way (tampering)', () => {
    const played = { ...scenario({ corrupt: 0.5 }), calmAtMs: 120_000 };
    expect(found({}, played)).toBeUndefined();
    expect(found(untiring(), played)).toEqual(violation('residue', /IKE SA \d+, connecting/));
  });

  it('an SA that stays for ever, where a third node has been found dead in the calm (untold)', () => {
    const mesh = scenario({}, undefined, 3);
    const liveness = { intervalMs: 3_000, timeoutMs: 6_000 };
    const played = { ...mesh, pairs: mesh.pairs.map((pair) => ({ ...pair, liveness })) };
    const dead = { atMs: played.calmAtMs + 20_000, peer: 'node-0' };
    const last = played.pairs.length - 1;
    const [hosts] = flowsOf(present(played.pairs[last]), last);
    expect(found(keeping(0, dead), played)).toBeUndefined();
    expect(found(keeping(present(hosts).reqid, dead), played)).toEqual(violation('residue', /of calm: node-[12] SA/));
  });
});
