import { describe, expect, it } from 'vitest';

import { judge, type Measured } from './judge.ts';

const place = { event: 'agent-killed', mode: 'tunnel', family: 'IPv6' } as const;
const outage = { why: 'a node that is down receives nothing', recoverySeconds: 5 };

describe('judge', () => {
  it('keeps a row in which nothing was lost and nothing was in plaintext', () => {
    expect(judge(place, {}, measured())).toEqual({
      ...place,
      outcome: 'kept',
      counts: { sentPackets: 1000, lostPackets: 0, plaintextPackets: 0, recoverySeconds: 0 },
    });
  });

  it('breaks a row of two live nodes for one lost packet, and says where and why it was lost', () => {
    const row = judge(
      place,
      {},
      measured({
        traffic: traffic({ lost: 1, darkSeconds: 0.005, directions: ['a to b: 1 lost, longest gap 10 ms'] }),
        drops: ['XfrmInNoStates 1 on b'],
      }),
    );
    expect(row).toMatchObject({ outcome: 'broken', counts: { lostPackets: 1, recoverySeconds: 0.005 } });
    expect(row.why).toBe('1 of 1000 packets lost; a to b: 1 lost, longest gap 10 ms; XfrmInNoStates 1 on b');
  });

  it('breaks a row for one packet in plaintext, an outage or not', () => {
    const leak = { plaintextPackets: 1, leaked: ['IPv6 a > b UDP 7001 > 7001'] };
    for (const event of [{}, { outage }]) {
      const row = judge(place, event, measured(leak));
      expect(row).toMatchObject({ outcome: 'broken', why: '1 packets in plaintext: IPv6 a > b UDP 7001 > 7001' });
    }
  });

  it('keeps a row in plaintext only for the time in which nobody has asked for encryption, and says so', () => {
    const event = { unencrypted: 'without a peering nobody asks for encryption' };
    expect(judge(place, event, measured({ plaintextPackets: 40 }))).toMatchObject({
      outcome: 'kept',
      counts: { plaintextPackets: 40 },
      why: 'without a peering nobody asks for encryption',
    });
  });

  it('counts recovery from the end of an outage, and breaks a row whose recovery takes too long', () => {
    const darkFor = (darkSeconds: number) =>
      judge(place, { outage }, measured({ outageSeconds: 10, traffic: traffic({ lost: 500, darkSeconds }) }));
    expect(darkFor(12)).toMatchObject({ outcome: 'kept', counts: { recoverySeconds: 2 }, why: outage.why });
    expect(darkFor(16)).toMatchObject({
      outcome: 'broken',
      why: 'packets flowed after 6 s, 5 s expected at most',
    });
  });

  it('breaks a row whose TCP connection ended, did not bring everything back, or carried nothing', () => {
    const of = (connection: Measured['traffic']['connection']) =>
      judge(place, {}, measured({ traffic: traffic({ connection }) }));
    expect(of({ sent: 9, echoed: 9, ended: 'read ECONNRESET' }).why).toBe('the TCP connection ended: read ECONNRESET');
    expect(of({ sent: 9, echoed: 7 }).why).toBe('2 of 9 lines of the TCP connection did not come back');
    expect(of({ sent: 0, echoed: 0 }).why).toBe('the TCP connection carried nothing');
    expect(of(undefined).outcome).toBe('kept');
  });

  it('breaks a row that proves nothing, and one in which the event did not do what it is to do', () => {
    expect(judge(place, {}, measured({ espPackets: 0 })).outcome).toBe('broken');
    expect(judge(place, {}, measured({ traffic: traffic({ sent: 0 }) })).outcome).toBe('broken');
    expect(judge(place, {}, measured({ failure: 'waited in vain' }))).toMatchObject({
      outcome: 'broken',
      why: 'waited in vain',
    });
  });
});

function measured(changes: Partial<Measured> = {}): Measured {
  return {
    traffic: traffic(),
    failure: undefined,
    outageSeconds: 0,
    drops: [],
    espPackets: 1100,
    plaintextPackets: 0,
    leaked: [],
    ...changes,
  };
}

function traffic(changes: Partial<Measured['traffic']> = {}): Measured['traffic'] {
  const connection = { sent: 100, echoed: 100 };
  return { sent: 1000, lost: 0, darkSeconds: 0, directions: [], connection, ...changes };
}
