import { join } from 'node:path';

import type { Log } from '../runtime/log/logger.ts';
import { StatusServer } from '../runtime/status/status-server.ts';

/** One agent a node: while a pod is replaced the new one stands by until the old one is gone. */
export class NodeLock {
  readonly #path: string;
  readonly #report: () => object;
  readonly #log: Log;
  #held: StatusServer | undefined;
  #standby = false;

  /** Agents of one node meet in `folder`; whoever asks there hears `report`. */
  constructor(folder: string, report: () => object, log: Log) {
    this.#path = join(folder, LOCK);
    this.#report = report;
    this.#log = log;
  }

  /** Whether the agent before this one still runs. */
  get isStandingBy(): boolean {
    return this.#standby;
  }

  /** Takes the lock if nobody has it; whether this agent has it. */
  async take(): Promise<boolean> {
    if (this.#held !== undefined) return true;
    const listening = await StatusServer.listen(this.#path, this.#report);
    if (listening.ok) {
      this.#held = listening.value;
      this.#standby = false;
      return true;
    }
    const isAnswered = listening.error.startsWith('another agent answers');
    if (this.#standby !== isAnswered || !isAnswered)
      this.#log.info({ text: listening.error }, 'standing by until the agent before this one has ended');
    this.#standby = isAnswered;
    return false;
  }

  release(): void {
    this.#held?.close();
  }
}

/** The name of the socket. */
const LOCK = 'agent.sock';
