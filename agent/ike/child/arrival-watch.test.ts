import { describe, expect, it } from 'vitest';

import { SecretBytes } from '../../crypto/secret.ts';
import type { InstalledSa } from '../../dataplane/types.ts';
import { Pair, type PairOptions, present, type Side } from '../testing/pair.ts';
import { live, survey } from '../testing/traffic.ts';
import type { ChildSaStatus } from '../types.ts';

function connected(options: PairOptions = {}): Pair {
  return new Pair(options).configure({ natTraversal: 'Never' }, { natTraversal: 'Never' }).settle().advance(1_000);
}

function child(pair: Pair, side: Side): ChildSaStatus {
  const children = pair.status(side).ikeSas.flatMap((sa) => sa.children);
  return present(children.findLast(({ state }) => state === 'installed'));
}

function arrivals(pair: Pair) {
  return [pair.left, pair.right].map((side) => {
    const { inbound, outbound } = present(child(pair, side).arrival);
    return { inbound, outbound };
  });
}

/** Puts an SA with another key in the place of one. */
function withWrongKey(side: Side, { id, source, mode, reqid }: InstalledSa): void {
  const algorithms = { encryption: 20, keyBits: 256, integrity: 0 };
  const keys = {
    encryptionKey: new SecretBytes(new Uint8Array(36).fill(9)),
    integrityKey: new SecretBytes(new Uint8Array(0)),
  };
  side.kernel.execute({ kind: 'deleteSa', id });
  const direction = source === side.address ? 'out' : 'in';
  const sa = {
    id,
    source,
    direction,
    mode,
    reqid,
    algorithms,
    ...keys,
    esn: true,
    replayWindow: 1_024,
    lifetime: {},
  } as const;
  expect(side.kernel.execute({ kind: 'addSa', sa })).toMatchObject({ ok: true });
}

function kinds(side: Side): readonly string[] {
  return side.facts.map(({ kind }) => kind);
}

describe('what a pair’s packets become is known at both ends', () => {
  it('where they arrive: the peer has counted them', () => {
    const pair = connected();
    live(pair, 6);
    expect(arrivals(pair)).toEqual([
      { inbound: 'received', outbound: 'arrived' },
      { inbound: 'received', outbound: 'arrived' },
    ]);
    expect(kinds(pair.left)).not.toContain('arrivalChanged');
  });

  it('where ESP is dropped on the path within twelve seconds, and when that is over', () => {
    const pair = connected();
    live(pair, 10);
    live(pair, 12, () => undefined);
    expect(arrivals(pair).map(({ outbound }) => outbound)).toEqual(['lost', 'lost']);
    live(pair, 6);
    expect(arrivals(pair).map(({ outbound }) => outbound)).toEqual(['arrived', 'arrived']);
  });

  it('where it is dropped in one direction only: the sender learns it', () => {
    const pair = connected();
    live(pair, 10);
    live(pair, 12, (from, esp) => (from === pair.left ? undefined : esp));
    expect(arrivals(pair).map(({ outbound }) => outbound)).toEqual(['lost', 'arrived']);
  });

  it('where the peer cannot decrypt them, and a pair with new keys takes their place', () => {
    const pair = connected();
    live(pair, 10);
    const before = child(pair, pair.left);
    live(pair, 2, (from, esp) => {
      const authenticator = { ...esp.authenticator, fingerprint: -1 };
      return from === pair.left && esp.spi === before.outboundSpi ? { ...esp, authenticator } : esp;
    });
    const told = (side: Side) => side.facts.filter((fact) => fact.kind === 'arrivalChanged');
    expect(told(pair.right)[0]).toMatchObject({ inbound: 'undecryptable' });
    expect(told(pair.left)[0]).toMatchObject({ outbound: 'undecryptable' });
    live(pair, 6);
    expect(child(pair, pair.left).inboundSpi).not.toBe(before.inboundSpi);
    expect(arrivals(pair).map(({ outbound }) => outbound)).toEqual(['arrived', 'arrived']);
    expect(pair.encrypts()).toBe(true);
  });

  it('asks a peer that answers with packets no more often than liveness is asked about', () => {
    const pair = connected();
    live(pair, 10);
    const before = pair.sent.length;
    live(pair, 60);
    expect(pair.sent.length - before).toBeLessThanOrEqual(12);
  });

  it('asks nothing of a peer with which nothing is exchanged', () => {
    const pair = connected();
    live(pair, 10);
    const before = pair.sent.length;
    for (let passed = 0; passed < 20; passed += 2) {
      pair.advance(2_000);
      survey(pair, pair.left);
    }
    expect(pair.sent.length - before).toBeLessThanOrEqual(2);
  });
});

