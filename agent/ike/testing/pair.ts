import { SecretBytes } from '../../crypto/secret.ts';
import { algorithmByKeyword } from '../../crypto/suites.ts';
import { toyProvider } from '../../crypto/toy/toy-provider.ts';
import type { CryptoProvider, Random } from '../../crypto/types.ts';
import type { DataplaneCommand } from '../../dataplane/types.ts';
import { type IpAddress, parseIpAddress } from '../../wire/ip-address.ts';
import { IdType } from '../../wire/registry.ts';
import { createEndpoint } from '../endpoint.ts';
import type { Fact } from '../fact.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import type {
  ChildConfig,
  Command,
  ConnectionConfig,
  Endpoint,
  Identity,
  IkeAction,
  IkeEvent,
  Path,
  ProposalConfig,
  VerificationJob,
} from '../types.ts';

/** A datagram under way between two sides. */
export interface Datagram {
  readonly from: Side;
  readonly path: Path;
  readonly bytes: Uint8Array;
}

/** An endpoint with everything that it wanted done, in order. */
export interface Side {
  readonly name: string;
  readonly address: IpAddress;
  readonly endpoint: Endpoint;
  readonly commands: DataplaneCommand[];
  readonly facts: Fact[];
  readonly jobs: VerificationJob[];
  /** Decides whether the kernel refuses a command; the text is its message. */
  refuse: (command: DataplaneCommand) => string | undefined;
}

/** A value that must be there. */
export function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('a value that must be there is missing');
  return value;
}

/** An IP address from its text. */
export function address(text: string): IpAddress {
  return present(parseIpAddress(text));
}

/** An FQDN identity. */
export function fqdn(name: string): Identity {
  return { idType: IdType.ID_FQDN, data: new TextEncoder().encode(name) };
}

/** A proposal of the words of strongSwan's syntax. */
export function proposal(...words: readonly string[]): ProposalConfig {
  return {
    algorithms: words.map((word) => {
      const row = present(algorithmByKeyword(word));
      return { type: row.transformType, id: row.transformId, keyBits: row.keyBits };
    }),
  };
}

/** A Child in transport mode between the IKE addresses, changed as told. */
export function childConfig(changes: Partial<ChildConfig> = {}): ChildConfig {
  const anyTraffic = { protocol: 0, fromPort: 0, toPort: 65535 };
  return {
    name: 'hosts',
    mode: 'transport',
    local: [anyTraffic],
    remote: [anyTraffic],
    proposals: [proposal('aes256gcm16', 'esn', 'noesn')],
    reqid: 0x6000_0001,
    enforcement: 'Required',
    replayWindow: 1024,
    lifetime: { softSeconds: 3600, hardSeconds: 7200 },
    ...changes,
  };
}

/** A connection from `local` to `remote`, named after the peer, changed as told. */
export function connectionConfig(
  local: { readonly name: string; readonly address: IpAddress },
  remote: { readonly name: string; readonly address: IpAddress },
  changes: Partial<ConnectionConfig> = {},
): ConnectionConfig {
  return {
    name: remote.name,
    localAddress: local.address,
    remoteAddress: remote.address,
    remotePort: 500,
    localIdentity: fqdn(local.name),
    remoteIdentity: fqdn(remote.name),
    preSharedKey: new SecretBytes(new TextEncoder().encode('a secret between two sides')),
    remoteAuthentication: { kind: 'preSharedKey' },
    proposals: [proposal('aes256gcm16', 'prfsha384', 'x25519')],
    children: [childConfig()],
    initiation: 'start',
    natTraversal: 'Auto',
    liveness: { intervalMs: 30_000, timeoutMs: 60_000 },
    ikeLifetimeMs: 4 * 3_600_000,
    ...changes,
  };
}

/** A small deterministic generator (xorshift32) for tests. */
export function seededRandom(seed: number): Random {
  let state = seed | 1;
  return {
    fill(target) {
      for (let index = 0; index < target.length; index += 1) {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        target[index] = state & 0xff;
      }
    },
  };
}

/** Two endpoints, a wire between them on which each datagram waits to be delivered, and a clock. */
export class Pair {
  at = 1_000;
  readonly left: Side;
  readonly right: Side;
  readonly wire: Datagram[] = [];

