import type { KernelSnapshot } from '../dataplane/types.ts';
import type { Command, Endpoint, EndpointStatus, IkeAction, IkeEvent, VerificationJob } from '../ike/types.ts';
import type { Clock, Dataplane, Observer, Timers, Transport, Verifier } from '../ports.ts';
import { err } from '../result.ts';

/** What a loop connects. */
export interface LoopParts {
  readonly endpoint: Endpoint;
  readonly transport: Transport;
  readonly dataplane: Dataplane;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Undefined where no certificates are configured: whatever asks for a verification is then refused. */
  readonly verifier: Verifier | undefined;
  /** Milliseconds that a verification may take. */
  readonly verificationTimeoutMs: number;
  readonly observers: readonly Observer[];
  /** Told when the core threw while it handled a datagram, which is a bug of ours; the datagram was dropped. */
  readonly onDefect: (error: unknown) => void;
}

/**
 * Drives an endpoint: everything that happens goes in as an event, and the actions that come out are carried out in
 * their order, at once and in one go. When the kernel refuses a command, the rest of its list is not carried out and
 * the endpoint hears of it before anything else. Events that arise meanwhile wait for the end of the list.
 */
export class Loop {
  readonly #parts: LoopParts;
  readonly #waiting: IkeEvent[] = [];
  readonly #verifications = new Map<number, () => void>();
  #running = false;
  #stopped = false;
  #disarm: (() => void) | undefined;

  constructor(parts: LoopParts) {
    this.#parts = parts;
    parts.transport.onDatagram((path, bytes) => this.#datagram({ kind: 'datagram', path, bytes }));
    parts.dataplane.onEvent((event) => this.#take({ kind: 'kernel', event }));
  }

  /** Gives the endpoint an order; its consequences have been carried out when this returns. */
  command(command: Command): void {
    this.#take({ kind: 'command', command });
  }

  /** Has the endpoint compare what it has ordered with what the kernel has, and order what is missing. */
  resync(snapshot: KernelSnapshot): void {
    this.#take({ kind: 'kernel', event: { kind: 'resync', snapshot } });
  }

  /** Shows the endpoint what the kernel has, and has counted. */
  survey(snapshot: KernelSnapshot): void {
    this.#take({ kind: 'kernel', event: { kind: 'survey', snapshot } });
  }

  /** A picture of all connections at this moment. */
  status(): EndpointStatus {
    return this.#parts.endpoint.status(this.#parts.clock.monotonicMs());
  }

  /** Takes in nothing from here on. Kernel and peers are left as they are. */
  stop(): void {
    this.#stopped = true;
    this.#waiting.length = 0;
    this.#disarm?.();
    for (const callOff of this.#verifications.values()) callOff();
    this.#verifications.clear();
  }

  #datagram(event: IkeEvent): void {
    try {
      this.#take(event);
    } catch (error) {
      // Strangers can send datagrams: a defect that one of them meets must not end the agent.
      this.#parts.onDefect(error);
    }
  }

  #take(event: IkeEvent): void {
    if (this.#stopped) return;
    this.#waiting.push(event);
    if (this.#running) return;
    this.#running = true;
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        this.#execute(this.#parts.endpoint.handle(this.#parts.clock.monotonicMs(), next));
      }
    } finally {
      this.#running = false;
      this.#arm();
    }
  }

  #execute(actions: readonly IkeAction[]): void {
    for (const [index, action] of actions.entries()) {
      switch (action.kind) {
        case 'transmit':
          this.#parts.transport.send(action.path, action.bytes, action.doNotFragment);
          break;
        case 'keepalive':
          this.#parts.transport.sendKeepalive(action.path);
          break;
        case 'dataplane': {
          const outcome = this.#parts.dataplane.execute(action.command);
          if (outcome.ok) break;
          const { command, owner } = action;
          const dropped = actions.slice(index + 1);
          // Before what the kernel told meanwhile: the endpoint believes that the whole list was carried out.
          this.#waiting.unshift({ kind: 'dataplaneFailed', command, owner, error: outcome.error, dropped });
          return;
        }
        case 'verify':
          this.#verify(action.job);
          break;
        case 'report':
          for (const observer of this.#parts.observers) observer.note(action.fact);
          break;
      }
    }
  }

  #verify(job: VerificationJob): void {
    const { verifier, timers, verificationTimeoutMs } = this.#parts;
    const refuseAfter = (delayMs: number, reason: string): void => {
      const refuse = (): void => this.#verified(job.id, err({ kind: 'verificationRefusal', reason }));
      this.#verifications.set(job.id, timers.after(delayMs, refuse));
    };
    // A refusal comes as an event of its own, never from within the list that asks.
    if (verifier === undefined) {
      refuseAfter(0, 'this agent has no trusted certificates: it can check pre-shared keys only');
      return;
    }
    if (this.#verifications.size >= MAX_VERIFICATIONS) {
      refuseAfter(0, `${MAX_VERIFICATIONS} certificates are being checked already; the peer may try again`);
      return;
    }
    refuseAfter(verificationTimeoutMs, `checking the certificate took longer than ${verificationTimeoutMs / 1_000} s`);
    verifier.verify(job).then(
      (outcome) => this.#verified(job.id, outcome),
      (error: unknown) => {
        const reason = `the certificate could not be checked: ${String(error)}`;
        this.#verified(job.id, err({ kind: 'verificationRefusal', reason }));
      },
    );
  }

  /** An answer after its deadline finds no entry and is of no use any more. */
  #verified(job: number, outcome: Extract<IkeEvent, { kind: 'verified' }>['outcome']): void {
    const callOff = this.#verifications.get(job);
    if (callOff === undefined) return;
    callOff();
    this.#verifications.delete(job);
    this.#take({ kind: 'verified', job, outcome });
  }

  /** The endpoint does one thing at a time; a thousand peers that are due together must not need a thousand timers. */
  #deadlines(): void {
    for (let count = 0; count < MAX_DEADLINES_PER_TURN; count += 1) {
      this.#take({ kind: 'deadline' });
      const next = this.#stopped ? undefined : this.#parts.endpoint.nextDeadline();
      if (next === undefined || next > this.#parts.clock.monotonicMs()) return;
    }
  }

  #arm(): void {
    this.#disarm?.();
    this.#disarm = undefined;
    const deadline = this.#stopped ? undefined : this.#parts.endpoint.nextDeadline();
    if (deadline === undefined) return;
    const delay = Math.ceil(deadline - this.#parts.clock.monotonicMs());
    this.#disarm = this.#parts.timers.after(Math.min(Math.max(delay, 0), LONGEST_TIMER_MS), () => {
      this.#disarm = undefined;
      this.#deadlines();
    });
  }
}

/** A timer of Node's counts 31 bits of milliseconds; an hour is far below and wakes nobody up. */
const LONGEST_TIMER_MS = 3_600_000;
/** Some 20 ms of key generation when as many peers are to be called at once; datagrams want their turn as well. */
const MAX_DEADLINES_PER_TURN = 64;
/** Verifications at a time. Peers that authenticate are few at once; a flood of certificates must not fill the memory. */
const MAX_VERIFICATIONS = 256;
