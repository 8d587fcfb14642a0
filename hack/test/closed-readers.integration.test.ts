import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, it } from 'vitest';

import { waitUntil } from '../lab/runner/wait-until.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MESH = 'hack/demo/manifests';
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ikemesh-closed-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Starts a program of ours, which finds its output closed by the time it has something to say. */
function start(words: readonly string[], closed: 'stdout' | 'stderr') {
  const child = spawn(process.execPath, words, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  child[closed].destroy();
  let heard = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (heard += String(chunk)));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number, heard }));
  return { child, ended };
}

describe.concurrent('a reader that closes early, such as head', () => {
  it.for([
    ['lab', 'hack/lab/main.ts', '--list'],
    ['e2e', 'e2e/main.ts', 'lifecycle', '--list'],
    ['agent', 'agent/main.ts', 'version'],
    ['the operator', 'operator/main.ts', '--manifests', MESH, '--out'],
    ['kubectl ikemesh', 'operator/cli/main.ts', 'completion', 'bash'],
    ['sim', 'agent/sim/main.ts', '--seeds', '1'],
  ])('is no error of %s', async ([name, ...words], { expect }) => {
    const given = words.at(-1) === '--out' ? [...words, join(folder, 'plan')] : words;
    expect(await start(given, 'stdout').ended, name).toEqual({ code: 0, heard: '' });
  });

  it('does not end the holder of the sockets, without which ESP in UDP is lost', async ({ expect }) => {
    const [socket, starts] = [join(folder, 'holder.sock'), join(folder, 'starts')];
    const agent = ['sh', '-c', `echo >>${starts}; exit 1`];
    const { child, ended } = start(['agent/holder.ts', '--socket', socket, '--', ...agent], 'stderr');
    try {
      // It logs before each start.
      await waitUntil('an agent to be started again', () => isTwice(starts), { timeoutMs: 20_000, intervalMs: 50 });
    } finally {
      child.kill('SIGTERM');
    }
    expect(await ended).toMatchObject({ heard: '' });
  });
});

function isTwice(path: string): boolean {
  return existsSync(path) && readFileSync(path).length >= 2;
}
