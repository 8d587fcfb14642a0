import { spawn } from 'node:child_process';

import { LabError } from './lab-error.ts';

/** A lock that is held until it is released or its holder's process ends, however it ends. */
export interface FolderLock {
  release(): void;
}

/**
 * Takes the lock of a file, waiting for whoever has it.
 * flock(1) holds it for as long as the pipe to this process is open, so a killed holder leaves no stale lock.
 */
export function takeLock(file: string, signal: AbortSignal): Promise<FolderLock> {
  return new Promise((resolve, reject) => {
    const holder = spawn('flock', ['--exclusive', file, 'sh', '-c', 'echo held; exec cat > /dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    });
    const abandon = () => holder.kill('SIGKILL');
    signal.addEventListener('abort', abandon, { once: true });
    holder.on('error', (error) => reject(new LabError(`flock cannot run (${error.message}); install util-linux`)));
    holder.on('exit', () => reject(new LabError(`the lock ${file} was not obtained`)));
    holder.stdout.once('data', () => {
      signal.removeEventListener('abort', abandon);
      resolve({ release: () => holder.stdin.end() });
    });
  });
}
