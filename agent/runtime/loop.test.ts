import { describe, expect, it } from 'vitest';

import type { DataplaneCommand, DataplaneEvent } from '../dataplane/types.ts';
import type { Fact } from '../ike/fact.ts';
import type {
  ActionOwner,
  Endpoint,
  EndpointStatus,
  IkeAction,
  IkeEvent,
  Path,
  VerificationJob,
} from '../ike/types.ts';
import type { Dataplane, Timers, Transport, Verifier } from '../ports.ts';
import { err, ok, type Result } from '../result.ts';
import type { IpAddress } from '../wire/ip-address.ts';
import { Loop } from './loop.ts';

const PATH: Path = {
  localAddress: '10.78.0.1' as IpAddress,
  localPort: 500,
  remoteAddress: '10.78.0.2' as IpAddress,
  remotePort: 500,
};
const OWNER: ActionOwner = { connection: 'node-b', ikeSa: 1, childSpi: 0x1000 };
const NOBODY: Fact = { kind: 'acquired', connection: 'node-b', child: 'default' };
const NO_STATUS: EndpointStatus = {
  connections: [],
  halfOpen: 0,
  demandsCookies: false,
  unselected: [],
  tables: { ikeSas: 0, espSpis: 0, verifications: 0, queuedRequests: 0, incompleteMessages: 0 },
};
const JOB = { id: 7, connection: 'node-b' } as VerificationJob;
const deleteSa = (spi: number): DataplaneCommand => ({
  kind: 'deleteSa',
  id: { destination: '10.78.0.2' as IpAddress, spi },
});
const transmit = (byte: number): IkeAction => ({ kind: 'transmit', path: PATH, bytes: Uint8Array.of(byte) });
const order = (command: DataplaneCommand): IkeAction => ({ kind: 'dataplane', command, owner: OWNER });

/** A loop whose surroundings write down what happens; `react` is the core. */
class Bench {
  readonly log: string[] = [];
  readonly events: IkeEvent[] = [];
  readonly defects: unknown[] = [];
  now = 1_000;
  deadline: number | undefined;
  readonly timers: { at: number; callback: () => void; off: boolean }[] = [];
  execute: (command: DataplaneCommand) => Result<void, { readonly errno: string }> = () => ok(undefined);
  react: (event: IkeEvent) => readonly IkeAction[] = () => [];
  receive: (path: Path, bytes: Uint8Array) => void = () => {};
  kernel: (event: DataplaneEvent) => void = () => {};
  verify: Verifier['verify'] | undefined;
  readonly #loop: () => Loop;