describe('what somebody else does to the kernel is mended', () => {
  it('an SA with another key in the place of ours: a new pair is negotiated', () => {
    const pair = connected();
    live(pair, 6);
    const [outbound] = pair.outbound(pair.left);
    withWrongKey(pair.left, present(outbound));
    survey(pair, pair.left);
    pair.advance(10_000);
    live(pair, 6);
    expect(kinds(pair.left)).toContain('saTampered');
    expect(pair.sas(pair.left).map(({ id }) => id.spi)).not.toContain(present(outbound).id.spi);
    expect(arrivals(pair)).toEqual([
      { inbound: 'received', outbound: 'arrived' },
      { inbound: 'received', outbound: 'arrived' },
    ]);
  });

  it('an SA that is deleted: a new pair is negotiated as soon as the kernel tells', () => {
    const pair = connected();
    const [outbound] = pair.outbound(pair.left);
    const { id, reqid } = present(outbound);
    pair.left.kernel.execute({ kind: 'deleteSa', id });
    pair.handle(pair.left, { kind: 'kernel', event: { kind: 'removed', id, reqid } });
    pair.settle().advance(3_000);
    expect(kinds(pair.left)).toContain('saTampered');
    expect(pair.encrypts()).toBe(true);
  });

  it('an SA whose lifetime is over is not called deleted by somebody where the agent was stopped until it was gone', () => {
    const pair = connected();
    const [outbound] = pair.outbound(pair.left);
    pair.at += 7_200_000;
    pair.left.kernel.execute({ kind: 'deleteSa', id: present(outbound).id });
    survey(pair, pair.left);
    expect(pair.left.facts).toContainEqual({ kind: 'saExpired', connection: 'right', child: 'hosts', hard: true });
    expect(kinds(pair.left)).not.toContain('saTampered');
  });

  it('a policy that is removed: it comes back, and is told', () => {
    const pair = connected();
    const removed = present(pair.policies(pair.left).find(({ direction }) => direction === 'out'));
    pair.left.kernel.execute({ kind: 'deletePolicy', key: removed, index: removed.index });
    survey(pair, pair.left);
    expect(
      pair
        .policies(pair.left)
        .map(({ direction }) => direction)
        .sort(),
    ).toEqual(['in', 'out']);
    expect(kinds(pair.left)).toContain('policyRestored');
  });

  it('a policy that is changed: it stays so, for whoever administers the host may want it', () => {
    const pair = connected();
    const changed = present(pair.policies(pair.left).find(({ direction }) => direction === 'out'));
    const { template: _, ours, ...open } = changed;
    pair.left.kernel.execute({ kind: 'putPolicy', policy: open });
    survey(pair, pair.left);
    expect(pair.policies(pair.left).find(({ direction }) => direction === 'out')).not.toHaveProperty('template');
    expect(kinds(pair.left)).not.toContain('policyRestored');
  });

  it('what is not known is left alone: it may be that of an agent that takes over', () => {
    const pair = connected();
    const [known] = pair.sas(pair.left);
    withWrongKey(pair.left, { ...present(known), id: { ...present(known).id, spi: 0x1234_5678 } });
    survey(pair, pair.left);
    expect(pair.sas(pair.left).map(({ id }) => id.spi)).toContain(0x1234_5678);
    expect(kinds(pair.left)).not.toContain('saTampered');
  });
});
