import { describe, expect, it } from 'vitest';

import { SecretBytes } from '../../crypto/secret.ts';
import { ip, ManualClock } from '../../dataplane/testing/builders.ts';
import type { Fact } from '../../ike/fact.ts';
import type { Path } from '../../ike/types.ts';
import { DropCounters } from '../counters.ts';
import { LogObserver } from './log-observer.ts';
import { createLog, type Log, type LogFormat, type LogLevel } from './logger.ts';

const PATH: Path = {
  localAddress: ip('10.78.0.1'),
  localPort: 500,
  remoteAddress: ip('fd00:78::2'),
  remotePort: 4500,
};

const failed: Fact = {
  kind: 'negotiationFailed',
  connection: 'node-b',
  path: PATH,
  reason: 'authenticationFailed',
  by: 'peer',
  text: 'node-b refused our pre-shared key: write the same key at both ends',
};
const dropped: Fact = { kind: 'datagramDropped', reason: 'integrity', path: PATH, text: 'wrong checksum' };

function bench(level: LogLevel = 'info', format: LogFormat = 'json') {
  const lines: string[] = [];
  const clock = new ManualClock();
  const log = createLog(format, level, { write: (line) => void lines.push(line) }, false);
  return {
    log,
    clock,
    lines,
    observer: new LogObserver(log, clock),
    parsed: () => lines.map((line) => JSON.parse(line)),
  };
}

describe('the log', () => {
  it('says that there is a flood when it begins and when it ends, not for each datagram', () => {
    const { observer, parsed } = bench();
    observer.note({ kind: 'cookiesDemanded', demanded: true, halfOpen: 256 });
    for (let count = 0; count < 100; count += 1) observer.note({ ...dropped, reason: 'cookieRequired' });
    observer.note({ kind: 'cookiesDemanded', demanded: false, halfOpen: 3 });
    expect(parsed()).toMatchObject([
      { level: 'warn', msg: 'peers have to prove their addresses first', halfOpen: 256 },
      { level: 'info', msg: 'peers need not prove their addresses any more', halfOpen: 3 },
    ]);
  });

  it('has a constant message and the case in pairs', () => {
    const { observer, parsed } = bench();
    observer.note({
      kind: 'ikeSaEstablished',
      connection: 'node-b',
      ikeSa: 1,
      role: 'initiator',
      path: PATH,
      initiatorSpi: '0011223344556677',
      responderSpi: '8899aabbccddeeff',
      suite: 'aes256gcm16-prfsha384-x25519',
      handshakeMs: 12.3,
      renews: false,
    });
    expect(parsed()).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        msg: 'IKE SA established',
        peer: 'node-b',
        ikeSa: 1,
        role: 'initiator',
        local: '10.78.0.1:500',
        remote: '[fd00:78::2]:4500',
        suite: 'aes256gcm16-prfsha384-x25519',
        initiatorSpi: '0011223344556677',
        responderSpi: '8899aabbccddeeff',
        milliseconds: 12,
      },
    ]);
  });

  it('warns of a failure in words that name the peer and the remedy', () => {
    const { observer, parsed } = bench('warn');
    observer.note(failed);
    expect(parsed()).toMatchObject([
      { level: 'warn', msg: 'negotiation failed', peer: 'node-b', reason: 'authenticationFailed', text: failed.text },
    ]);
  });

  it('warns of the same failure once in a while and says how many there were', () => {
    const { observer, parsed, clock } = bench();
    for (let count = 0; count < 500; count += 1) observer.note(failed);
    observer.note({ ...failed, connection: 'node-c' });
    expect(parsed().map((line) => line.peer)).toEqual(['node-b', 'node-c']);
    clock.advance(10_000);
    observer.note(failed);
    expect(parsed().at(-1)).toMatchObject({ peer: 'node-b', similar: 499 });
  });

  it('keeps what strangers cause out of the usual log', () => {
    const { observer, lines } = bench();
    for (let count = 0; count < 100; count += 1) observer.note(dropped);
    expect(lines).toEqual([]);
    const debug = bench('debug');
    debug.observer.note(dropped);
    expect(debug.parsed()).toMatchObject([{ level: 'debug', msg: 'datagram dropped', reason: 'integrity' }]);
  });

  it.each([
    ['peerDead', 'warn', 'IKE SA lost'],
    ['deletedByPeer', 'info', 'IKE SA closed'],
    ['replaced', 'info', 'IKE SA closed'],
  ] as const)('tells trouble from the usual end of an IKE SA: %s', (reason, level, msg) => {
    const { observer, parsed } = bench();
    observer.note({ kind: 'ikeSaClosed', connection: 'node-b', ikeSa: 1, path: PATH, reason, established: true });
    expect(parsed()).toMatchObject([{ level, msg, reason }]);
  });

  it('prints a secret as [secret] even where somebody logs one', () => {
    for (const format of ['json', 'human'] as const) {
      const { log, lines } = bench('info', format);
      log.info({ key: new SecretBytes(new TextEncoder().encode('hunter2')) }, 'oops');
      expect(lines.join('')).toContain('[secret]');
      expect(lines.join('')).not.toMatch(/hunter2|104,117,110/);
    }
  });

  it('writes one line for people: time, level, peer, what happened and why', () => {
    const { observer, lines } = bench('info', 'human');
    observer.note(failed);
    expect(lines.join('')).toMatch(
      /^\[\d\d:\d\d:\d\d\.\d{3}\] WARN: node-b: negotiation failed: node-b refused our pre-shared key: write the same key at both ends \(local=10\.78\.0\.1:500 remote=\[fd00:78::2\]:4500 reason=authenticationFailed by=peer\)\n$/,
    );
  });

  it('lets nobody write a line of its own or move the cursor', () => {
    const { observer, lines } = bench('info', 'human');
    observer.note({ ...failed, text: 'node-b said\n[12:00:00] INFO: all is well\u001b[2J' });
    expect(lines.join('').trimEnd()).not.toMatch(/\p{Cc}/u);
  });
});

