import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';

import { type Ended, runProgram } from '../control-plane/run-program.ts';
import { sessionFile } from './session.ts';

const name = `test-${process.pid}`;
const main = join(import.meta.dirname, '../main.ts');
const upWords = ['up', '--control-plane-only', '--no-cert-manager', '--name', name];

function cluster(...words: readonly string[]): Promise<Ended> {
  return runProgram(process.execPath, [main, ...words]);
}

/** Processes whose command line names something in a folder of the keeper, and such folders. */
function leftOf(keeper: number): readonly string[] {
  const mark = `ikemesh-control-plane-${keeper}-`;
  const processes = readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(mark);
    } catch {
      return false;
    }
  });
  return [...processes, ...readdirSync(tmpdir()).filter((folder) => folder.startsWith(mark))];
}

describe('npm run cluster', () => {
  afterAll(() => cluster('down', '--name', name));

  it('up leaves a cluster that kubectl reaches and users are made for, until down leaves nothing', async () => {
    const begun = await cluster(...upWords);
    expect([begun.code, begun.stderr]).toEqual([0, expect.stringMatching(/ready after/)]);
    const { keeper } = JSON.parse(readFileSync(sessionFile(name), 'utf8')) as { readonly keeper: number };
    expect((await cluster(...upWords)).stderr).toMatch(/it is up already/);

    const bob = (await cluster('user', 'bob', '--group', 'dev', '--name', name)).stdout.trim();
    const asked = await cluster('kubectl', '--name', name, 'auth', 'whoami', `--kubeconfig=${bob}`, '-o', 'json');
    expect(JSON.parse(asked.stdout)).toMatchObject({
      status: { userInfo: { username: 'bob', groups: ['dev', 'system:authenticated'] } },
    });
    const refused = await cluster('kubectl', '--name', name, 'get', 'nodes', `--kubeconfig=${bob}`);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/User "bob" cannot list/)]);

    expect(leftOf(keeper).length).toBeGreaterThan(4);
    expect((await cluster('down', '--name', name)).code).toBe(0);
    expect(leftOf(keeper)).toEqual([]);
    expect(existsSync(sessionFile(name))).toBe(false);
    expect((await cluster('kubectl', '--name', name, 'get', 'nodes')).stderr).toMatch(/none is up/);
  });

  it('up that is killed while it starts leaves nothing', async () => {
    const child = spawn(process.execPath, [main, ...upWords], { stdio: 'ignore' });
    const keeper = await eventually('the keeper makes its folder', () =>
      readdirSync('/proc').find(
        (pid) => /^\d+$/.test(pid) && parentOf(pid) === child.pid && leftOf(Number(pid)).length > 1,
      ),
    );
    child.kill('SIGKILL');
    await eventually('everything has ended', () => leftOf(Number(keeper)).length === 0 || undefined);
    expect(existsSync(sessionFile(name))).toBe(false);
  });

  it('a keeper that is killed takes everything with it', async () => {
    expect((await cluster(...upWords)).code).toBe(0);
    const { keeper } = JSON.parse(readFileSync(sessionFile(name), 'utf8')) as { readonly keeper: number };
    process.kill(keeper, 'SIGKILL');
    await eventually('everything has ended', () => leftOf(keeper).length === 0 || undefined);
    expect((await cluster('down', '--name', name)).stderr).toMatch(/none is up/);
  });
});

function parentOf(pid: string): number | undefined {
  try {
    return Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return undefined;
  }
}

/** Real processes end in real time. */
async function eventually<T>(what: string, probe: () => T | undefined): Promise<T> {
  const until = performance.now() + 30_000;
  for (;;) {
    const found = probe();
    if (found !== undefined) return found;
    if (performance.now() > until) throw new Error(`waited in vain until ${what}`);
    await delay(20);
  }
}
