import type { Clock, Timers } from '../ports.ts';
import type { Result } from '../result.ts';
import type { Agent } from './agent.ts';
import type { AgentConfig } from './config/agent-config.ts';
import { wipeUnused } from './config/credential-sources.ts';
import { type ConfigFault, formatFaults } from './config/fault.ts';
import { type ConfigServices, loadConfig, readConfig } from './config/load-config.ts';
import type { Log } from './log/logger.ts';
import { Retry } from './retry.ts';

/** What reloading depends on. */
export interface ReloadParts {
  /** The configuration file. */
  readonly file: string;
  readonly services: ConfigServices;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly timers: Timers;
  readonly agent: Pick<Agent, 'reload'>;
  readonly log: Log;
  /** Told what is in use from here on. */
  readonly onApplied: (config: AgentConfig) => void;
}

/**
 * Reads the configuration again, one time after the other: requests that come while it is read are one more, not many.
 * Either all of it, because somebody asked for that, or only the files with keys and certificates, because they changed.
 * What cannot be applied is tried again, since nobody tells of a change twice.
 */
export class Reloads {
  readonly #parts: ReloadParts;
  readonly #retry = new Retry();
  #config: AgentConfig;
  #wanted: Scope | undefined;
  /** What has been read and could not be applied. */
  #unapplied: Scope | undefined;
  /** Why the last one was not applied: told once. */
  #refusal: string | undefined;
  #callOff: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: ReloadParts, config: AgentConfig) {
    this.#parts = parts;
    this.#config = config;
  }

  /** The configuration file is to be read again. */
  request(): Promise<void> {
    this.#refusal = undefined;
    this.#wanted = 'file';
    return this.#run();
  }

  /** Keys or certificates have changed; the configuration file counts as it was. */
  requestCredentials(): Promise<void> {
    this.#wanted ??= 'credentials';
    return this.#run();
  }

  /**
   * The agent ends: nothing is applied from here on. What is being read comes to nothing, whatever becomes of it: the
   * secrets that it is compared with are wiped meanwhile.
   */
  stop(): void {
    this.#stopped = true;
    this.#callOff?.();
  }

  #run(): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    this.#running ??= this.#untilDone()
      .catch((error: unknown) => {
        if (!this.#stopped) throw error;
      })
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  async #untilDone(): Promise<void> {
    for (let wanted = this.#wanted; wanted !== undefined; wanted = this.#wanted) {
      this.#wanted = undefined;
      await this.#once(wanted);
    }
  }

  async #once(what: Scope): Promise<void> {
    const { file, agent, log, onApplied } = this.#parts;
    const loaded = await this.#load(what);
    if (this.#stopped) {
      if (loaded.ok) this.#wipe(loaded.value);
      return;
    }
    if (!loaded.ok) {
      for (const fault of formatFaults(file, loaded.error)) log.error({ text: fault }, 'fault in the configuration');
      log.error({ faults: loaded.error.length }, NOT_APPLIED);
      // A faulty file is read again when somebody says so; new certificates are not to wait for that.
      if (what === 'file' && this.#unapplied === 'file') this.#unapplied = 'credentials';
      this.#tryLater();
      return;
    }
    const applied = agent.reload(loaded.value, what);
    if (!applied.ok) {
      this.#wipe(loaded.value);
      if (applied.error !== this.#refusal) log.error({ text: applied.error }, NOT_APPLIED_YET);
      this.#refusal = applied.error;
      if (this.#unapplied !== 'file') this.#unapplied = what;
      this.#tryLater();
      return;
    }
    if (what === 'file') warn(log, file, loaded.value.warnings);
    this.#config = loaded.value;
    if (what === 'file' || this.#unapplied === 'credentials') this.#unapplied = undefined;
    this.#tryLater();
    onApplied(loaded.value);
  }

  #load(what: Scope): Promise<Result<AgentConfig, readonly ConfigFault[]>> {
    const { file, services } = this.#parts;
    const { text, resolved, credentials } = this.#config;
    if (what === 'file') return loadConfig(file, services, credentials.sources);
    const remembered = async (host: string) => resolved.get(host) ?? services.resolveHost(host);
    return readConfig(file, text, { ...services, resolveHost: remembered }, credentials.sources);
  }

  #wipe({ credentials }: AgentConfig): void {
    wipeUnused(credentials.sources, this.#config.credentials.sources);
  }

  /** Sees to it that what could not be applied is tried again, and nothing else is. */
  #tryLater(): void {
    const { clock, timers } = this.#parts;
    if (this.#unapplied === undefined) {
      this.#retry.note({ outcome: 'done', isUnresolved: false }, clock.monotonicMs());
      this.#refusal = undefined;
      this.#callOff?.();
      this.#callOff = undefined;
      return;
    }
    // What is requested meanwhile does not put it off.
    if (this.#callOff !== undefined) return;
    this.#retry.note({ outcome: 'failed', isUnresolved: false }, clock.monotonicMs());
    this.#callOff = timers.after(this.#retry.leftMs(clock.monotonicMs()), () => {
      this.#callOff = undefined;
      this.#wanted ??= this.#unapplied;
      void this.#run();
    });
  }
}

/** Tells what should be changed about a configuration. */
export function warn(log: Log, file: string, warnings: readonly ConfigFault[]): void {
  for (const text of formatFaults(file, warnings)) log.warn({ text }, 'questionable configuration');
}

/** What is read again: the file and all that it names, or only the keys and certificates. */
type Scope = 'file' | 'credentials';

const NOT_APPLIED = 'configuration not applied; the agent goes on with the one it has';
const NOT_APPLIED_YET = `${NOT_APPLIED}, and tries again`;
