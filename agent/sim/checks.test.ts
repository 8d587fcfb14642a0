import { describe, expect, it } from 'vitest';

import { SecretBytes } from '../crypto/secret.ts';
import { isBypassPolicy } from '../dataplane/ownership.ts';
import type { SaId } from '../dataplane/types.ts';
import { byPreSharedKey } from '../ike/negotiation/authentication.ts';
import type { Command, IkeAction, IkeEvent } from '../ike/types.ts';
import type { Sabotage } from './host.ts';
import { repeated } from './run-seed.ts';
import type { Scenario } from './scenario.ts';
import { simulate } from './simulation.ts';
import { core, found, isAddition, kernel, owner, scenario, violation } from './testing/planted-bugs.ts';

describe('the simulator finds nothing', () => {
  it('where nothing is broken', () => {
    expect(found({})).toBeUndefined();
  });

  it('where a scenario is played twice', () => {
    expect(repeated(scenario(), simulate(scenario())).violation).toBeUndefined();
  });
});

describe('the simulator finds', () => {
  it('a core that throws', () => {
    const broken = core((endpoint, at, event) => {
      if (event.kind === 'datagram') throw new Error('a fault on purpose');
      return endpoint.handle(at, event);
    });
    expect(found(broken)).toEqual(violation('noThrow', /a fault on purpose/));
  });

  it('a core that asks for a deadline again and again, which never comes to rest', () => {
    const broken: Sabotage = {
      endpoint: (endpoint) => ({
        handle: (at, event) => endpoint.handle(at, event),
        nextDeadline: () => 0,
        status: (at) => endpoint.status(at),
      }),
    };
    expect(found(broken)).toEqual(violation('progress', /circles/));
  });

  it('two ends that have different extended sequence numbers', () => {
    const broken = kernel((command) => {
      if (command.kind !== 'addSa' || command.sa.direction === 'in') return command;
      return { ...command, sa: { ...command.sa, esn: false } };
    });
    expect(found(broken)).toEqual(violation('agreement', /differ about SA .*ESN/));
  });

  it('keys of the wrong direction', () => {
    const broken = kernel((command) => {
      if (command.kind !== 'addSa' || command.sa.direction === 'in') return command;
      return { ...command, sa: { ...command.sa, algorithms: { ...command.sa.algorithms, encryption: 12 } } };
    });
    expect(found(broken)).toEqual(violation('agreement', /keys or algorithms/));
  });

  it('a receiver that has not installed what it has agreed to', () => {
    const broken = kernel((command) => {
      return command.kind === 'addSa' && command.sa.direction === 'in' ? undefined : command;
    });
    expect(found(broken)).toEqual(violation('reception', /selects SA .* the receiver never had it/));
  });

  it('a receiver that removes an old SA before the packets on it are in', () => {
    const inbound = new Map<number, SaId[]>();
    const broken = core((endpoint, at, event) => {
      const actions = endpoint.handle(at, event);
      const added = actions.flatMap((action) => (isAddition(action, 'in') ? [action.command.sa] : []));
      const old = added.flatMap(({ reqid, id }) => {
        const known = inbound.get(reqid) ?? [];
        inbound.set(reqid, [...known, id]);
        return known.filter(({ destination }) => destination === id.destination);
      });
      return [
        ...actions,
        ...old.map((id): IkeAction => ({ kind: 'dataplane', command: { kind: 'deleteSa', id }, owner })),
      ];
    });
    expect(found(broken)).toEqual(violation('reception', /the receiver lost it 0 ms ago \(agent\)/));
  });

  it('an inbound policy for another reqid, which lets nothing in', () => {
    const broken = kernel((command) => {
      if (command.kind !== 'putPolicy' || command.policy.direction === 'out') return command;
      const { template } = command.policy;
      if (template === undefined) return command;
      return { ...command, policy: { ...command.policy, template: { ...template, reqid: template.reqid + 1 } } };
    });
    expect(found(broken)).toEqual(violation('delivery', /was dropped: XfrmInTmplMismatch/));
  });

  it('an SA without a replay window, on which a copy is let in again', () => {
    const broken = kernel((command) => {
      return command.kind === 'addSa' ? { ...command, sa: { ...command.sa, replayWindow: 0 } } : command;
    });
    const copies = scenario({ duplicate: 0.5 }, ['aes256gcm16', 'noesn']);
    expect(found(broken, copies)).toEqual(violation('noSecondDelivery', /was let in twice/));
  });

  it('a policy that lets plaintext out where there is no SA yet', () => {
    const broken = kernel((command) => {
      return command.kind === 'putPolicy' && command.policy.direction === 'out' ? undefined : command;
    });
    expect(found(broken)).toEqual(violation('enforcement', /plaintext may pass out of/));
  });

  it('a policy that only asks for encryption of what comes in', () => {
    const broken = kernel((command) => {
      if (command.kind !== 'putPolicy' || command.policy.direction === 'out') return command;
      const { template } = command.policy;
      if (template === undefined) return command;
      return { ...command, policy: { ...command.policy, template: { ...template, level: 'optional' } } };
    });
    expect(found(broken)).toEqual(violation('enforcement', /plaintext may pass into/));
  });

  it('policies without a way for IKE itself', () => {
    const broken = kernel((command) => {
      return command.kind === 'putPolicy' && isBypassPolicy(command.policy) ? undefined : command;
    });
    expect(found(broken)).toEqual(violation('ikePasses', /policies hold back IKE itself/));
  });

  it('an SA that is taken away for nothing', () => {
    const broken: Sabotage = {
      endpoint: (endpoint) => {
        let outbound: SaId | undefined;
        return {
          handle: (at, event) => {
            const actions = endpoint.handle(at, event);
            for (const action of actions) if (isAddition(action, 'out')) outbound ??= action.command.sa.id;
            if (at < 10_000 || outbound === undefined) return actions;
            return [...actions, { kind: 'dataplane', command: { kind: 'deleteSa', id: outbound }, owner }];
          },
          nextDeadline: () => endpoint.nextDeadline(),
          status: (at) => endpoint.status(at),
        };
      },
    };
    expect(found(broken)).toEqual(violation('continuity', /lost its SA .* nothing happened that ends SAs/));
  });

  it('SAs that stay in the kernel when their time is over', () => {
    const broken = kernel((command) => (command.kind === 'deleteSa' ? undefined : command));
    expect(found(broken)).toEqual(violation('residue', /SA/));
  });

  it('a pair that does not come up', () => {
    const broken = core((endpoint, at, event) => (event.kind === 'datagram' ? [] : endpoint.handle(at, event)));
    expect(found(broken)).toEqual(violation('convergence', /150 s after the calm/));
  });

  it('a proof that is refused although both have the same key', () => {
    let hosts = 0;
    const broken: Sabotage = {
      endpoint: (endpoint) => {
        hosts += 1;
        const key = `secret of host ${hosts}`;
        return {
          handle: (at, event) => endpoint.handle(at, event.kind === 'command' ? withKey(event, key) : event),
          nextDeadline: () => endpoint.nextDeadline(),
          status: (at) => endpoint.status(at),
        };
      },
    };
    expect(found(broken)).toEqual(violation('authentication', /pre-shared key/));
  });

  it('a core that does not do the same twice', () => {
    let hosts = 0;
    const broken: Sabotage = {
      endpoint: (endpoint) => {
        hosts += 1;
        const late = hosts > 2 ? 1 : 0;
        return {
          handle: (at, event) => endpoint.handle(at + late, event),
          nextDeadline: () => endpoint.nextDeadline(),
          status: (at) => endpoint.status(at),
        };
      },
    };
    const run = (played: Scenario) => simulate(played, { sabotage: broken });
    const outcome = repeated(scenario(), run(scenario()), run);
    expect(outcome.violation).toEqual(violation('determinism', /two runs of one seed differ/));
  });
});

function withKey(event: Extract<IkeEvent, { kind: 'command' }>, key: string): IkeEvent {
  const { command } = event;
  if (command.kind !== 'start') return event;
  const connections = command.connections.map((connection) => ({
    ...connection,
    ...byPreSharedKey(new SecretBytes(new TextEncoder().encode(key))),
  }));
  return { kind: 'command', command: { ...command, connections } satisfies Command };
}
