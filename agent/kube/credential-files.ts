import { hash } from 'node:crypto';
import { mkdir, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';

import { writeDurably } from './durable-file.ts';

/**
 * Secrets and bundles as files, from which the agent reads them as it does without a cluster. The folder is in memory (a
 * volume of medium Memory): it outlives the agent, and goes with its pod and with the node's power. All files of one name
 * change at the same moment, as kubelet does it: by a symbolic link to a folder.
 */
export class CredentialFiles {
  readonly #folder: string;
  readonly #written = new Map<string, string>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The path of a file, whether it is there or not. */
  path(name: string, key: string): string {
    return join(this.#folder, name, key);
  }

  /** Puts these files in the place of those of the same name; whether anything has changed. */
  async write(name: string, files: ReadonlyMap<string, Uint8Array>): Promise<boolean> {
    const digest = hash('sha256', JSON.stringify([...files].map(([key, content]) => [key, hash('sha256', content)])));
    if (this.#written.get(name) === digest) return false;
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const target = `.${name}.${digest.slice(0, 16)}`;
    for (const [key, content] of files) await writeDurably(join(this.#folder, target, key), content);
    const link = join(this.#folder, name);
    await rm(`${link}.new`, { force: true });
    await symlink(target, `${link}.new`);
    await rename(`${link}.new`, link);
    this.#written.set(name, digest);
    await this.#removeOthers(name, target);
    return true;
  }

  /** Removes what is of no peering any more. */
  async retain(names: ReadonlySet<string>): Promise<void> {
    for (const entry of await readdir(this.#folder).catch(() => [])) {
      if (entry.startsWith('.') || names.has(entry)) continue;
      const target = await readlink(join(this.#folder, entry)).catch(() => undefined);
      await rm(join(this.#folder, entry), { force: true, recursive: true });
      if (target !== undefined) await rm(join(this.#folder, target), { force: true, recursive: true });
      this.#written.delete(entry);
    }
  }

  async #removeOthers(name: string, kept: string): Promise<void> {
    for (const entry of await readdir(this.#folder)) {
      if (entry === kept || !entry.startsWith(`.${name}.`) || entry.length !== kept.length) continue;
      await rm(join(this.#folder, entry), { recursive: true, force: true });
    }
  }
}
