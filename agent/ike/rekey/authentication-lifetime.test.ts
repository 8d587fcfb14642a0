import { describe, expect, it } from 'vitest';

import { notifyOf } from '../../wire/notify-data.ts';
import { ExchangeType, NotifyType } from '../../wire/registry.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { notify } from '../message/notify.ts';
import { connectionConfig, present } from '../testing/pair.ts';
import { calling, headline, type ScriptedPeer, waiting } from '../testing/scripted-peer.ts';
import type { ConnectionConfig } from '../types.ts';

/** The questions whether the peer is alive are not what is tested here. */
const QUIET: Partial<ConnectionConfig> = { liveness: { intervalMs: 36_000_000, timeoutMs: 36_000_000 } };
const lifetime = (seconds: number) => notifyOf({ kind: 'authLifetime', seconds });

/** We have begun, and the peer has said this in its answer to IKE_AUTH. */
function begun(seconds?: number, changes: Partial<ConnectionConfig> = {}): ScriptedPeer {
  const peer = calling({ ...QUIET, ...changes });
  const request = peer.accept();
  const demand = seconds === undefined ? [] : [lifetime(seconds)];
  peer.send(peer.respond(request, [...peer.proof(), ...peer.child(), ...demand]));
  peer.pair.wire.length = 0;
  return peer;
}

/** Milliseconds until we begin a new IKE SA, up to a bound; undefined where we do not. */
function untilNextAttempt(peer: ScriptedPeer, mostMs: number): number | undefined {
  const { pair, subject } = peer;
  const from = pair.at;
  const before = pair.sent.length;
  while (pair.at < from + mostMs) {
    pair.advanceLosing(Math.min(1_000, mostMs / 100));
    const begins = pair.sent.slice(before).some((sent) => {
      return sent.from === subject && headline(sent.bytes).join() === `${ExchangeType.IKE_SA_INIT},0,request`;
    });
    if (begins) return pair.at - from;
  }
  return undefined;
}

function plannedAt({ pair, subject }: ScriptedPeer): number | undefined {
  return pair.status(subject).ikeSas[0]?.reauthenticateAt;
}

describe('a peer that believes our proof for a limited time (RFC 4478)', () => {
  it('and says so in its answer to IKE_AUTH has a new IKE SA from us in time, while the old one stays', () => {
    const peer = begun(600);
    const waited = present(untilNextAttempt(peer, 600_000));
    expect(waited).toBeGreaterThan(400_000);
    expect(waited).toBeLessThan(541_000);
    expect(peer.pair.status(peer.subject).ikeSas.map(({ state }) => state)).toEqual(['established', 'connecting']);
    expect(peer.pair.status(peer.subject).ikeSas[0]?.children).toMatchObject([{ state: 'installed' }]);
  });

  it('and says so while the IKE SA stands is answered, and has a new one in time', () => {
    const peer = begun();
    peer.pair.advanceLosing(600_000);
    peer.send(peer.request(ExchangeType.INFORMATIONAL, [lifetime(60)]));
    expect(peer.open(peer.take())).toEqual([]);
    expect(untilNextAttempt(peer, 55_000)).toBeGreaterThan(40_000);
  });

  it('has the last word: a longer time takes the place of a shorter one', () => {
    const peer = begun(60);
    peer.send(peer.request(ExchangeType.INFORMATIONAL, [lifetime(2_000)]));
    expect(untilNextAttempt(peer, 1_000_000)).toBeUndefined();
  });

  it('cannot make us do so without end by a lifetime of nothing', () => {
    const waited = present(untilNextAttempt(begun(0), 10_000));
    expect(waited).toBeGreaterThanOrEqual(DEFAULT_LIMITS.authenticationLeastMs);
  });

  it('does not put off what our own configuration plans', () => {
    expect(untilNextAttempt(begun(86_400, { reauthenticationMs: 60_000 }), 61_000)).toBeDefined();
    const peer = begun(60, { reauthenticationMs: 86_400_000 });
    const before = present(plannedAt(peer));
    const { left, right } = peer.pair;
    const connection = connectionConfig(left, right, { ...QUIET, reauthenticationMs: 3_600_000 });
    peer.pair.command(left, { kind: 'updateConnection', connection });
    expect(plannedAt(peer)).toBe(before);
  });

  it('still has a new proof in time after the IKE SA has been rekeyed', () => {
    const peer = begun(600);
    const before = present(plannedAt(peer));
    peer.send(peer.request(ExchangeType.CREATE_CHILD_SA, peer.ikeSa('2222222222222222' as never)));
    const { ikeSas } = peer.pair.status(peer.subject);
    expect(ikeSas.find(({ state }) => state === 'established')?.reauthenticateAt).toBe(before);
  });

  it('is not listened to where only it can begin, or where the text makes no sense', () => {
    const ignored = ({ subject }: ScriptedPeer) =>
      subject.facts.flatMap((fact) => (fact.kind === 'notifyIgnored' ? [fact.notifyType] : []));
    const anywhere = waiting({ ...QUIET, remoteAddress: 'any' }).establish();
    anywhere.send(anywhere.request(ExchangeType.INFORMATIONAL, [lifetime(60)]));
    expect([plannedAt(anywhere), ignored(anywhere)]).toEqual([undefined, [NotifyType.AUTH_LIFETIME]]);

    const caller = waiting(QUIET);
    caller.authenticate((peer) => [...peer.proof(), ...peer.child(), lifetime(60)]);
    expect([plannedAt(caller), ignored(caller)]).toEqual([undefined, [NotifyType.AUTH_LIFETIME]]);

    const short = begun();
    const threeBytes = notify(NotifyType.AUTH_LIFETIME, Uint8Array.of(0, 0, 60));
    short.send(short.request(ExchangeType.INFORMATIONAL, [threeBytes]));
    expect([plannedAt(short), ignored(short)]).toEqual([undefined, [NotifyType.AUTH_LIFETIME]]);
  });
});
