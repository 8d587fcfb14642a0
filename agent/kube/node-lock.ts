import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { closeDescriptor, type FileDescriptor, lockPath } from '../native/libc.ts';
import type { Log } from '../runtime/log/logger.ts';
import { StatusServer } from '../runtime/status/status-server.ts';

/**
 * One agent a node: while a pod is replaced the new one stands by until the old one is gone. Whoever has the lock has locked
 * the folder, which takes no room on a disk, and answers at a socket there, which also agents know that lock no folder. One of
 * the two will do: the disk may be full, and not every file system has locks.
 */
export class NodeLock {
  readonly #folder: string;
  readonly #path: string;
  readonly #report: () => object;
  readonly #log: Log;
  #lock: FileDescriptor | undefined;
  #socket: StatusServer | undefined;
  #isHeld = false;
  #isStandingBy = false;
  #failure: string | undefined;
  /** What the log has been told last. */
  #told: string | undefined;

  /** Agents of one node meet in `folder`; whoever asks there hears `report`. */
  constructor(folder: string, report: () => object, log: Log) {
    this.#folder = folder;
    this.#path = join(folder, LOCK);
    this.#report = report;
    this.#log = log;
  }

  /** Whether the agent before this one still runs. */
  get isStandingBy(): boolean {
    return this.#isStandingBy;
  }

  /** Why it is not known whether another agent runs, so that this one must not begin; a sentence. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Takes the lock if nobody has it; whether this agent has it. */
  async take(): Promise<boolean> {
    if (this.#socket !== undefined) return true;
    if (!this.#lockFolder()) return this.#standBy(`another agent has locked ${this.#folder}`);
    const listening = await StatusServer.listen(this.#path, this.#report);
    if (listening.ok) {
      this.#socket = listening.value;
      return this.#hold();
    }
    const text = listening.error;
    if (this.#isHeld) return true;
    if (this.#lock !== undefined && DISK_REFUSES.test(text)) {
      this.#tell(`${text}: ${REMEDY}`, 'this agent works without the socket at which others find it');
      return this.#hold();
    }
    this.#unlockFolder();
    return text.startsWith('another agent answers') ? this.#standBy(text) : this.#fail(text);
  }

  release(): void {
    this.#socket?.close();
    this.#unlockFolder();
  }

  /** False where somebody else has locked it. */
  #lockFolder(): boolean {
    if (this.#lock !== undefined) return true;
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o755 });
    } catch {
      // Then there is nothing to lock, and whoever makes the socket tells why.
    }
    const locked = lockPath(this.#folder);
    this.#lock = locked.ok ? locked.value : undefined;
    return !locked.ok || locked.value !== undefined;
  }

  #unlockFolder(): void {
    if (this.#lock !== undefined) closeDescriptor(this.#lock);
    this.#lock = undefined;
  }

  #hold(): true {
    this.#isHeld = true;
    this.#isStandingBy = false;
    this.#failure = undefined;
    return true;
  }

  #standBy(text: string): false {
    this.#isStandingBy = true;
    this.#failure = undefined;
    this.#tell(text, 'standing by until the agent before this one has ended');
    return false;
  }

  /** Without a lock two agents could undo each other's work, so that this much has to be written before anything begins. */
  #fail(text: string): false {
    this.#isStandingBy = false;
    this.#failure = `the state folder ${this.#folder} cannot be used, where agents of a node meet: ${text}; ${REMEDY}`;
    this.#tell(this.#failure, 'this agent does not begin');
    return false;
  }

  /** It is asked again and again. */
  #tell(text: string, message: string): void {
    if (this.#told !== text) this.#log.warn({ text }, message);
    this.#told = text;
  }
}

/** The name of the socket. */
const LOCK = 'agent.sock';
/** Nobody answered there before a file was to be made. */
const DISK_REFUSES = /\b(ENOSPC|EDQUOT|EROFS)\b/;
const REMEDY = 'make room on its disk and have it mounted writable';
