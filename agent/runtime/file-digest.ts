import { hash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';

/**
 * Makes a function that names the content of a file by its SHA-256, or by the error where it cannot be read. A file whose
 * inode, size and times are those of the last look is not read again: whatever changes the content changes one of them.
 */
export function fileDigests(mostBytes: number): (file: string) => Promise<string> {
  const known = new Map<string, { readonly status: string; readonly digest: string }>();
  return async (file) => {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
      const status = [dev, ino, size, mtimeNs, ctimeNs].join();
      const last = known.get(file);
      if (last?.status === status) return last.digest;
      const digest = size > BigInt(mostBytes) ? `${size} bytes` : hash('sha256', await readFile(file));
      known.set(file, { status, digest });
      return digest;
    } catch (error) {
      known.delete(file);
      return String((error as { readonly code?: unknown }).code ?? error);
    }
  };
}
