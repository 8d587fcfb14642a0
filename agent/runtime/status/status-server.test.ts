import { once } from 'node:events';
import { existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { fetchReadiness } from './readiness-client.ts';
import { fetchStatus } from './status-client.ts';
import { StatusServer } from './status-server.ts';

let folder = '';
let path = '';
const servers: StatusServer[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ikemesh-status-'));
  path = join(folder, 'deeper', 'agent.sock');
});

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  rmSync(folder, { recursive: true });
});

async function listen(report: () => unknown = () => ({ node: 'node-a' })) {
  const listening = await StatusServer.listen(path, report);
  if (listening.ok) servers.push(listening.value);
  return listening;
}

describe('the status socket', () => {
  it('answers with the report of that moment', async () => {
    let asked = 0;
    await listen(() => {
      asked += 1;
      return { asked };
    });
    expect(await fetchStatus(path)).toEqual({ ok: true, value: { asked: 1 } });
    expect(await fetchStatus(path)).toEqual({ ok: true, value: { asked: 2 } });
  });

  it('may be opened by its owner only', async () => {
    await listen();
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it.skipIf(!existsSync('/dev/shm'))('lies in the uppermost folder of a file system too', async () => {
    path = join('/dev/shm', `${basename(folder)}.sock`);
    expect((await listen()).ok).toBe(true);
  });

  it('says that no agent is running where nobody made it', async () => {
    const fetched = await fetchStatus(path);
    expect(fetched).toEqual({
      ok: false,
      error: `no agent is running here (nobody answers at ${path}): start one, or name its --socket`,
    });
  });

  it('refuses a second agent, whose predecessor goes on', async () => {
    await listen();
    expect(await StatusServer.listen(path, () => ({}))).toEqual({
      ok: false,
      error: `another agent answers at ${path}: stop it, or choose another --socket`,
    });
    expect((await fetchStatus(path)).ok).toBe(true);
  });

  it('takes the place of a socket that a killed agent left', async () => {
    expect((await listen()).ok).toBe(true);
    servers.splice(0)[0]?.close();
    const dead = createServer();
    dead.listen(join(folder, 'first'));
    await once(dead, 'listening');
    // Under another name the file outlives its server, as it outlives a process that was killed.
    renameSync(join(folder, 'first'), path);
    dead.close();
    expect((await fetchStatus(path)).ok).toBe(false);
    expect((await listen()).ok).toBe(true);
    expect((await fetchStatus(path)).ok).toBe(true);
  });

  it('leaves a file alone that is no socket', async () => {
    path = join(folder, 'file');
    writeFileSync(path, 'precious');
    expect(await listen()).toEqual({
      ok: false,
      error: `the status socket ${path} cannot be made: there is a file that is no socket`,
    });
    expect(statSync(path).size).toBe(8);
  });

  it('refuses a path that the kernel would cut off', async () => {
    path = join(folder, 'x'.repeat(120));
    expect(await listen()).toMatchObject({ ok: false, error: expect.stringContaining('more than 107 bytes') });
  });

  it('is gone after the agent has ended', async () => {
    await listen();
    servers.splice(0)[0]?.close();
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });

  it('says whether the pod is ready without the report, which would dump the kernel every ten seconds', async () => {
    const report = () => {
      throw new Error('must not be asked');
    };
    const listening = await StatusServer.listen(path, report, () => ({ ready: true, text: 'at work' }));
    if (listening.ok) servers.push(listening.value);
    expect(await fetchReadiness(path)).toEqual({ ok: true, value: { ready: true, text: 'at work' } });
  });

  it('answers nothing but a request for the status', async () => {
    await listen(() => {
      throw new Error('must not be asked');
    });
    for (const [method, url] of [
      ['GET', '/'],
      ['POST', '/status'],
      ['GET', '/ready'],
      ['GET', '/toString'],
      ['GET', '/status/../../etc/passwd'],
    ]) {
      const call = request({ socketPath: path, path: url, method });
      call.end();
      const [response] = (await once(call, 'response')) as [{ statusCode: number; resume(): void }];
      response.resume();
      expect(response.statusCode).toBe(404);
    }
  });

  it('survives garbage and hangs up on it', async () => {
    await listen();
    const socket = connect(path);
    socket.on('error', () => {}).resume();
    socket.end(Uint8Array.from({ length: 9_000 }, (_, index) => index & 0xff));
    await once(socket, 'close');
    expect((await fetchStatus(path)).ok).toBe(true);
  });
});
