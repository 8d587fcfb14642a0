import { SecretBytes } from '../../crypto/secret.ts';
import type { CryptoProvider } from '../../crypto/types.ts';
import { MemoryDataplane } from '../../dataplane/memory.ts';
import { ip, ManualClock } from '../../dataplane/testing/builders.ts';
import type { DataplaneCommand } from '../../dataplane/types.ts';
import { createEndpoint } from '../../ike/endpoint.ts';
import { DEFAULT_LIMITS } from '../../ike/limits.ts';
import { byPreSharedKey } from '../../ike/negotiation/authentication.ts';
import { seededRandom } from '../../ike/testing/pair.ts';
import type { Path } from '../../ike/types.ts';
import type { Observer, Timers } from '../../ports.ts';
import { err, ok, type Result } from '../../result.ts';
import type { IpAddress } from '../../wire/ip-address.ts';
import { Agent, type AgentParts, type IkeTransport } from '../agent.ts';
import type { AgentConfig, PlannedConnection } from '../config/agent-config.ts';
import { NO_SOURCES } from '../config/credential-sources.ts';
import { defaultProposals } from '../config/proposals.ts';
import { DropCounters } from '../counters.ts';
import { LogObserver } from '../log/log-observer.ts';
import { createLog } from '../log/logger.ts';
import type { StartFailure } from '../start-failure.ts';
import type { SocketFailure } from '../transport-udp.ts';
import { CertificateVerifier } from '../verifier.ts';

/** A network, a clock and the hosts on it; nothing happens by itself, everything by `pass`. */
export class TestWorld {
  readonly clock: ManualClock = new ManualClock();
  readonly #timers: { readonly at: number; readonly callback: () => void; off: boolean }[] = [];
  readonly #receivers = new Map<string, (path: Path, bytes: Uint8Array) => void>();
  /** Everything that was sent, with the path as its receiver sees it. */
  readonly sent: { readonly path: Path; readonly bytes: Uint8Array }[] = [];
  /** Addresses whose interface was made anew since somebody listened at them. */
  readonly stale = new Set<IpAddress>();
  #flying: { readonly path: Path; readonly bytes: Uint8Array }[] = [];

  readonly timers: Timers = {
    after: (delayMs, callback) => {
      const timer = { at: this.clock.monotonicMs() + delayMs, callback, off: false };
      this.#timers.push(timer);
      return () => {
        timer.off = true;
      };
    },
  };

  /** A transport of one host. An address of `taken` cannot be listened at. */
  transport(taken: readonly string[] = []): IkeTransport {
    const own = new Set<IpAddress>();
    let receiver: (path: Path, bytes: Uint8Array) => void = () => {};
    const { stale } = this;
    return {
      get stale(): readonly IpAddress[] {
        return [...own].filter((address) => stale.has(address));
      },
      listen: (addresses): Result<void, SocketFailure> => {
        const refused = addresses.find((address) => taken.includes(address));
        if (refused !== undefined) {
          const errno = 'EADDRINUSE';
          return err({ kind: 'socketFailure', address: refused, port: 500, errno, message: 'Address already in use' });
        }
        for (const address of addresses) {
          if (!own.has(address)) stale.delete(address);
          own.add(address);
          this.#receivers.set(address, (path, bytes) => receiver(path, bytes));
        }
        return ok(undefined);
      },
      retain: (addresses) => {
        for (const address of [...own]) {
          if (addresses.includes(address)) continue;
          own.delete(address);
          this.#receivers.delete(address);
        }
      },
      send: (path, bytes) => void this.#flying.push({ path, bytes }),
      sendKeepalive: () => {},
      onDatagram: (taker) => {
        receiver = taker;
      },
      close: () => {
        for (const address of own) this.#receivers.delete(address);
      },
    };
  }

  /** A datagram that arrives at the receiver's end of `path`, whoever sent it. */
  inject(path: Path, bytes: Uint8Array): void {
    this.#receivers.get(path.localAddress)?.(path, bytes);
  }

  /** Lets `ms` milliseconds pass: datagrams arrive at once, timers when they are due. */
  pass(ms: number): void {
    const end = this.clock.monotonicMs() + ms;
    for (;;) {
      this.#deliver();
      const [due] = this.#timers.filter((timer) => !timer.off && timer.at <= end).sort((a, b) => a.at - b.at);
      if (due === undefined) break;
      due.off = true;
      this.#until(due.at);
      due.callback();
    }
    this.#until(end);
  }

