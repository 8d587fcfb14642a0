import { closeDescriptor, type FileDescriptor } from '../native/libc.ts';
import { MAX_SOCKETS } from './limits.ts';

/** Sockets that are kept open, by name. What they are is their owners' business. */
export class HeldSockets {
  readonly #sockets = new Map<string, FileDescriptor>();

  get names(): readonly string[] {
    return [...this.#sockets.keys()];
  }

  socket(name: string): FileDescriptor | undefined {
    return this.#sockets.get(name);
  }

  /** Keeps a socket in place of one of the same name; false where there are too many, and it is the caller's still. */
  hold(name: string, socket: FileDescriptor): boolean {
    const earlier = this.#sockets.get(name);
    if (earlier === undefined && this.#sockets.size >= MAX_SOCKETS) return false;
    this.#sockets.set(name, socket);
    if (earlier !== undefined) closeDescriptor(earlier);
    return true;
  }

  /** Closes all others. */
  retain(names: readonly string[]): void {
    const wanted = new Set(names);
    for (const [name, socket] of this.#sockets) {
      if (wanted.has(name)) continue;
      this.#sockets.delete(name);
      closeDescriptor(socket);
    }
  }
}