  constructor() {
    let loop: Loop | undefined;
    this.#loop = () => {
      loop ??= this.#build();
      return loop;
    };
  }

  get loop(): Loop {
    return this.#loop();
  }

  /** Lets every timer that is due by `now` + `ms` fire, in order. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const due = this.timers.filter((timer) => !timer.off && timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      due.off = true;
      this.now = Math.max(this.now, due.at);
      due.callback();
    }
    this.now = end;
  }

  armed(): readonly number[] {
    return this.timers.filter((timer) => !timer.off).map((timer) => timer.at);
  }

  #build(): Loop {
    const endpoint: Endpoint = {
      handle: (_at, event) => {
        this.events.push(event);
        return this.react(event);
      },
      nextDeadline: () => this.deadline,
      status: () => NO_STATUS,
    };
    const transport: Transport = {
      send: (_path, bytes) => this.log.push(`send ${bytes[0]}`),
      sendKeepalive: () => this.log.push('keepalive'),
      onDatagram: (receiver) => {
        this.receive = receiver;
      },
      close: () => {},
    };
    const dataplane = {
      execute: (command: DataplaneCommand) => {
        this.log.push(command.kind);
        const outcome = this.execute(command);
        return outcome.ok ? outcome : err({ ...outcome.error, kind: 'dataplaneError', command: command.kind });
      },
      onEvent: (receiver: (event: DataplaneEvent) => void) => {
        this.kernel = receiver;
      },
    } as unknown as Dataplane;
    const timers: Timers = {
      after: (delayMs, callback) => {
        const timer = { at: this.now + delayMs, callback, off: false };
        this.timers.push(timer);
        return () => {
          timer.off = true;
        };
      },
    };
    return new Loop({
      endpoint,
      transport,
      dataplane,
      timers,
      clock: { monotonicMs: () => this.now, wallMs: () => 0 },
      verifier: this.verify && { verify: this.verify },
      verificationTimeoutMs: 20_000,
      observers: [{ note: (fact) => this.log.push(fact.kind) }],
      onDefect: (error) => this.defects.push(error),
    });
  }
}

describe('the event loop', () => {
  it('carries out actions in their order before it takes in anything else', () => {
    const bench = new Bench();
    bench.react = (event) =>
      event.kind === 'command'
        ? [
            order(deleteSa(1)),
            transmit(1),
            { kind: 'keepalive', path: PATH },
            { kind: 'report', fact: NOBODY },
            transmit(2),
          ]
        : [];
    bench.loop.command({ kind: 'initiate', name: 'node-b' });
    expect(bench.log).toEqual(['deleteSa', 'send 1', 'keepalive', 'acquired', 'send 2']);
  });

  it('drops the rest of a list when the kernel refuses a command, and tells the core first of all', () => {
    const bench = new Bench();
    const counters: DataplaneEvent = {
      kind: 'counters',
      id: { destination: PATH.remoteAddress, spi: 1 },
      reqid: 2,
      packets: 3,
      bytes: 4,
    };
    bench.execute = (command) => {
      if (command.kind === 'queryCounters') bench.kernel(counters);
      return command.kind === 'deleteSa' ? err({ errno: 'EPERM' }) : ok(undefined);
    };
    const rest = [transmit(1), order(deleteSa(2)), transmit(2)];
    bench.react = (event) => {
      if (event.kind === 'command') {
        return [
          order({ kind: 'queryCounters', id: { destination: PATH.remoteAddress, spi: 1 } }),
          order(deleteSa(1)),
          ...rest,
        ];
      }
      return event.kind === 'dataplaneFailed' ? [transmit(9)] : [];
    };
    bench.loop.command({ kind: 'initiate', name: 'node-b' });
    expect(bench.log).toEqual(['queryCounters', 'deleteSa', 'send 9']);
    expect(bench.events.map((event) => event.kind)).toEqual(['command', 'dataplaneFailed', 'kernel']);
    expect(bench.events[1]).toMatchObject({
      command: deleteSa(1),
      owner: OWNER,
      error: { errno: 'EPERM' },
      dropped: rest,
    });
    expect(bench.events[2]).toEqual({ kind: 'kernel', event: counters });
  });

  it('gives what the kernel says in the middle of a list to the core only after the list', () => {
    const bench = new Bench();
    bench.execute = () => {
      bench.kernel({ kind: 'expire', id: { destination: PATH.remoteAddress, spi: 5 }, reqid: 1, hard: true });
      return ok(undefined);
    };
    bench.react = (event) => (event.kind === 'command' ? [order(deleteSa(1)), transmit(1)] : [transmit(2)]);
    bench.loop.command({ kind: 'initiate', name: 'node-b' });
    expect(bench.log).toEqual(['deleteSa', 'send 1', 'send 2']);
  });

  it('hands datagrams with their path to the core', () => {
    const bench = new Bench();
    bench.react = () => [transmit(4)];
    expect(bench.loop.status()).toBe(NO_STATUS);
    bench.receive(PATH, Uint8Array.of(1, 2));
    expect(bench.events).toEqual([{ kind: 'datagram', path: PATH, bytes: Uint8Array.of(1, 2) }]);
    expect(bench.log).toEqual(['send 4']);
  });

  it('outlives a defect that a datagram meets, and goes on with the next one', () => {
    const bench = new Bench();
    bench.react = (event) => {
      if (event.kind === 'datagram' && event.bytes[0] === 1) throw new Error('defect');
      return [transmit(3)];
    };
    bench.loop.status();
    bench.receive(PATH, Uint8Array.of(1));
    bench.receive(PATH, Uint8Array.of(2));
    expect(bench.defects).toEqual([new Error('defect')]);
    expect(bench.log).toEqual(['send 3']);
  });

  it('lets a defect that no stranger caused end the agent', () => {
    const bench = new Bench();
    bench.react = () => {
      throw new Error('defect');
    };
    expect(() => bench.loop.command({ kind: 'initiate', name: 'node-b' })).toThrow('defect');
  });

  it('keeps one timer, set to the next deadline', () => {
    const bench = new Bench();
    bench.deadline = 1_250.4;
    bench.loop.command({ kind: 'initiate', name: 'node-b' });
    bench.loop.command({ kind: 'initiate', name: 'node-b' });
    expect(bench.armed()).toEqual([1_251]);
    bench.react = () => {
      bench.deadline = undefined;
      return [];
    };
    bench.pass(300);
    expect(bench.events.map((event) => event.kind)).toEqual(['command', 'command', 'deadline']);
    expect(bench.armed()).toEqual([]);
  });

  it('waits for a far deadline in steps that a timer can count', () => {
    const bench = new Bench();
    bench.deadline = 1_000 + 2 ** 40;
    bench.loop.command({ kind: 'initiate', name: 'node-b' });
    expect(bench.armed()).toEqual([1_000 + 3_600_000]);
    bench.pass(3_600_000);
    expect(bench.events.at(-1)).toEqual({ kind: 'deadline' });
    expect(bench.armed()).toHaveLength(1);
  });

  it('gives all due deadlines to the core in one turn, and leaves room for other things after many', () => {
    const bench = new Bench();
    let due = 100;
    bench.react = (event) => {
      if (event.kind === 'deadline') due -= 1;
      bench.deadline = due > 0 ? bench.now : undefined;
      return [];
    };
    bench.loop.command({ kind: 'initiate', name: 'node-b' });
    const [first] = bench.timers.splice(0);
    first?.callback();
    expect(due).toBe(36);
    bench.pass(0);
    expect(due).toBe(0);
  });

  it('gives a deadline that has passed to the core at once', () => {
    const bench = new Bench();
    bench.deadline = 500;
    bench.loop.command({ kind: 'initiate', name: 'node-b' });
    expect(bench.armed()).toEqual([1_000]);
  });

  it('takes in nothing after it was stopped', () => {
    const bench = new Bench();
    bench.deadline = 1_100;
    bench.loop.command({ kind: 'initiate', name: 'node-b' });
    bench.loop.stop();
    bench.receive(PATH, Uint8Array.of(1));
    bench.pass(5_000);
    expect(bench.events).toHaveLength(1);
    expect(bench.armed()).toEqual([]);
  });
});

describe('verification', () => {
  const verifying = (verify: Verifier['verify'] | undefined): Bench => {
    const bench = new Bench();
    bench.verify = verify;
    bench.react = (event) => (event.kind === 'command' ? [{ kind: 'verify', job: JOB }] : []);
    bench.loop.command({ kind: 'initiate', name: 'node-b' });
    return bench;
  };

  it('comes back with the verifier’s answer as an event', async () => {
    const bench = verifying(async () => ok(undefined));
    await Promise.resolve();
    await Promise.resolve();
    expect(bench.events.at(-1)).toEqual({ kind: 'verified', job: 7, outcome: ok(undefined) });
    bench.pass(60_000);
    expect(bench.events).toHaveLength(2);
  });

  it('is refused when it takes longer than allowed, and a late answer is ignored', async () => {
    let answer: (outcome: Result<void, never>) => void = () => {};
    const bench = verifying(() => new Promise((resolve) => (answer = resolve)));
    bench.pass(20_000);
    expect(bench.events.at(-1)).toMatchObject({
      kind: 'verified',
      outcome: { ok: false, error: { reason: 'checking the certificate took longer than 20 s' } },
    });
    answer(ok(undefined));
    await Promise.resolve();
    expect(bench.events).toHaveLength(2);
  });

  it('is refused when the verifier fails', async () => {
    const bench = verifying(() => Promise.reject(new Error('no store')));
    for (let turn = 0; turn < 3; turn += 1) await Promise.resolve();
    expect(bench.events.at(-1)).toMatchObject({
      outcome: { ok: false, error: { reason: 'the certificate could not be checked: Error: no store' } },
    });
  });

  it('is refused with the reason where the agent has no verifier', () => {
    const bench = verifying(undefined);
    bench.pass(0);
    expect(bench.events.at(-1)).toMatchObject({
      kind: 'verified',
      job: 7,
      outcome: { ok: false, error: { reason: expect.stringContaining('no trusted certificates') } },
    });
  });
});
