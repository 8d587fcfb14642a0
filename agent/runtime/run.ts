import { type MetricsSettings, openMetrics } from '../metrics/open-metrics.ts';
import { err, ok, type Result } from '../result.ts';
import type { Agent } from './agent.ts';
import { systemClock, systemTimers } from './clock-system.ts';
import type { AgentConfig } from './config/agent-config.ts';
import { formatFaults } from './config/fault.ts';
import { MAX_CRL_FILE_BYTES } from './config/limits.ts';
import { type ConfigServices, loadConfig } from './config/load-config.ts';
import { type HostResolver, resolveHost } from './config/resolve-host.ts';
import { fileDigests } from './file-digest.ts';
import { FileWatch } from './file-watch.ts';
import { Reloads, warn, warnOfUnresolved } from './reloads.ts';
import { type StartParts, startAgent } from './start-agent.ts';
import { environmentFailure, type StartFailure } from './start-failure.ts';
import { StatusServer } from './status/status-server.ts';
import { ValidityWatch } from './validity-watch.ts';
import { VERSION } from './version.ts';

/** What a running agent depends on. */
export interface RunOptions extends StartParts {
  readonly config: string;
  readonly socket: string;
  readonly flushOnExit: boolean;
  /** Undefined: as the file says. */
  readonly metrics?: MetricsSettings | undefined;
  /** Finds the addresses of peers; left out: the system's resolver. */
  readonly resolveHost?: HostResolver;
  /** Hears of SIGHUP, SIGTERM and SIGINT. */
  readonly signals: Signals;
}

/** The signals of a process; `process` is one. */
export interface Signals {
  on(signal: 'SIGHUP' | 'SIGTERM' | 'SIGINT', listener: () => void): unknown;
}

/** Starts the agent and returns when it has ended because a signal asked for it; or why it could not start. */
export async function run(options: RunOptions): Promise<Result<void, StartFailure>> {
  const { config: file, provider, log } = options;
  const loaded = await loadConfig(file, servicesOf(options));
  if (!loaded.ok) {
    return err({ kind: 'startFailure', exitCode: 2, text: formatFaults(file, loaded.error).join('\n') });
  }
  warn(log, file, loaded.value.warnings);
  warnOfUnresolved(log, loaded.value);
  let agent: Agent | undefined;
  // Before anything is touched: two agents in one place would undo each other's work.
  const server = await StatusServer.listen(
    options.socket,
    () => agent?.status() ?? { error: 'not started yet' },
    () => ({ ready: false, text: 'this agent runs neither with --kubernetes nor with --manifests' }),
  );
  if (!server.ok) return err(environmentFailure(server.error));
  const metrics = openMetrics(options.metrics ?? loaded.value.metrics, {
    log,
    cryptoProvider: provider.name,
    report: () => agent?.status(),
  });
  const started = await startAgent({ ...options, observers: metrics.observers }, loaded.value);
  if (!started.ok) {
    server.value.close();
    metrics.close();
    return started;
  }
  agent = started.value;
  const { nodeName, connections } = loaded.value;
  const told = untilTold(options, agent, loaded.value);
  // Whoever has read this may end it.
  log.info({ node: nodeName, peers: connections.length, version: VERSION, crypto: provider.name }, 'agent started');
  await told;
  server.value.close();
  metrics.close();
  log.info({ kernel: options.flushOnExit ? 'flushed' : 'left as it is' }, 'agent ended');
  return ok(undefined);
}

function servicesOf({ provider, resolveHost: resolve = resolveHost }: RunOptions): ConfigServices {
  return { provider, resolveHost: resolve, clock: systemClock };
}

/** Reloads the configuration when it is told to, and keys and certificates when they have changed. */
function watchFiles(options: RunOptions, agent: Agent, config: AgentConfig): { stop(): void } {
  const { config: file, log, signals } = options;
  const services = servicesOf(options);
  const onApplied = ({ credentials }: AgentConfig): void => {
    watch.watch(credentials.files);
    validity.await(credentials.validFromMs);
  };
  const reloads = new Reloads(
    { file, services, clock: systemClock, timers: systemTimers, agent, log, onApplied },
    config,
  );
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
      reloads.stop();
      watch.stop();
      validity.await(undefined);
    },
  };
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

/** A renewed certificate is in use a few seconds later; looking costs one system call a file. */
const WATCH_INTERVAL_MS = 2_000;
