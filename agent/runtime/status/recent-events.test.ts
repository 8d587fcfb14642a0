import { describe, expect, it } from 'vitest';

import { ip, ManualClock } from '../../dataplane/testing/builders.ts';
import type { Fact } from '../../ike/fact.ts';
import type { Path } from '../../ike/types.ts';
import { RecentEvents } from './recent-events.ts';

const PATH: Path = { localAddress: ip('10.78.0.1'), localPort: 500, remoteAddress: ip('10.78.0.2'), remotePort: 500 };

function failed(connection: string, text = 'no answer: is it running?'): Fact {
  return { kind: 'negotiationFailed', connection, path: PATH, reason: 'timeout', by: 'peer', text };
}

function rekeyed(connection: string, child: string): Fact {
  return { kind: 'childSaRekeyed', connection, child, by: 'us', replacedInboundSpi: 1, inboundSpi: 2 };
}

function closed(reason: Extract<Fact, { kind: 'ikeSaClosed' }>['reason'], established = true): Fact {
  return { kind: 'ikeSaClosed', connection: 'node-b', ikeSa: 1, path: PATH, reason, established };
}

function noted(...facts: readonly Fact[]): RecentEvents {
  const clock = new ManualClock();
  const events = new RecentEvents(clock);
  for (const fact of facts) {
    clock.advance(1_000);
    events.note(fact);
  }
  return events;
}

describe('recent events', () => {
  it('are told with peer, time and remedy, the latest first', () => {
    const events = noted(failed('node-b'), rekeyed('node-c', 'hosts'), closed('peerDead')).latest();
    expect(events).toMatchObject([
      { what: 'Lost', isTrouble: true, peer: 'node-b', text: expect.stringMatching(/^peerDead: .*is it running/) },
      { what: 'Rekeyed', isTrouble: false, peer: 'node-c', text: 'hosts, asked for by us' },
      { what: 'Failed', isTrouble: true, peer: 'node-b', text: 'no answer: is it running?' },
    ]);
    const [latest, , first] = events;
    expect((latest?.atMs ?? 0) - (first?.atMs ?? 0)).toBe(2_000);
  });

  it('say nothing of SAs that have a successor, of attempts that were given up, and of single steps', () => {
    const step: Fact = { kind: 'livenessChecked', connection: 'node-b', path: PATH };
    expect(noted(closed('rekeyed'), closed('replaced'), closed('peerDead', false), step).latest()).toEqual([]);
  });

  it('have one place for what comes again and again', () => {
    const events = noted(failed('node-b'), failed('node-c'), failed('node-b')).latest();
    expect(events.map(({ peer, times }) => [peer, times])).toEqual([
      ['node-b', 2],
      ['node-c', 1],
    ]);
  });

  it('keep trouble through a thousand rekeys, and through whatever strangers do', () => {
    const rekeys = Array.from({ length: 1_000 }, (_, index) => rekeyed(`peer-${index}`, 'hosts'));
    const strangers = Array.from({ length: 1_000 }, (_, index) => failed('', `refused ${index}`));
    const events = noted(failed('node-b'), ...rekeys, ...strangers).latest();
    expect(events).toHaveLength(201);
    expect(events.at(-1)).toMatchObject({ what: 'Failed', peer: 'node-b' });
  });

  it('are bounded in length, whatever a peer has sent', () => {
    const [event] = noted(failed('node-b', 'x'.repeat(100_000))).latest();
    expect(event?.text).toHaveLength(401);
  });
});
