import type { Agent } from './agent.ts';
import type { AgentConfig } from './config/agent-config.ts';
import { type ConfigFault, formatFaults } from './config/fault.ts';
import { type ConfigServices, loadConfig, readConfig } from './config/load-config.ts';
import type { Log } from './log/logger.ts';

/** What reloading depends on. */
export interface ReloadParts {
  /** The configuration file. */
  readonly file: string;
  readonly services: ConfigServices;
  readonly agent: Pick<Agent, 'reload'>;
  readonly log: Log;
  /** Told what is in use from here on. */
  readonly onApplied: (config: AgentConfig) => void;
}

/**
 * Reads the configuration again, one time after the other: requests that come while it is read are one more, not many.
 * Either all of it, because somebody asked for that, or only the files with keys and certificates, because they changed.
 */
export class Reloads {
  readonly #parts: ReloadParts;
  #config: AgentConfig;
  #wanted: 'file' | 'credentials' | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: ReloadParts, config: AgentConfig) {
    this.#parts = parts;
    this.#config = config;
  }

  /** The configuration file is to be read again. */
  request(): Promise<void> {
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

  async #once(what: 'file' | 'credentials'): Promise<void> {
    const { file, services, agent, log, onApplied } = this.#parts;
    const { text, resolved, credentials } = this.#config;
    const remembered = async (host: string) => resolved.get(host) ?? services.resolveHost(host);
    const loaded =
      what === 'file'
        ? await loadConfig(file, services, credentials.sources)
        : await readConfig(file, text, { ...services, resolveHost: remembered }, credentials.sources);
    if (this.#stopped) return;
    if (!loaded.ok) {
      for (const fault of formatFaults(file, loaded.error)) log.error({ text: fault }, 'fault in the configuration');
      log.error({ faults: loaded.error.length }, NOT_APPLIED);
      return;
    }
    if (what === 'file') warn(log, file, loaded.value.warnings);
    const applied = agent.reload(loaded.value, what);
    if (!applied.ok) {
      log.error({ text: applied.error }, NOT_APPLIED);
      return;
    }
    this.#config = loaded.value;
    onApplied(loaded.value);
  }
}

/** Tells what should be changed about a configuration. */
export function warn(log: Log, file: string, warnings: readonly ConfigFault[]): void {
  for (const text of formatFaults(file, warnings)) log.warn({ text }, 'questionable configuration');
}

const NOT_APPLIED = 'configuration not applied; the agent goes on with the one it has';
