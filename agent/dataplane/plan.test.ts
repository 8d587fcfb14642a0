import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { flowOf } from './memory/packet.ts';
import { MemoryDataplane } from './memory.ts';
import { isOurIndex, ownIndex, ownReqid } from './ownership.ts';
import { type DesiredState, planChanges } from './plan.ts';
import { ip, ManualClock, policy, sa, selector, template, udpPacket } from './testing/builders.ts';
import { policyKeyText } from './texts.ts';
import type { DataplaneCommand, KernelSnapshot, PolicyDirection, PolicySpec } from './types.ts';

const hostToHost = selector('10.0.0.1', '10.0.0.2');
const required = template();
const nothing: KernelSnapshot = { sas: [], policies: [] };

function wish(more: Partial<DesiredState>): DesiredState {
  return { policies: [], sas: [], keep: [], ...more };
}

function kinds(commands: readonly DataplaneCommand[]): readonly string[] {
  return commands.map((command) => command.kind);
}

function kernelWith(policies: readonly PolicySpec[]): MemoryDataplane {
  const dataplane = new MemoryDataplane({ clock: new ManualClock() });
  for (const spec of policies) dataplane.kernel.putPolicy(spec);
  return dataplane;
}

function snapshotOf(dataplane: MemoryDataplane): KernelSnapshot {
  const dump = dataplane.dump();
  if (!dump.ok) throw new Error(dump.error.message);
  return dump.value;
}

describe('a plan of changes', () => {
  it('adds the inbound SA, then the outbound one, then the policies', () => {
    const { commands } = planChanges(
      wish({
        policies: [policy('out', hostToHost, { template: required })],
        sas: [sa('10.0.0.1', '10.0.0.2', 0x1001), sa('10.0.0.2', '10.0.0.1', 0x1002, { direction: 'in' })],
      }),
      nothing,
    );
    expect(commands).toMatchObject([
      { kind: 'addSa', sa: { direction: 'in' } },
      { kind: 'addSa', sa: { direction: 'out' } },
      { kind: 'putPolicy' },
    ]);
  });

  it('moves the pin before it deletes the SA that nobody wants any longer', () => {
    const dataplane = kernelWith([policy('out', hostToHost, { template: template({ spi: 0x1001 }) })]);
    dataplane.kernel.addSa(sa('10.0.0.1', '10.0.0.2', 0x1001));
    const { commands } = planChanges(
      wish({
        policies: [policy('out', hostToHost, { template: template({ spi: 0x1003 }) })],
        sas: [sa('10.0.0.1', '10.0.0.2', 0x1003)],
      }),
      snapshotOf(dataplane),
    );
    expect(kinds(commands)).toEqual(['addSa', 'putPolicy', 'deleteSa']);
    for (const command of commands) {
      expect(dataplane.execute(command).ok).toBe(true);
      expect(dataplane.outbound(udpPacket('10.0.0.1', '10.0.0.2')).kind).toBe('esp');
    }
  });

  it('leaves what is right already, and what it is told to keep', () => {
    const specs = [policy('out', hostToHost, { template: required })];
    const dataplane = kernelWith(specs);
    dataplane.kernel.addSa(sa('10.0.0.1', '10.0.0.2', 0x1001));
    const keep = [{ destination: ip('10.0.0.2'), spi: 0x1001 }];
    const moved = specs.map((spec) => ({ ...spec, index: ownIndex(77, 'out') }));
    expect(planChanges(wish({ policies: moved, keep }), snapshotOf(dataplane))).toEqual({
      commands: [],
      conflicts: [],
    });
  });

  it('reports a foreign policy on a selector of ours and leaves it, and everything foreign, alone', () => {
    const dataplane = kernelWith([
      { ...policy('out', hostToHost), index: 0 },
      { ...policy('in', hostToHost), index: 0 },
    ]);
    dataplane.kernel.addSa(sa('10.0.0.1', '10.0.0.2', 0x1001, { reqid: 5 }));
    const desired = policy('out', hostToHost, { template: required });
    const plan = planChanges(wish({ policies: [desired] }), snapshotOf(dataplane));
    expect(plan.commands).toEqual([]);
    expect(plan.conflicts).toMatchObject([{ kind: 'foreignPolicy', desired, present: { ours: false } }]);
  });

  it('reports an SPI that is taken by another SA, and two policies on one selector', () => {
    const dataplane = kernelWith([]);
    dataplane.kernel.addSa(sa('10.0.0.1', '10.0.0.2', 0x1001, { reqid: ownReqid(5) }));
    const first = policy('out', hostToHost, { template: required });
    const second = policy('out', hostToHost, { priority: 5 }, 2);
    const plan = planChanges(
      wish({ policies: [first, second], sas: [sa('10.0.0.1', '10.0.0.2', 0x1001)] }),
      snapshotOf(dataplane),
    );
    expect(plan.conflicts.map((conflict) => conflict.kind)).toEqual(['duplicatePolicy', 'takenSpi']);
    expect(plan.commands).toMatchObject([{ kind: 'putPolicy', policy: first }]);
  });

  it('gives a new policy a free index where an earlier run’s policy has the one it asks for', () => {
    const stale = policy('out', selector('10.0.0.1', '10.0.0.9'), {}, 1);
    const dataplane = kernelWith([stale]);
    const { commands } = planChanges(wish({ policies: [policy('out', hostToHost, {}, 1)] }), snapshotOf(dataplane));
    expect(commands).toMatchObject([
      { kind: 'putPolicy', policy: { index: ownIndex(2, 'out') } },
      { kind: 'deletePolicy', index: ownIndex(1, 'out') },
    ]);
    for (const command of commands) expect(dataplane.execute(command)).toEqual({ ok: true, value: undefined });
  });
});

