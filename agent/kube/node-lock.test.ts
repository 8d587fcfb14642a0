import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { err } from '../result.ts';
import { createLog } from '../runtime/log/logger.ts';
import { StatusServer } from '../runtime/status/status-server.ts';
import { NodeLock } from './node-lock.ts';

let folder = '';
let lines: string[] = [];
const locks: NodeLock[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ikemesh-lock-'));
  lines = [];
});

afterEach(() => {
  for (const lock of locks.splice(0)) lock.release();
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

function nodeLock(at = folder): NodeLock {
  const log = createLog('json', 'info', { write: (line) => void lines.push(line) }, false);
  const lock = new NodeLock(at, () => ({}), log);
  locks.push(lock);
  return lock;
}

function fillDisk() {
  const text = `the status socket ${folder}/agent.sock cannot be made: ENOSPC: no space left on device, mkdtemp`;
  return vi.spyOn(StatusServer, 'listen').mockImplementation(async () => err(text));
}

it('is had by one agent at a time', async () => {
  const [first, second] = [nodeLock(), nodeLock()];
  expect(await first.take()).toBe(true);
  expect(await second.take()).toBe(false);
  expect(second.isStandingBy).toBe(true);
  first.release();
  expect(await second.take()).toBe(true);
  expect(second.isStandingBy).toBe(false);
});

it('is had by one agent at a time also where the disk is full, which is told once', async () => {
  const disk = fillDisk();
  const [first, second] = [nodeLock(), nodeLock()];
  expect(await first.take()).toBe(true);
  expect(await first.take()).toBe(true);
  expect(lines).toEqual([expect.stringMatching(/agent\.sock cannot be made: ENOSPC.*make room on its disk/)]);
  expect(await second.take()).toBe(false);
  expect(second.isStandingBy).toBe(true);
  // Room on the disk makes nobody else's what one agent has.
  disk.mockRestore();
  expect(await second.take()).toBe(false);
  expect(await first.take()).toBe(true);
  first.release();
  expect(await second.take()).toBe(true);
});

it('is not taken from an agent that answers and has locked no folder', async () => {
  const other = await StatusServer.listen(join(folder, 'agent.sock'), () => ({}));
  if (!other.ok) throw new Error(other.error);
  const lock = nodeLock();
  expect(await lock.take()).toBe(false);
  expect(lock.isStandingBy).toBe(true);
  other.value.close();
  expect(await lock.take()).toBe(true);
});

it('names the folder and what to do where it cannot be known who has it', async () => {
  const inTheWay = join(folder, 'state');
  writeFileSync(inTheWay, '');
  const lock = nodeLock(join(inTheWay, 'ikemesh'));
  expect(await lock.take()).toBe(false);
  expect(await lock.take()).toBe(false);
  expect(lock.isStandingBy).toBe(false);
  expect(lock.failure).toMatch(/^the state folder .*\/state\/ikemesh cannot be used.*ENOTDIR.*mounted writable$/);
  expect(lines).toHaveLength(1);
  rmSync(inTheWay);
  mkdirSync(inTheWay);
  expect(await lock.take()).toBe(true);
  expect(lock.failure).toBeUndefined();
});
