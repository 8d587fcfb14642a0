import type { Clock, Timers } from '../ports.ts';
import { err, type Result } from '../result.ts';
import type { Agent } from './agent.ts';
import type { AgentConfig } from './config/agent-config.ts';
import { wipeUnused } from './config/credential-sources.ts';
import { type ConfigFault, formatFaults } from './config/fault.ts';
import { type ConfigServices, loadConfig, readConfig } from './config/load-config.ts';
import type { HostResolver } from './config/resolve-host.ts';
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
 * What cannot be applied is tried again, since nobody tells of a change twice, and names that do not resolve are asked for
 * again.
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
  readonly #keptHosts = new Set<string>();
  #callOff: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: ReloadParts, config: AgentConfig) {
    this.#parts = parts;
    this.#config = config;
    this.#unapplied = unresolvedIn(config);
    this.#tryLater();
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
      const faults = formatFaults(file, loaded.error);
      if (this.#isNews(faults.join())) {
        for (const text of faults) log.error({ text }, 'fault in the configuration');
        log.error({ faults: loaded.error.length }, NOT_APPLIED);
      }
      // A faulty file is read again when somebody says so; new certificates are not to wait for that.
      if (what === 'file' && this.#unapplied === 'file') this.#unapplied = 'names';
      this.#tryLater();
      return;
    }
    const lost = this.#lostAddresses(loaded.value);
    const applied = lost ?? agent.reload(loaded.value, this.#cause(what, loaded.value));
    if (!applied.ok) {
      this.#wipe(loaded.value);
      if (this.#isNews(applied.error)) log.error({ text: applied.error }, NOT_APPLIED_YET);
      this.#unapplied = wider(this.#unapplied, what);
      this.#tryLater();
      return;
    }
    if (what === 'file') warn(log, file, loaded.value.warnings);
    warnOfUnresolved(log, loaded.value, this.#config);
    this.#config = loaded.value;
    this.#refusal = undefined;
    if (wider(this.#unapplied, what) === what) this.#unapplied = undefined;
    this.#unapplied ??= unresolvedIn(loaded.value);
    this.#tryLater();
    onApplied(loaded.value);
  }

  #load(what: Scope): Promise<Result<AgentConfig, readonly ConfigFault[]>> {
    const { file, services } = this.#parts;
    const { text, resolved, unresolved = [], credentials } = this.#config;
    const wanting = new Set(unresolved.map(({ host }) => host));
    const resolveHost: HostResolver = async (host) => {
      const known = resolved.get(host);
      const isAsked = known === undefined || what === 'file' || (what === 'names' && wanting.has(host));
      const found = isAsked ? await services.resolveHost(host) : known;
      // A name that resolved once keeps its addresses while nobody can say what they are.
      const keeps = known?.ok === true && !found.ok;
      if (isAsked) this.#noteKept(host, keeps ? found.error : undefined);
      return keeps ? known : found;
    };
    const remembering = { ...services, resolveHost };
    if (what === 'file') return loadConfig(file, remembering, credentials.sources);
    return readConfig(file, text, remembering, credentials.sources);
  }

  /** Tells once that addresses of a name are used that it had before, until it resolves. */
  #noteKept(host: string, failure: string | undefined): void {
    if (failure === undefined) this.#keptHosts.delete(host);
    else if (!this.#keptHosts.has(host)) {
      this.#keptHosts.add(host);
      this.#parts.log.warn(
        { text: `${failure}; it is asked for when the file is read again` },
        'a name does not resolve any more; the addresses that it had stay in use',
      );
    }
  }

  /** What stands in for a peer that has an address would end its SAs, and let pass what its policies block. */
  #lostAddresses({ unresolved = [] }: AgentConfig): Result<void, string> | undefined {
    const { connections, unresolved: before = [] } = this.#config;
    const reached = new Set(connections.map(({ name }) => name));
    for (const { name } of before) reached.delete(name);
    const lost = unresolved.filter(({ name }) => reached.has(name)).map(({ fault }) => fault);
    return lost.length === 0 ? undefined : err(formatFaults(this.#parts.file, lost).join('; '));
  }

  /** While names that are asked for again do not resolve, something else has changed. */
  #cause(what: Scope, { unresolved = [] }: AgentConfig): Scope {
    const { unresolved: before = [] } = this.#config;
    return what === 'names' && unresolved.length === before.length ? 'credentials' : what;
  }

  #isNews(refusal: string): boolean {
    const isNews = refusal !== this.#refusal;
    this.#refusal = refusal;
    return isNews;
  }

  #wipe({ credentials }: AgentConfig): void {
    wipeUnused(credentials.sources, this.#config.credentials.sources);
  }

  /** Sees to it that what could not be applied is tried again, and nothing else is. */
  #tryLater(): void {
    const { clock, timers } = this.#parts;
    if (this.#unapplied === undefined) {
      this.#retry.note({ outcome: 'done', isUnresolved: false }, clock.monotonicMs());
      this.#callOff?.();
      this.#callOff = undefined;
      return;
    }
    // What is requested meanwhile does not put it off.
    if (this.#callOff !== undefined) return;
    this.#retry.note({ outcome: 'failed', isUnresolved: false }, clock.monotonicMs());
    this.#callOff = timers.after(this.#retry.leftMs(clock.monotonicMs()), () => {
      this.#callOff = undefined;
      if (this.#unapplied !== undefined) this.#wanted = wider(this.#wanted, this.#unapplied);
      void this.#run();
    });
  }
}

/** Tells what should be changed about a configuration. */
export function warn(log: Log, file: string, warnings: readonly ConfigFault[]): void {
  for (const text of formatFaults(file, warnings)) log.warn({ text }, 'questionable configuration');
}

/** Tells of peers whose host names do not resolve, unless it was told `before`. */
export function warnOfUnresolved(log: Log, { unresolved = [] }: AgentConfig, before?: AgentConfig): void {
  const told = new Set(before?.unresolved?.map(({ name, fault }) => `${name} ${fault.text}`));
  for (const { name, fault, isOpen } of unresolved) {
    if (told.has(`${name} ${fault.text}`)) continue;
    const text = isOpen ? `${fault.text}; until then traffic with it passes in plaintext` : fault.text;
    log.warn({ peer: name, text }, 'the name of a peer does not resolve, and is asked for again');
  }
}

function unresolvedIn({ unresolved = [] }: AgentConfig): Scope | undefined {
  return unresolved.length === 0 ? undefined : 'names';
}

function wider(one: Scope | undefined, other: Scope): Scope {
  return SCOPES.find((scope) => scope === one || scope === other) ?? other;
}

/** What is read again, each with all that follow: the file, names that did not resolve, keys and certificates. */
const SCOPES = ['file', 'names', 'credentials'] as const;
type Scope = (typeof SCOPES)[number];

const NOT_APPLIED = 'configuration not applied; the agent goes on with the one it has';
const NOT_APPLIED_YET = `${NOT_APPLIED}, and tries again`;
