import type { CryptoProvider } from '../../agent/crypto/types.ts';
import type { DataplaneCommand, DataplaneError } from '../../agent/dataplane/types.ts';
import { createEndpoint } from '../../agent/ike/endpoint.ts';
import type { Fact } from '../../agent/ike/fact.ts';
import { DEFAULT_LIMITS } from '../../agent/ike/limits.ts';
import type { ConnectionConfig, Endpoint, EndpointStatus, IkeAction, IkeEvent, Path } from '../../agent/ike/types.ts';
import type { Result } from '../../agent/result.ts';
import { systemRandom } from '../../agent/runtime/random-system.ts';
import { leftConnectionName } from './connections.ts';
import { type Proof, preSharedKeyProof, type Verify } from './proof.ts';

/** Carries out an order to the kernel, or refuses it. */
export type Execute = (command: DataplaneCommand) => Result<void, DataplaneError>;

/** What two ends are made of. */
export interface TwoEndsParts {
  readonly crypto: CryptoProvider;
  /** Makes the kernel of one end. */
  readonly kernel: () => Execute;
  /** How both ends prove who they are. Default by a pre-shared key. */
  readonly proof?: Proof;
  /** Sees each datagram before it is delivered. */
  readonly onDatagram?: (bytes: Uint8Array) => void;
  /** Sees what either end reports. */
  readonly onFact?: (fact: Fact) => void;
}

/**
 * Two IKE endpoints in this process that negotiate with one another as two agents do: the real core and codec, the
 * host's random numbers; datagrams are handed over at once instead of passing through sockets. Time stands still unless
 * it is moved on, so that nothing but what is asked for happens.
 */
export class TwoEnds {
  readonly #left: Endpoint;
  readonly #right: Endpoint;
  readonly #proof: Proof;
  readonly #verifyLeft: Verify;
  readonly #verifyRight: Verify;
  readonly #executeLeft: Execute;
  readonly #executeRight: Execute;
  readonly #onDatagram: ((bytes: Uint8Array) => void) | undefined;
  readonly #onFact: ((fact: Fact) => void) | undefined;
  readonly #wire: { readonly to: Endpoint; readonly event: IkeEvent }[] = [];
  #at = START;
  #childSas = 0;

  constructor(parts: TwoEndsParts) {
    const { crypto, kernel, proof = preSharedKeyProof } = parts;
    this.#proof = proof;
    this.#verifyLeft = proof.verifier();
    this.#verifyRight = proof.verifier();
    this.#left = endpoint(crypto);
    this.#right = endpoint(crypto);
    this.#executeLeft = kernel();
    this.#executeRight = kernel();
    this.#onDatagram = parts.onDatagram;
    this.#onFact = parts.onFact;
  }

  /** Child SAs that were established, counted at each end. */
  get childSas(): number {
    return this.#childSas;
  }

  /** Gives both ends their connections of pairs `from` to `to`, the latter not included. */
  configure(from: number, to: number): void {
    for (let number = from; number < to; number += 1) {
      const { left, right } = this.#proof.pair(number);
      this.#handle(this.#left, { kind: 'command', command: { kind: 'addConnection', connection: left } });
      this.#handle(this.#right, { kind: 'command', command: { kind: 'addConnection', connection: right } });
    }
  }

  /** Gives the right end one more connection. */
  configureRight(connection: ConnectionConfig): void {
    this.#handle(this.#right, { kind: 'command', command: { kind: 'addConnection', connection } });
  }

  /** Begins the IKE SA of one configured pair at the left end; throws unless both ends have a Child SA afterwards. */
  establish(number: number): void {
    const before = this.#childSas;
    this.#handle(this.#left, { kind: 'command', command: { kind: 'initiate', name: leftConnectionName(number) } });
    this.#deliver();
    if (this.#childSas !== before + 2) throw new Error(`pair ${number} did not establish a Child SA at both ends`);
  }

  /** Hands the right end a datagram that neither of the two has sent; gives what it answers. */
  offer(path: Path, bytes: Uint8Array): readonly Uint8Array[] {
    const actions = this.#right.handle(this.#at, { kind: 'datagram', path, bytes });
    this.#right.nextDeadline();
    return actions.flatMap((action) => (action.kind === 'transmit' ? [action.bytes] : []));
  }

  /** Moves the clock on: what falls due at either end happens, and what they say to one another arrives at once. */
  advance(ms: number): void {
    const until = this.#at + ms;
    for (;;) {
      const [left, right] = [this.#left.nextDeadline() ?? Infinity, this.#right.nextDeadline() ?? Infinity];
      const next = Math.min(left, right);
      if (next > until) break;
      this.#at = Math.max(this.#at, next);
      this.#handle(left <= right ? this.#left : this.#right, { kind: 'deadline' });
      this.#deliver();
    }
    this.#at = until;
  }

  /** What the right end says of itself. */
  rightStatus(): EndpointStatus {
    return this.#right.status(this.#at);
  }

  #deliver(): void {
    for (let next = this.#wire.shift(); next !== undefined; next = this.#wire.shift()) {
      this.#handle(next.to, next.event);
    }
  }

  #handle(end: Endpoint, event: IkeEvent): void {
    for (const action of end.handle(this.#at, event)) this.#carryOut(end, action);
    // The agent arms its timer after each event; finding out for when is part of the work.
    end.nextDeadline();
  }

  #carryOut(end: Endpoint, action: IkeAction): void {
    const left = end === this.#left;
    switch (action.kind) {
      case 'transmit': {
        const { path, bytes } = action;
        this.#onDatagram?.(bytes);
        const event: IkeEvent = { kind: 'datagram', path: seenFromTheOtherEnd(path), bytes };
        this.#wire.push({ to: left ? this.#right : this.#left, event });
        return;
      }
      case 'dataplane': {
        const outcome = (left ? this.#executeLeft : this.#executeRight)(action.command);
        if (!outcome.ok) throw new Error(`${outcome.error.object}: ${outcome.error.message}`);
        return;
      }
      case 'report':
        this.#onFact?.(action.fact);
        if (action.fact.kind === 'childSaEstablished') this.#childSas += 1;
        return;
      case 'keepalive':
        return;
      case 'verify': {
        const outcome = (left ? this.#verifyLeft : this.#verifyRight)(action.job);
        this.#wire.push({ to: end, event: { kind: 'verified', job: action.job.id, outcome } });
        return;
      }
    }
  }
}

function endpoint(crypto: CryptoProvider): Endpoint {
  const random = { keys: systemRandom, nonces: systemRandom, spis: systemRandom, jitter: systemRandom };
  return createEndpoint({ crypto, random, limits: DEFAULT_LIMITS });
}

function seenFromTheOtherEnd(path: Path): Path {
  return {
    localAddress: path.remoteAddress,
    localPort: path.remotePort,
    remoteAddress: path.localAddress,
    remotePort: path.localPort,
  };
}

const START = 1_000;
