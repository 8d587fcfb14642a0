import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

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

  /** Their names. A file that cannot be read names none: what was to be blocked is blocked. */
  names(): ReadonlySet<string> {
    try {
      const lines = readFileSync(this.path, 'utf8').slice(0, MAX_CHARACTERS).split('\n');
      const [first, ...names] = lines;
      return new Set(first === HEADER ? names.filter((name) => name !== '') : []);
    } catch {
      return new Set();
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

  /** Adds a name. Throws what the file system says. */
  async add(name: string): Promise<void> {
    await this.#write(new Set([...this.names(), name]));
  }

  /** Takes a name away; whether it was there. Throws what the file system says. */
  async remove(name: string): Promise<boolean> {
    const names = new Set(this.names());
    const wasThere = names.delete(name);
    if (wasThere) await this.#write(names);
    return wasThere;
  }

  #write(names: ReadonlySet<string>): Promise<void> {
    return writeDurably(this.path, `${[HEADER, ...names].join('\n')}\n`);
  }
}

const FILE_NAME = 'unblocked';
const HEADER = 'ikemesh: peerings that are not carried out on this node, see agent unblock --undo';
/** Names of 64 peerings, and more than anybody has. */
const MAX_CHARACTERS = 16_384;
