import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { err, ok, type Result } from '../result.ts';
import { describeFileError } from '../runtime/config/secret-file.ts';
import { writeDurably } from './durable-file.ts';

/**
 * Which peerings somebody on the node has unblocked, until they are blocked again: a file in the folder that outlives the
 * agent, so that one that is started again and again does not block again and again.
 */
export class UnblockedPeerings {
  readonly path: string;

  constructor(folder: string) {
    this.path = join(folder, FILE_NAME);
  }

  /** Their names; none where there is no file. A file that cannot be read says nothing of any: a sentence. */
  names(): Result<ReadonlySet<string>, string> {
    try {
      const [first, ...names] = readFileSync(this.path, 'utf8').slice(0, MAX_CHARACTERS).split('\n');
      if (first === HEADER) return ok(new Set(names.filter((name) => name !== '')));
      return err(`${this.path} is no list of unblocked peerings: remove it, and unblock again what is to be`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ok(new Set());
      return err(
        `${this.path} cannot be read: ${describeFileError(error)}: see to its disk, or remove it and unblock again what is to be`,
      );
    }
  }

  /** Differs after each change, also where the names are the same again. */
  revision(): string {
    try {
      // It is replaced by another file each time.
      const found = statSync(this.path, { bigint: true, throwIfNoEntry: false });
      return found === undefined ? '' : `${found.ino} ${found.mtimeNs}`;
    } catch (error) {
      return describeFileError(error);
    }
  }

  /** Adds a name; the error is a sentence. */
  async add(name: string): Promise<Result<void, string>> {
    const names = this.names();
    return names.ok ? this.#write(new Set([...names.value, name])) : names;
  }

  /** Takes a name away; whether it was there. The error is a sentence. */
  async remove(name: string): Promise<Result<boolean, string>> {
    const read = this.names();
    if (!read.ok) return read;
    const names = new Set(read.value);
    if (!names.delete(name)) return ok(false);
    const written = await this.#write(names);
    return written.ok ? ok(true) : written;
  }

  async #write(names: ReadonlySet<string>): Promise<Result<void, string>> {
    try {
      await writeDurably(this.path, `${[HEADER, ...names].join('\n')}\n`);
      return ok(undefined);
    } catch (error) {
      return err(
        `${this.path} cannot be written: ${(error as Error).message}: make room on its disk and have it writable`,
      );
    }
  }
}

const FILE_NAME = 'unblocked';
const HEADER = 'ikemesh: peerings that are not carried out on this node, see agent unblock --undo';
/** Names of 64 peerings, and more than anybody has. */
const MAX_CHARACTERS = 16_384;