describe('a policy that protected and is not wanted any longer', () => {
  it('stays until a bypass below it has given way to its successor', () => {
    const bypass = selector('0.0.0.0/0', '10.0.0.2');
    const dataplane = kernelWith([
      policy('out', hostToHost, { priority: 10, action: 'block' }, 1),
      policy('out', bypass, { priority: 20 }, 2),
    ]);
    const desired = [
      policy('out', selector('10.0.0.0/24', '10.0.0.2'), { priority: 30, action: 'block' }, 3),
      policy('out', bypass, { priority: 40 }, 2),
    ];
    const { commands } = planChanges(wish({ policies: desired }), snapshotOf(dataplane));
    for (const command of commands) {
      dataplane.execute(command);
      expect(dataplane.outbound(udpPacket('10.0.0.1', '10.0.0.2'))).toMatchObject({ statistic: 'XfrmOutPolBlock' });
    }
    expect(kinds(commands)).toEqual(['putPolicy', 'putPolicy', 'deletePolicy']);
  });
});

const SOURCES = ['0.0.0.0/0', '10.0.0.0/8', '10.0.0.0/24', '10.0.0.1'];
const DESTINATIONS = ['0.0.0.0/0', '10.0.0.0/24', '10.0.0.2', '10.1.0.0/16'];
const PACKETS = ['10.0.0.1', '10.0.0.7', '10.9.9.9', '192.0.2.1'].flatMap((source) =>
  ['10.0.0.2', '10.0.0.3', '10.1.0.1', '192.0.2.2'].flatMap((destination) =>
    [6, 17].map((protocol) => udpPacket(source, destination, { protocol })),
  ),
);
const DEMANDS: readonly Partial<PolicySpec>[] = [
  { action: 'block' },
  {},
  { template: required },
  { template: template({ level: 'optional' }) },
  { template: template({ spi: 0x1001 }) },
];

/** A policy before and after: on one selector, in one direction, each with a demand or absent. */
const versions = fc.record({
  source: fc.constantFrom(...SOURCES),
  destination: fc.constantFrom(...DESTINATIONS),
  protocol: fc.constantFrom(0, 17),
  direction: fc.constantFrom<PolicyDirection>('out', 'in'),
  before: fc.option(fc.constantFrom(...DEMANDS), { nil: undefined }),
  after: fc.option(fc.constantFrom(...DEMANDS), { nil: undefined }),
  /** Two ranks, made distinct from all others. */
  ranks: fc.tuple(fc.nat(30), fc.nat(30)),
  samePriority: fc.boolean(),
  foreign: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
});

