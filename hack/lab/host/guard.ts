import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';

/**
 * Sees to it that neither a child's process group nor a folder outlives this process, should it die by SIGKILL: a
 * watcher in a session of its own then ends the one and removes the other. A guest's kernel and mmdebstrap both have
 * helper processes that no death signal reaches.
 */
export function guard(child: ChildProcess, folder: string): void {
  // Not "kill -KILL": dash understands a process group behind -s only.
  const script = 'read -r word || { kill -s KILL -- "-$1"; sleep 0.2; rm -rf "$2"; } 2> /dev/null';
  const watcher = spawn('sh', ['-c', script, 'lab-guard', String(child.pid), folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  watcher.unref();
  (watcher.stdin as unknown as Socket).unref();
  watcher.stdin.on('error', () => undefined);
  child.on('exit', () => watcher.stdin.end('over\n'));
}
