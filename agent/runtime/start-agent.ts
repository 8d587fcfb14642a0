import { setTimeout as sleep } from 'node:timers/promises';

import type { CryptoProvider } from '../crypto/types.ts';
import { createEndpoint } from '../ike/endpoint.ts';
import { DEFAULT_LIMITS } from '../ike/limits.ts';
import type { Dataplane, Observer, SegmentClamps } from '../ports.ts';
import { err, type Result } from '../result.ts';
import { Agent, type IkeTransport } from './agent.ts';
import { systemClock, systemTimers } from './clock-system.ts';
import type { AgentConfig } from './config/agent-config.ts';
import { DropCounters } from './counters.ts';
import { agentInstance } from './instance.ts';
import { LogObserver } from './log/log-observer.ts';
import type { Log } from './log/logger.ts';
import { systemRandom } from './random-system.ts';
import { environmentFailure, type StartFailure } from './start-failure.ts';
import type { PathMtuSource } from './status/path-mtu-report.ts';
import { IKE_PORTS, type TransportObserver } from './transport-udp.ts';
import { CertificateVerifier } from './verifier.ts';
import { VERSION } from './version.ts';

/** What an agent is started with, wherever its configuration comes from. */
export interface StartParts {
  readonly provider: CryptoProvider;
  readonly log: Log;
  /** Opens the kernel's IPsec once the configuration has proved to be good. */
  readonly openDataplane: () => Result<Dataplane, string>;
  /** Makes the transport, without sockets yet. */
  readonly createTransport: (observer: TransportObserver) => IkeTransport;
  readonly pathMtus?: PathMtuSource | undefined;
  readonly segmentClamps?: SegmentClamps | undefined;
  readonly refusesPlainPathMtu?: boolean | undefined;
  readonly probesPathMtu?: boolean | undefined;
  /** Hear of all facts, beside the log. */
  readonly observers?: readonly Observer[];
}

/** Starts an agent with the clock, the randomness and the observers of a real one. */
export async function startAgent(options: StartParts, config: AgentConfig): Promise<Result<Agent, StartFailure>> {
  const { provider, log } = options;
  const dataplane = options.openDataplane();
  if (!dataplane.ok) return err(environmentFailure(dataplane.error));
  const drops = new DropCounters(log, systemTimers);
  const verifier = new CertificateVerifier(systemClock);
  const transport = options.createTransport(drops);
  // What may be lacking is looked for again while everything else is at work.
  if (config.mayLackAddresses !== true) await listenPatiently(transport, config);
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
    observers: [new LogObserver(log, systemClock), drops, ...(options.observers ?? [])],
    drops,
    log,
    ports: IKE_PORTS,
    pathMtus: options.pathMtus,
    segmentClamps: options.segmentClamps,
    refusesPlainPathMtu: options.refusesPlainPathMtu,
    probesPathMtu: options.probesPathMtu,
    version: VERSION,
    cryptoProvider: provider.name,
  });
  if (!agent.ok) {
    transport.close();
    dataplane.value.close();
  }
  return agent;
}

/** An IPv6 address that was just configured is not this host's before duplicate address detection (RFC 4862 §5.4). */
async function listenPatiently(transport: IkeTransport, config: AgentConfig): Promise<void> {
  for (let attempt = 1; attempt < LISTEN_ATTEMPTS; attempt += 1) {
    const listening = transport.listen(config.addresses);
    if (listening.ok || listening.error.errno !== 'EADDRNOTAVAIL') return;
    await sleep(LISTEN_PAUSE_MS);
  }
}

/** Duplicate address detection takes one second by default. */
const LISTEN_ATTEMPTS = 7;
const LISTEN_PAUSE_MS = 500;
