import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Third-party vectors beside the repository; nothing of them is committed. */
const folder = new URL('../../../../shared/vectors/', import.meta.url);

/** Why tests that need `path` are skipped, to stand in their title; undefined where the file is there. */
export function missing(path: string): string | undefined {
  return existsSync(new URL(path, folder)) ? undefined : `../shared/vectors/${path} is missing`;
}

/** The parsed JSON of a file; `T` is what the test takes it to be. */
export function sharedJson<T>(path: string): T {
  return JSON.parse(readFileSync(new URL(path, folder), 'utf8')) as T;
}

/**
 * The text of an xz file, undefined where nothing here can unpack it. Containers often lack `xz`, but every Debian has
 * dpkg-deb, which unpacks the data member of a package whatever is in it.
 */
export function sharedXzText(path: string): string | undefined {
  const file = new URL(path, folder);
  return unpack('xz', ['-dc', file.pathname]) ?? unpackAsPackage(readFileSync(file));
}

function unpackAsPackage(compressed: Uint8Array): string | undefined {
  const scratch = mkdtempSync(join(tmpdir(), 'vectors-'));
  try {
    const file = join(scratch, 'vectors.deb');
    const members = [
      member('debian-binary', Buffer.from('2.0\n')),
      member('control.tar', Buffer.alloc(0)),
      member('data.tar.xz', compressed),
    ];
    writeFileSync(file, Buffer.concat([Buffer.from('!<arch>\n'), ...members]));
    return unpack('dpkg-deb', ['--fsys-tarfile', file]);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** A member of an ar archive: name, date, owner, group, mode, size, padded to an even length. */
function member(name: string, content: Uint8Array): Uint8Array {
  const size = String(content.length).padEnd(10);
  const header = `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${size}\`\n`;
  return Buffer.concat([Buffer.from(header), content, Buffer.from(content.length % 2 === 1 ? '\n' : '')]);
}

function unpack(command: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync(command, args, {
      encoding: 'utf8',
      maxBuffer: 64 * 2 ** 20,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    return undefined;
  }
}
