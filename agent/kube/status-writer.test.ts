import { describe, expect, it } from 'vitest';

import type { NodeStatus } from './node-status.ts';
import { StatusWriter } from './status-writer.ts';

const MINUTE = 60_000;

describe('the status of a node', () => {
  it('tells soon what came of a peering that is new to the node, however long its agent runs', async () => {
    const { writer, clock, written } = world();
    await writer.offer(statusOf({ old: 1 }), undefined);
    clock.now = 60 * MINUTE;
    await writer.offer(statusOf({ old: 1, new: 0 }), undefined);
    clock.now += MINUTE;
    expect(await writer.offer(statusOf({ old: 1, new: 1 }), undefined)).toBeUndefined();
    expect(written.map(encrypting)).toEqual([[1], [1, 0], [1, 1]]);
  });

  it('tells soon when the fault of a peering is another one, although of the same kind', async () => {
    const { writer, clock, written } = world();
    const faulty = (message: string): NodeStatus => ({
      peerings: [{ name: 'office', fault: { reason: 'CredentialsMissing', message } }],
    });
    await writer.offer(faulty('cannot be read'), undefined);
    clock.now = 60 * MINUTE;
    await writer.offer(faulty('cannot be read'), undefined);
    await writer.offer(faulty('is not there: make it'), undefined);
    expect(written.map(({ peerings }) => peerings?.[0]?.fault?.message)).toEqual([
      'cannot be read',
      'is not there: make it',
    ]);
  });

  it('tells counts of peerings that it has had for long seldom, so that not everybody writes when one node joins', async () => {
    const { writer, clock, written } = world();
    await writer.offer(statusOf({ old: 1 }), undefined);
    clock.now = 4 * MINUTE;
    expect(await writer.offer(statusOf({ old: 2 }), undefined)).toBe(MINUTE);
    clock.now += MINUTE;
    expect(await writer.offer(statusOf({ old: 3 }), undefined)).toBeUndefined();
    expect(written.map(encrypting)).toEqual([[1], [3]]);
  });

  it('tells soon when a peer that was told of as pending counts, so that a peering is not Ready minutes late', async () => {
    const { writer, clock, written } = world();
    await writer.offer(statusOf({ old: 1 }, 1), undefined);
    clock.now = 4 * MINUTE;
    expect(await writer.offer(statusOf({ old: 2 }, 1), undefined)).toBe(MINUTE);
    expect(await writer.offer(statusOf({ old: 2 }), undefined)).toBeUndefined();
    expect(written.map(encrypting)).toEqual([[1], [2]]);
  });

  it('tells an IPsecNodeConfig that was made anew what it told the one before, although nothing else has changed', async () => {
    const { writer, clock, written } = world();
    await writer.offer(statusOf({ old: 1 }), 'first');
    clock.now = 60 * MINUTE;
    await writer.offer(statusOf({ old: 1 }), 'first');
    expect(written).toHaveLength(1);
    await writer.offer(statusOf({ old: 1 }), 'second');
    await writer.offer(statusOf({ old: 1 }), 'second');
    expect(written).toHaveLength(2);
  });

  it('tells how far a node that joins has come, and at once when it has reached everybody', async () => {
    const { writer, clock, written } = world();
    await writer.offer(statusOf({ cluster: 0 }, 3), undefined);
    clock.now = 2_000;
    expect(await writer.offer(statusOf({ cluster: 1 }, 2), undefined)).toBe(8_000);
    clock.now = 4_000;
    expect(await writer.offer(statusOf({ cluster: 3 }), undefined)).toBeUndefined();
    expect(written.map(encrypting)).toEqual([[0], [3]]);
  });
});

function world() {
  const clock = { now: 0 };
  const written: NodeStatus[] = [];
  const writer = new StatusWriter({
    client: {
      ask: async ({ body }) => {
        written.push((body as { readonly status: NodeStatus }).status);
        return { ok: true, value: {} };
      },
    },
    nodeName: 'a',
    monotonicMs: () => clock.now,
    random: () => 0,
    onFailure: () => undefined,
  });
  return { writer, clock, written };
}

function statusOf(counts: Readonly<Record<string, number>>, pending = 0): NodeStatus {
  const peerings = Object.entries(counts).map(([name, count]) => ({
    name,
    tunnels: { expected: count, pending, established: count, encrypting: count },
  }));
  return { observedGeneration: 1, conditions: [], peerings };
}

function encrypting({ peerings = [] }: NodeStatus): readonly (number | undefined)[] {
  return peerings.map(({ tunnels }) => tunnels?.encrypting);
}