const changes = fc
  .uniqueArray(versions, {
    maxLength: 12,
    selector: (v) => `${v.direction} ${v.source} ${v.destination} ${v.protocol}`,
  })
  .map((list) => {
    const present: PolicySpec[] = [];
    const desired: PolicySpec[] = [];
    for (const [i, v] of list.entries()) {
      const spec = selector(v.source, v.destination, { protocol: v.protocol });
      const priority = (which: 0 | 1) => (v.ranks[which] + 1) * 1000 + i * 2 + which;
      if (v.before !== undefined) {
        const sequence = v.foreign ? 0 : i;
        const old = policy(v.direction, spec, { ...v.before, priority: priority(0) }, sequence);
        present.push(v.foreign ? { ...old, index: 0 } : old);
      }
      if (v.after !== undefined) {
        const after = { ...v.after, priority: v.samePriority ? priority(0) : priority(1) };
        desired.push(policy(v.direction, spec, after, i + 100));
      }
    }
    return { present, desired };
  });

/** Which packets may not leave, or come in, as they are. */
function protectedPackets(dataplane: MemoryDataplane): readonly boolean[] {
  return (['out', 'in'] as const).flatMap((direction) =>
    PACKETS.map((packet) => {
      const spec = dataplane.kernel.policies.lookup(direction, flowOf(packet))?.spec;
      return spec !== undefined && (spec.action === 'block' || spec.template?.level === 'required');
    }),
  );
}

describe('any plan of changes', () => {
  it('leads to what is desired, and then there is nothing to do', () => {
    fc.assert(
      fc.property(changes, ({ present, desired }) => {
        const dataplane = kernelWith(present);
        const plan = planChanges(wish({ policies: desired }), snapshotOf(dataplane));
        for (const command of plan.commands) expect(dataplane.execute(command)).toEqual({ ok: true, value: undefined });
        const conflicted = new Set(
          plan.conflicts.map((conflict) => (conflict.kind === 'foreignPolicy' ? policyKeyText(conflict.present) : '')),
        );
        const ours = snapshotOf(dataplane).policies.filter((installed) => installed.ours);
        expect(ours.map(policyKeyText).sort()).toEqual(
          desired
            .map(policyKeyText)
            .filter((key) => !conflicted.has(key))
            .sort(),
        );
        expect(planChanges(wish({ policies: desired }), snapshotOf(dataplane)).commands).toEqual([]);
      }),
    );
  });

  it('never unprotects, at any step, a packet that is protected before and after', () => {
    fc.assert(
      fc.property(changes, ({ present, desired }) => {
        const dataplane = kernelWith(present);
        const { commands } = planChanges(wish({ policies: desired }), snapshotOf(dataplane));
        const steps = [protectedPackets(dataplane)];
        for (const command of commands) {
          expect(dataplane.execute(command).ok).toBe(true);
          steps.push(protectedPackets(dataplane));
        }
        const last = steps.at(-1);
        const unprotected = steps.findIndex((step) =>
          step.some((isProtected, i) => !isProtected && steps[0]?.[i] === true && last?.[i] === true),
        );
        expect(unprotected).toBe(-1);
      }),
      { numRuns: 500 },
    );
  });

  it('touches nothing that is not ours', () => {
    fc.assert(
      fc.property(changes, ({ present, desired }) => {
        const dataplane = kernelWith(present);
        const foreign = () => snapshotOf(dataplane).policies.filter((installed) => !isOurIndex(installed.index));
        const before = foreign();
        const { commands } = planChanges(wish({ policies: desired }), snapshotOf(dataplane));
        for (const command of commands) dataplane.execute(command);
        expect(foreign()).toEqual(before);
      }),
    );
  });
});
