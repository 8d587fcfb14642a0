import { hash } from 'node:crypto';
import { mkdir, readdir, readFile, readlink, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';

import { describeFileError } from '../runtime/config/secret-file.ts';
import { writeDurably } from './durable-file.ts';

/** Contents by key; undefined: as it is, where it is there. */
type Contents = ReadonlyMap<string, Uint8Array | undefined>;

/**
 * Secrets and bundles as files, from which the agent reads them as it does without a cluster. The folder is in memory (a
 * volume of medium Memory): it outlives the agent, and goes with its pod and with the node's power. All files of one name
 * change at the same moment, as kubelet does it: by a symbolic link to a folder.
 */
export class CredentialFiles {
  readonly #folder: string;
  readonly #written = new Map<string, string>();
  /** The last write or removal of each name, whether it has ended or not. */
  readonly #writes = new Map<string, Promise<boolean>>();
  /** What the last write of a name is to write, until it begins. */
  readonly #waiting = new Map<string, Contents>();

  /** What could not be written, and why. */
  readonly #failed = new Map<string, { readonly contents: Contents; readonly text: string }>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The path of a file, whether it is there or not. */
  path(name: string, key: string): string {
    return join(this.#folder, name, key);
  }

  /**
   * Puts these files in the place of those of the same name; whether anything has changed. Writes of one name follow one
   * another; at most one waits, with the newest files, and answers all who have asked meanwhile.
   */
  write(name: string, files: Contents): Promise<boolean> {
    const last = this.#writes.get(name);
    const isWaiting = this.#waiting.has(name);
    this.#waiting.set(name, files);
    this.#failed.delete(name);
    if (isWaiting && last !== undefined) return last;
    const write = this.#writeAfter(last, name, files);
    this.#writes.set(name, write);
    return write;
  }

  /** Why files of a name are not there in their newest form; undefined where they are, or are being written. */
  failure(name: string): string | undefined {
    return this.#failed.get(name)?.text;
  }

  /** Writes what could not be written before; whether all is written. */
  async writeAgain(): Promise<boolean> {
    const writes = [...this.#failed].map(([name, { contents }]) => this.write(name, contents));
    return (await Promise.allSettled(writes)).every(({ status }) => status === 'fulfilled');
  }

  /** Removes what is of no peering any more, but for what is asked to be written meanwhile. */
  async retain(names: ReadonlySet<string>): Promise<void> {
    const before = new Map(this.#writes);
    for (const name of this.#failed.keys()) if (!names.has(name)) this.#failed.delete(name);
    for (const entry of await readdir(this.#folder).catch(() => [])) {
      if (entry.startsWith('.') || names.has(entry)) continue;
      const last = this.#writes.get(entry);
      if (this.#waiting.has(entry) || last !== before.get(entry)) continue;
      const removal = this.#removeAfter(last, entry);
      this.#writes.set(entry, removal);
      await removal;
    }
  }

  async #writeAfter(last: Promise<boolean> | undefined, name: string, files: Contents): Promise<boolean> {
    // Whoever asked for it has been told how it failed.
    await last?.catch(() => false);
    const newest = this.#waiting.get(name) ?? files;
    this.#waiting.delete(name);
    try {
      return await this.#replace(name, newest);
    } catch (error) {
      if (!this.#waiting.has(name)) this.#failed.set(name, { contents: newest, text: describeFileError(error) });
      throw error;
    }
  }

  async #removeAfter(last: Promise<boolean> | undefined, name: string): Promise<boolean> {
    await last?.catch(() => false);
    this.#written.delete(name);
    const link = join(this.#folder, name);
    const target = await readlink(link).catch(() => undefined);
    await rm(link, { force: true, recursive: true });
    if (target !== undefined) await rm(join(this.#folder, target), { force: true, recursive: true });
    return true;
  }

  async #replace(name: string, contents: Contents): Promise<boolean> {
    const files = await this.#whole(name, contents);
    const digest = hash('sha256', JSON.stringify([...files].map(([key, content]) => [key, hash('sha256', content)])));
    if (this.#written.get(name) === digest) return false;
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const target = `.${name}.${digest.slice(0, 16)}`;
    for (const [key, content] of files) await writeDurably(join(this.#folder, target, key), content);
    const link = join(this.#folder, name);
    // `retain`, which may run meanwhile, passes over what begins with a dot.
    const fresh = join(this.#folder, `.${name}.new`);
    await rm(fresh, { force: true });
    await symlink(target, fresh);
    await rename(fresh, link);
    this.#written.set(name, digest);
    await this.#removeOthers(name, target);
    return true;
  }

  /** With those that are to stay as they are. */
  async #whole(name: string, contents: Contents): Promise<ReadonlyMap<string, Uint8Array>> {
    const files = new Map<string, Uint8Array>();
    for (const [key, given] of contents) {
      const content = given ?? (await contentOf(this.path(name, key)));
      if (content !== undefined) files.set(key, content);
    }
    return files;
  }

  async #removeOthers(name: string, kept: string): Promise<void> {
    for (const entry of await readdir(this.#folder)) {
      if (entry === kept || !entry.startsWith(`.${name}.`) || entry.length !== kept.length) continue;
      await rm(join(this.#folder, entry), { recursive: true, force: true });
    }
  }
}

/** What a file holds; undefined where it is not there. Throws what else the file system says: then nothing is replaced. */
async function contentOf(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
