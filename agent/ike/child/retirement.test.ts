import { describe, expect, it } from 'vitest';

import { type Connection, newConnection } from '../connection/connection.ts';
import type { IkeSa } from '../state.ts';
import { connectionConfig, Pair, present } from '../testing/pair.ts';
import { hasSettled } from './retirement.ts';

const REQID = 0x6000_0001;
const OLD = { reqid: REQID, madeAt: 1, settledAt: undefined };

/** As much of an IKE SA as decides which of two stays; its pair is newer than what was made at 1. */
function established(number: number, lowestNonce: number): IkeSa {
  const child = { config: { reqid: REQID }, settledAt: 20 + number, installedAt: 10 + number };
  const state = {
    kind: 'established',
    peerIsAgent: true,
    authenticatedAt: 10 + number,
    lowestNonce: Uint8Array.of(lowestNonce),
    children: [child],
  };
  return { number, startedAt: number, replaces: 0, state } as unknown as IkeSa;
}

function between(...ikeSas: IkeSa[]): Connection {
  const { left, right } = new Pair();
  return { ...newConnection(connectionConfig(left, right)), ikeSas };
}

describe('a pair whose IKE SA is found dead', () => {
  it('is of no use any more where the peer sends on a newer one that stays', () => {
    const [staying, dead] = [established(2, 1), established(1, 9)];
    expect(hasSettled(between(dead, staying), OLD, dead)).toBe(true);
  });

  it('is kept where the newer one is of an IKE SA that gives way to it: the peer goes back to the one that stays', () => {
    const [losing, dead] = [established(2, 9), established(1, 1)];
    const connection = between(losing);
    expect(hasSettled(connection, OLD, dead)).toBe(false);
    expect(hasSettled(connection, OLD)).toBe(true);
  });

  it('is kept where the peer began to send on it later than on the newer one: its own exchange ended last, as it saw it', () => {
    const [staying, dead] = [established(2, 1), established(1, 9)];
    expect(hasSettled(between(staying), { ...OLD, settledAt: 30 }, dead)).toBe(false);
    expect(hasSettled(between(staying), { ...OLD, settledAt: 15 }, dead)).toBe(true);
  });
});

describe('what is received on', () => {
  it('of an IKE SA that we found dead stays when the peer, which still believes in it, deletes the one that it replaced', () => {
    const liveness = { intervalMs: 15_000, timeoutMs: 8_000 };
    const pair = new Pair().configure({ liveness }, { liveness }).settle();
    pair.advance(1_000);
    pair.command(pair.right, { kind: 'reauthenticate', name: 'left' });
    // IKE_SA_INIT and IKE_AUTH; for a while nothing else of the left side arrives.
    pair.fire();
    for (let message = 0; message < 4; message += 1) pair.deliver();
    const deafUntil = pair.at + 10_000;
    const closed = (): readonly string[] =>
      pair.right.facts.flatMap((fact) => (fact.kind === 'ikeSaClosed' ? [fact.reason] : []));
    for (let step = 0; step < 300 && closed().length < 2; step += 1) {
      pair.at += 100;
      pair.fire();
      for (const datagram of pair.wire.splice(0)) {
        if (datagram.from === pair.right || pair.at > deafUntil) pair.deliverCopy(datagram);
      }
    }
    expect(closed()).toEqual(['peerDead', 'deletedByPeer']);
    // Nobody sends for longer than an SA that is out of use stays, and nothing else comes through.
    pair.advanceLosing(12_000);
    expect(pair.packet(pair.left)).toBe('encrypted');
  });
});

describe('an SA that its kernel has ended at the hard limit', () => {
  it('is not waited for: nothing stays of it, though the peer is never heard of again', () => {
    const pair = new Pair().configure().settle().advance(10_000);
    const { right } = pair;
    const { inboundSpi: spi, reqid } = present(pair.status(right).ikeSas[0]?.children[0]);
    const id = { destination: right.address, spi };
    right.kernel.execute({ kind: 'deleteSa', id });
    pair.handle(right, { kind: 'kernel', event: { kind: 'expire', id, reqid, hard: true } });
    pair.advanceLosing(600_000);
    expect(pair.status(right).ikeSas).toEqual([]);
    expect(right.endpoint.status(pair.at).tables.espSpis).toBe(0);
  });
});