function countersOf(log: Log) {
  const due: (() => void)[] = [];
  const after = (_delayMs: number, callback: () => void) => {
    due.push(callback);
    return () => {};
  };
  return { due, drops: new DropCounters(log, { after }) };
}

describe('the counters of dropped datagrams', () => {
  it('count by reason and write one summary for many', () => {
    const { log, parsed } = bench();
    const { drops, due } = countersOf(log);
    for (let count = 0; count < 1_000; count += 1) drops.note(dropped);
    for (let count = 0; count < 3; count += 1) drops.dropped('short');
    drops.dropped('keepalive');
    expect(due).toHaveLength(1);
    due.shift()?.();
    expect(parsed()).toMatchObject([{ level: 'info', msg: 'datagrams dropped', integrity: 1_000, short: 3 }]);
    drops.dropped('short');
    due.shift()?.();
    expect(parsed()[1]).toMatchObject({ short: 1 });
    expect(parsed()[1]).not.toHaveProperty('integrity');
    expect(drops.droppedCounts).toEqual({ integrity: 1_000, short: 4, keepalive: 1 });
  });

  it('are silent about keepalives', () => {
    const { log } = bench();
    const { drops, due } = countersOf(log);
    drops.dropped('keepalive');
    expect(due).toEqual([]);
    expect(drops.droppedCounts).toEqual({ keepalive: 1 });
  });

  it('warn that datagrams could not be sent, with an example', () => {
    const { log, parsed } = bench();
    const { drops, due } = countersOf(log);
    drops.sendFailed(PATH, { errno: 'ENETUNREACH', message: 'Network is unreachable' });
    due.shift()?.();
    expect(parsed()).toMatchObject([
      {
        level: 'warn',
        msg: 'datagrams not sent',
        ENETUNREACH: 1,
        text: 'from 10.78.0.1 to fd00:78::2: Network is unreachable',
      },
    ]);
  });
});