  #until(at: number): void {
    this.clock.advance(Math.max(0, at - this.clock.monotonicMs()));
  }

  #deliver(): void {
    while (this.#flying.length > 0) {
      const sent = this.#flying;
      this.#flying = [];
      for (const { path, bytes } of sent) {
        const there: Path = {
          localAddress: path.remoteAddress,
          localPort: path.remotePort,
          remoteAddress: path.localAddress,
          remotePort: path.localPort,
        };
        this.sent.push({ path: there, bytes });
        this.inject(there, bytes);
      }
    }
  }
}

/** A host with a kernel that outlives its agents, and a log. */
export class TestHost {
  readonly kernel: MemoryDataplane;
  readonly logLines: { readonly level: string; readonly msg: string }[] = [];
  readonly commands: DataplaneCommand['kind'][] = [];
  /** Hear of the facts of agents that are started from now on. */
  readonly observers: Observer[] = [];
  fault: ((command: DataplaneCommand) => { readonly errno: string; readonly reason: string } | undefined) | undefined;
  readonly #world: TestWorld;
  readonly #provider: CryptoProvider;

  /** All destinations are this host, unless `isLocal` says otherwise. */
  constructor(world: TestWorld, provider: CryptoProvider, isLocal?: (address: IpAddress) => boolean) {
    this.#world = world;
    this.#provider = provider;
    this.kernel = new MemoryDataplane({
      clock: world.clock,
      fault: (command) => {
        this.commands.push(command.kind);
        return this.fault?.(command);
      },
      ...(isLocal && { isLocal }),
    });
  }

  /** Starts an agent in this host's kernel. */
  start(
    config: AgentConfig,
    taken: readonly string[] = [],
    more: Partial<AgentParts> = {},
  ): Result<Agent, StartFailure> {
    const { clock, timers } = this.#world;
    const log = createLog('json', 'debug', { write: (line) => void this.logLines.push(JSON.parse(line)) }, false);
    const drops = new DropCounters(log, timers);
    const verifier = new CertificateVerifier(clock);
    const random = seededRandom(
      Math.imul(this.logLines.length + config.nodeName.charCodeAt(config.nodeName.length - 1), 0x9e3779b1),
    );
    return Agent.start({
      config,
      createEndpoint: (firstPolicySequence) =>
        createEndpoint({
          crypto: this.#provider,
          random: { keys: random, nonces: random, spis: random, jitter: random },
          limits: DEFAULT_LIMITS,
          firstPolicySequence,
        }),
      transport: this.#world.transport(taken),
      dataplane: this.kernel,
      clock,
      timers,
      verifier,
      revocations: verifier,
      verificationTimeoutMs: DEFAULT_LIMITS.verificationTimeoutMs,
      observers: [new LogObserver(log, clock), drops, ...this.observers],
      drops,
      log,
      ports: { ike: 500, natTraversal: 4500 },
      version: '1.2.3',
      cryptoProvider: this.#provider.name,
      ...more,
    });
  }
}

/** A node with one transport Child SA to each of `peers`, given by name and address. */
export function testConfig(
  provider: CryptoProvider,
  node: string,
  address: string,
  peers: Readonly<Record<string, string>>,
  more: Partial<PlannedConnection> = {},
): AgentConfig {
  const connections = Object.entries(peers).map(([name, peer]): PlannedConnection => {
    const side = { protocol: 0, fromPort: 0, toPort: 65_535 };
    const enforcement: 'Required' = 'Required';
    const child = { name: 'default', mode: 'transport', local: [side], remote: [side], enforcement } as const;
    return {
      name,
      localAddress: ip(address),
      remoteAddress: ip(peer),
      remotePort: 500,
      localIdentity: fqdn(node),
      remoteIdentity: fqdn(name),
      ...byPreSharedKey(new SecretBytes(new TextEncoder().encode(TEST_SECRET))),
      proposals: defaultProposals('ike', provider),
      children: [
        {
          ...child,
          proposals: defaultProposals('esp', provider),
          replayWindow: 1_024,
          lifetime: { softSeconds: 3_600, hardSeconds: 7_200 },
        },
      ],
      initiation: node < name ? 'start' : 'takeover',
      natTraversal: 'Auto',
      liveness: { intervalMs: 30_000, timeoutMs: 120_000 },
      ikeLifetimeMs: 14_400_000,
      ...more,
    };
  });
  return {
    nodeName: node,
    addresses: [ip(address)],
    connections,
    text: '',
    resolved: new Map(),
    warnings: [],
    heldBack: [],
    credentials: { sources: NO_SOURCES, files: [], watched: [], validFromMs: undefined },
  };
}

/** The pre-shared key of all test connections, to look for where it must not be. */
export const TEST_SECRET = 'open sesame, said the forty-first';

function fqdn(name: string): { readonly idType: number; readonly data: Uint8Array } {
  return { idType: 2, data: new TextEncoder().encode(name) };
}
