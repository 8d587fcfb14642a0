import { readFile, stat } from 'node:fs/promises';

import { SecretBytes } from '../../crypto/secret.ts';
import { err, ok, type Result } from '../../result.ts';
import { MAX_SECRET_BYTES, WEAK_SECRET_BYTES } from './limits.ts';

/** A pre-shared key with what should be changed about it. */
export interface SecretFile {
  readonly secret: SecretBytes;
  readonly warnings: readonly string[];
}

/** Reads a pre-shared key: the file's bytes without one newline at the end. The error is a sentence without the key. */
export async function readSecretFile(path: string): Promise<Result<SecretFile, string>> {
  try {
    const status = await stat(path);
    if (!status.isFile()) return err(`${path} is not a file`);
    if (status.size > MAX_SECRET_BYTES) {
      return err(`${path} has ${status.size} bytes; a pre-shared key has at most ${MAX_SECRET_BYTES}`);
    }
    const content = await readFile(path);
    const bytes = Uint8Array.from(content.subarray(0, lengthWithoutNewline(content)));
    content.fill(0);
    if (bytes.length === 0) return err(`${path} is empty: write the pre-shared key into it`);
    return ok({ secret: new SecretBytes(bytes), warnings: warningsOf(path, status.mode, bytes.length) });
  } catch (error) {
    return err(`${path} cannot be read: ${describeFileError(error)}`);
  }
}

/** A file system's refusal in words. */
export function describeFileError(error: unknown): string {
  const code = (error as { readonly code?: unknown }).code;
  switch (code) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EACCES':
    case 'EPERM':
      return 'this user may not read it';
    case 'EISDIR':
      return 'it is a folder';
    default:
      return typeof code === 'string' ? code : String(error);
  }
}

function warningsOf(path: string, mode: number, length: number): readonly string[] {
  const warnings: string[] = [];
  if ((mode & READABLE_BY_OTHERS) !== 0) warnings.push(`${path} may be read by every user: chmod 600 ${path}`);
  if (length < WEAK_SECRET_BYTES) {
    warnings.push(`${path} has ${length} bytes, which can be guessed: use 32 random ones (openssl rand -base64 32)`);
  }
  return warnings;
}

function lengthWithoutNewline(content: Uint8Array): number {
  let length = content.length;
  if (content[length - 1] === NEWLINE) length -= content[length - 2] === CARRIAGE_RETURN ? 2 : 1;
  return length;
}

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** The bit of a file's mode by which every user may read it. */
export const READABLE_BY_OTHERS = 0o004;
