import { setTimeout as sleep } from 'node:timers/promises';

import type { CryptoProvider } from '../crypto/types.ts';
import { createEndpoint } from '../ike/endpoint.ts';
import { DEFAULT_LIMITS } from '../ike/limits.ts';
import type { Dataplane } from '../ports.ts';
import { err, ok, type Result } from '../result.ts';
import { Agent, type IkeTransport } from './agent.ts';
import { systemClock, systemTimers } from './clock-system.ts';
import type { AgentConfig } from './config/agent-config.ts';
import { formatFaults } from './config/fault.ts';
import { MAX_CRL_FILE_BYTES } from './config/limits.ts';
import { loadConfig } from './config/load-config.ts';
import { resolveHost } from './config/resolve-host.ts';
import { DropCounters } from './counters.ts';
import { fileDigests } from './file-digest.ts';
import { FileWatch } from './file-watch.ts';
import { agentInstance } from './instance.ts';
import { LogObserver } from './log/log-observer.ts';
import type { Log } from './log/logger.ts';
import { systemRandom } from './random-system.ts';
import { Reloads, warn } from './reloads.ts';
import { environmentFailure, type StartFailure } from './start-failure.ts';
import { StatusServer } from './status/status-server.ts';
import { IKE_PORTS, type TransportObserver } from './transport-udp.ts';
import { ValidityWatch } from './validity-watch.ts';
import { CertificateVerifier } from './verifier.ts';
import { VERSION } from './version.ts';

/** What a running agent depends on. */
export interface RunOptions {
  readonly config: string;
  readonly socket: string;
  readonly flushOnExit: boolean;
  readonly provider: CryptoProvider;
  readonly log: Log;
  /** Opens the kernel's IPsec once the configuration has proved to be good. */
  readonly openDataplane: () => Result<Dataplane, string>;
  /** Makes the transport, without sockets yet. */
  readonly createTransport: (observer: TransportObserver) => IkeTransport;
  /** Hears of SIGHUP, SIGTERM and SIGINT. */
  readonly signals: Signals;
}

/** The signals of a process; `process` is one. */
interface Signals {
  on(signal: 'SIGHUP' | 'SIGTERM' | 'SIGINT', listener: () => void): unknown;
}

/** Starts the agent and returns when it has ended because a signal asked for it; or why it could not start. */
export async function run(options: RunOptions): Promise<Result<void, StartFailure>> {
  const { config: file, provider, log } = options;
  const loaded = await loadConfig(file, { provider, resolveHost, clock: systemClock });
  if (!loaded.ok) {
    return err({ kind: 'startFailure', exitCode: 2, text: formatFaults(file, loaded.error).join('\n') });
  }
  warn(log, file, loaded.value.warnings);
  let agent: Agent | undefined;
  // Before anything is touched: two agents in one place would undo each other's work.
  const server = await StatusServer.listen(options.socket, () => agent?.status() ?? { error: 'not started yet' });
  if (!server.ok) return err(environmentFailure(server.error));
  const started = await start(options, loaded.value);
  if (!started.ok) {
    server.value.close();
    return started;
  }
  agent = started.value;
  const { nodeName, connections } = loaded.value;
  log.info({ node: nodeName, peers: connections.length, version: VERSION, crypto: provider.name }, 'agent started');
  await untilTold(options, agent, loaded.value);
  server.value.close();
  log.info({ kernel: options.flushOnExit ? 'flushed' : 'left as it is' }, 'agent ended');
  return ok(undefined);
}

async function start(options: RunOptions, config: AgentConfig): Promise<Result<Agent, StartFailure>> {
  const { provider, log } = options;
  const dataplane = options.openDataplane();
  if (!dataplane.ok) return err(environmentFailure(dataplane.error));
  const drops = new DropCounters(log, systemTimers);
  const verifier = new CertificateVerifier(systemClock);
  const transport = options.createTransport(drops);
  await listenPatiently(transport, config);
  const agent = Agent.start({
    config,
    createEndpoint: (firstPolicySequence) =>
      createEndpoint({
        crypto: provider,
        random: { keys: systemRandom, nonces: systemRandom, spis: systemRandom, jitter: systemRandom },
        limits: DEFAULT_LIMITS,
        instance: agentInstance(systemRandom),
        firstPolicySequence,
        kernelSendsKeepalives: dataplane.value.sendsKeepalives,
      }),
    transport,
    dataplane: dataplane.value,
    clock: systemClock,
    timers: systemTimers,
    verifier,
    revocations: verifier,
    verificationTimeoutMs: DEFAULT_LIMITS.verificationTimeoutMs,
    observers: [new LogObserver(log, systemClock), drops],
    drops,
    log,
    ports: IKE_PORTS,
    version: VERSION,
    cryptoProvider: provider.name,
  });
  if (!agent.ok) {
    transport.close();
    dataplane.value.close();
  }
  return agent;
}

/** Reloads the configuration when it is told to, and keys and certificates when they have changed. */
function watchFiles(options: RunOptions, agent: Agent, config: AgentConfig): { stop(): void } {
  const { config: file, provider, log, signals } = options;
  const services = { provider, resolveHost, clock: systemClock };
  const onApplied = ({ credentials }: AgentConfig): void => {
    watch.watch(credentials.files);
    validity.await(credentials.validFromMs);
  };
  const reloads = new Reloads({ file, services, agent, log, onApplied }, config);
  const validity = new ValidityWatch({
    clock: systemClock,
    timers: systemTimers,
    onValid: () => reloads.requestCredentials(),
  });
  const watch = new FileWatch({
    timers: systemTimers,
    intervalMs: WATCH_INTERVAL_MS,
    digest: fileDigests(MAX_CRL_FILE_BYTES),
    onChange: () => reloads.requestCredentials(),
  });
  onApplied(config);
  signals.on('SIGHUP', () => void reloads.request());
  return {
    stop: () => {
      watch.stop();
      validity.await(undefined);
    },
  };
}

/** An IPv6 address that was just configured is not this host's before duplicate address detection (RFC 4862 §5.4). */
async function listenPatiently(transport: IkeTransport, config: AgentConfig): Promise<void> {
  for (let attempt = 1; attempt < LISTEN_ATTEMPTS; attempt += 1) {
    const listening = transport.listen(config.addresses);
    if (listening.ok || listening.error.errno !== 'EADDRNOTAVAIL') return;
    await sleep(LISTEN_PAUSE_MS);
  }
}

function untilTold(options: RunOptions, agent: Agent, config: AgentConfig): Promise<void> {
  const { signals, log, flushOnExit } = options;
  const watch = watchFiles(options, agent, config);
  return new Promise((resolve) => {
    let ending = false;
    const end = (): void => {
      watch.stop();
      // A second signal means that somebody is tired of waiting for the peers.
      if (ending || !flushOnExit) {
        agent.stop();
        resolve();
        return;
      }
      ending = true;
      log.info({}, 'telling the peers and removing SAs and policies');
      agent.flushAndStop().then(resolve);
    };
    signals.on('SIGTERM', end);
    signals.on('SIGINT', end);
  });
}

/** Duplicate address detection takes one second by default. */
const LISTEN_ATTEMPTS = 7;
const LISTEN_PAUSE_MS = 500;
/** A renewed certificate is in use a few seconds later; looking costs one system call a file. */
const WATCH_INTERVAL_MS = 2_000;
