import { readFile, stat } from 'node:fs/promises';

import { err, ok, type Result } from '../../result.ts';
import { describeFileError } from './secret-file.ts';

/** The content of a file and who may read it. */
interface BoundedFile {
  readonly content: Buffer;
  readonly mode: number;
}

/** Reads a file that has at most `most` bytes; the error is a sentence that names it. */
export async function readBoundedFile(path: string, most: number): Promise<Result<BoundedFile, string>> {
  try {
    const { size, mode } = await stat(path);
    if (size > most) return err(`${path} has ${size} bytes; at most ${most} are allowed`);
    return ok({ content: await readFile(path), mode });
  } catch (error) {
    return err(`${path} cannot be read: ${describeFileError(error)}`);
  }
}