  constructor(crypto: CryptoProvider = toyProvider, limits: Partial<Limits> = {}) {
    this.left = side('left', '192.0.2.1', 11, crypto, limits);
    this.right = side('right', '192.0.2.2', 22, crypto, limits);
  }

  /** Gives both sides the matching connection; `changes` apply to one side each. */
  configure(left: Partial<ConnectionConfig> = {}, right: Partial<ConnectionConfig> = {}): void {
    const { left: l, right: r } = this;
    this.command(l, { kind: 'addConnection', connection: connectionConfig(l, r, left) });
    this.command(r, { kind: 'addConnection', connection: connectionConfig(r, l, { initiation: 'respond', ...right }) });
  }

  command(on: Side, command: Command): void {
    this.handle(on, { kind: 'command', command });
  }

  /** Lets one side take in an event and carries out its actions as the runtime does. */
  handle(on: Side, event: IkeEvent): void {
    const actions = on.endpoint.handle(this.at, event);
    for (const [index, action] of actions.entries()) {
      const failure = this.#execute(on, action);
      if (failure === undefined) continue;
      this.handle(on, { ...failure, dropped: actions.slice(index + 1) });
      return;
    }
  }

  /** Delivers the oldest datagram. */
  deliver(): Datagram {
    const datagram = present(this.wire.shift());
    this.deliverCopy(datagram);
    return datagram;
  }

  /** Delivers a datagram that need not be on the wire. */
  deliverCopy(datagram: Datagram, bytes: Uint8Array = datagram.bytes): void {
    const { path } = datagram;
    const to = datagram.from === this.left ? this.right : this.left;
    const seen: Path = {
      localAddress: path.remoteAddress,
      localPort: path.remotePort,
      remoteAddress: path.localAddress,
      remotePort: path.localPort,
    };
    this.handle(to, { kind: 'datagram', path: seen, bytes });
  }

  /** Delivers until the wire is empty and nothing is due. */
  settle(): void {
    for (let step = 0; step < 1_000; step += 1) {
      if (this.wire.length > 0) this.deliver();
      else if (!this.#fire()) return;
    }
    throw new Error('the two sides never come to rest');
  }

  /** Moves the clock on, firing what falls due, and delivers what is sent. */
  advance(ms: number): void {
    const until = this.at + ms;
    for (;;) {
      this.settle();
      const next = Math.min(this.left.endpoint.nextDeadline() ?? until, this.right.endpoint.nextDeadline() ?? until);
      if (next >= until) break;
      this.at = Math.max(this.at, next);
    }
    this.at = until;
    this.settle();
  }

  #fire(): boolean {
    let fired = false;
    for (const on of [this.left, this.right]) {
      const next = on.endpoint.nextDeadline();
      if (next === undefined || next > this.at) continue;
      this.handle(on, { kind: 'deadline' });
      fired = true;
    }
    return fired;
  }

  #execute(on: Side, action: IkeAction): Omit<Extract<IkeEvent, { kind: 'dataplaneFailed' }>, 'dropped'> | undefined {
    switch (action.kind) {
      case 'transmit':
        this.wire.push({ from: on, path: action.path, bytes: action.bytes.slice() });
        return undefined;
      case 'report':
        on.facts.push(action.fact);
        return undefined;
      case 'verify':
        on.jobs.push(action.job);
        return undefined;
      case 'dataplane': {
        const { command, owner } = action;
        const message = on.refuse(command);
        if (message === undefined) {
          on.commands.push(command);
          return undefined;
        }
        const error = {
          kind: 'dataplaneError',
          command: command.kind,
          object: command.kind,
          errno: 'EINVAL',
          message,
        } as const;
        return { kind: 'dataplaneFailed', command, owner, error };
      }
    }
  }
}

function side(name: string, ip: string, seed: number, crypto: CryptoProvider, limits: Partial<Limits>): Side {
  const random = {
    keys: seededRandom(seed),
    nonces: seededRandom(seed + 100),
    spis: seededRandom(seed + 200),
    jitter: seededRandom(seed + 300),
  };
  return {
    name,
    address: address(ip),
    endpoint: createEndpoint({ crypto, random, limits: { ...DEFAULT_LIMITS, ...limits } }),
    commands: [],
    facts: [],
    jobs: [],
    refuse: () => undefined,
  };
}
