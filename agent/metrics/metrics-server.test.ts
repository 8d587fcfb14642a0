import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { request as requestByTls } from 'node:https';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';

import { Authority } from '../../hack/cluster/control-plane/authority.ts';
import type { ScrapeVerdict } from '../../operator/api/scrape-gate.ts';
import { createLog } from '../runtime/log/logger.ts';
import { TestWorld } from '../runtime/testing/agents.ts';
import { MetricsServer, type MetricsServerParts } from './metrics-server.ts';

const HOST = '127.0.0.1';
let server: MetricsServer | undefined;
let other: Server | undefined;
const lines: { readonly msg: string; readonly text?: string }[] = [];

afterEach(() => {
  server?.close();
  other?.close();
  lines.length = 0;
});

/** A server of metrics at a port, in virtual time; answers how often it was made to say something. */
function serve(world: TestWorld, port = 0, expose = async () => ({ contentType: 'text/plain', text: 'x 1\n' })) {
  const asked = { times: 0 };
  server = new MetricsServer({
    listen: { address: HOST, port },
    expose: () => {
      asked.times += 1;
      return expose();
    },
    timers: world.timers,
    log: createLog('json', 'info', { write: (line) => void lines.push(JSON.parse(line)) }, false),
  });
  return asked;
}

/** The same with a page, and where there is a `judge` with authentication. */
async function servePage(more: Partial<MetricsServerParts> = {}): Promise<void> {
  server = new MetricsServer({
    listen: { address: HOST, port: 0 },
    expose: async () => ({ contentType: 'text/plain', text: 'x 1\n' }),
    page: (url) => ({ status: 200, headers: { 'x-page': 'yes' }, body: url }),
    timers: new TestWorld().timers,
    log: createLog('json', 'info', { write: (line) => void lines.push(JSON.parse(line)) }, false),
    ...more,
  });
  await logged('metrics are served');
}

/** `fetch` writes the header Host itself. */
function ask(path: string, headers: Readonly<Record<string, string>>): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: HOST, port: server?.port, path, headers, agent: false }, (answer) => {
      let text = '';
      answer.on('data', (piece: Buffer) => {
        text += piece.toString();
      });
      answer.on('end', () =>
        resolve({ status: answer.statusCode, text, challenge: answer.headers['www-authenticate'] }),
      );
    });
    sent.on('error', reject);
    sent.end();
  });
}

interface Asked {
  readonly status: number | undefined;
  readonly text: string;
  readonly challenge: string | undefined;
}

async function logged(msg: string): Promise<void> {
  for (let turn = 0; turn < 100_000 && !lines.some((line) => line.msg === msg); turn += 1) await setImmediate();
  expect(lines.map((line) => line.msg)).toContain(msg);
}

async function get(path: string, method = 'GET'): Promise<readonly [number, string]> {
  const response = await fetch(`http://${HOST}:${server?.port}${path}`, { method });
  return [response.status, await response.text()];
}

/** Something else that has a port. */
async function takePort(): Promise<number> {
  other = createServer().listen(0, HOST);
  await once(other, 'listening');
  const address = other.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

describe('the server of metrics', () => {
  it('answers GET /metrics, and nothing else', async () => {
    serve(new TestWorld());
    await logged('metrics are served');
    expect(await get('/metrics')).toEqual([200, 'x 1\n']);
    expect(await get('/metrics?name=x')).toEqual([200, 'x 1\n']);
    for (const path of ['/', '/status', '/metrics/', '/debug/pprof']) expect((await get(path))[0], path).toBe(404);
    expect((await get('/metrics', 'POST'))[0]).toBe(405);
  });

  it('waits for the port of the agent before this one, and serves as soon as it is free', async () => {
    const world = new TestWorld();
    const port = await takePort();
    serve(world, port);
    await logged('no metrics are served yet');
    expect(lines.find((line) => line.msg === 'no metrics are served yet')?.text).toContain(`TCP port ${port} is taken`);
    world.pass(1_000);
    other?.close();
    for (let turn = 0; turn < 1_000 && server?.port === undefined; turn += 1) {
      world.pass(1_000);
      await setImmediate();
    }
    expect(await get('/metrics')).toEqual([200, 'x 1\n']);
    // Once, however often it was tried.
    expect(lines.filter((line) => line.msg === 'no metrics are served yet')).toHaveLength(1);
  });

  it('answers whoever asks within a second with the same, so that nobody keeps the agent busy', async () => {
    const world = new TestWorld();
    const asked = serve(world);
    await logged('metrics are served');
    await Promise.all(Array.from({ length: 10 }, () => get('/metrics')));
    expect(asked.times).toBe(1);
    world.pass(1_000);
    await get('/metrics');
    expect(asked.times).toBe(2);
  });

  it('has no more than 16 connections at a time', async () => {
    serve(new TestWorld());
    await logged('metrics are served');
    const sockets = Array.from({ length: 17 }, () => connect(server?.port ?? 0, HOST));
    for (const socket of sockets) socket.on('error', () => {});
    await Promise.race(sockets.map((socket) => once(socket, 'close')));
    expect(sockets.filter((socket) => !socket.destroyed).length).toBe(16);
    for (const socket of sockets) socket.destroy();
  });

  it('says that it cannot tell, and goes on, where making them fails', async () => {
    serve(new TestWorld(), 0, async () => Promise.reject(new Error('a bug')));
    await logged('metrics are served');
    expect((await get('/metrics'))[0]).toBe(500);
    expect((await get('/other'))[0]).toBe(404);
  });

  it('stops when it is closed while it waits for its port', async () => {
    const world = new TestWorld();
    serve(world, await takePort());
    await logged('no metrics are served yet');
    server?.close();
    other?.close();
    world.pass(10_000);
    for (let turn = 0; turn < 1_000; turn += 1) await setImmediate();
    expect(server?.port).toBeUndefined();
  });
});

describe('the status page beside the metrics', () => {
  it('is there only where it is wanted', async () => {
    await servePage();
    expect(await get('/status/x.json?name=b')).toEqual([200, '/status/x.json?name=b']);
    expect(await get('/metrics')).toEqual([200, 'x 1\n']);
    expect((await get('/statuses'))[0]).toBe(404);
    expect((await get('/status/', 'POST'))[0]).toBe(405);
  });

  it('is for those only whom RBAC lets get /status, by the password of a browser or a bearer token', async () => {
    const judged: (readonly [string | undefined, string])[] = [];
    const judge = async (header: string | undefined, path: string): Promise<ScrapeVerdict> => {
      judged.push([header, path]);
      if (header === 'Bearer good') return 'allowed';
      return header === 'Bearer other' ? 'forbidden' : 'unauthenticated';
    };
    await servePage({ judge });
    const basic = (password: string) => ({ authorization: `Basic ${btoa(`me:${password}`)}` });
    for (const path of [
      '/status',
      '/status/',
      '/status/page.js',
      '/status/overview.json',
      '/status/peer.json?name=b',
    ]) {
      expect(await ask(path, {}), path).toMatchObject({
        status: 401,
        challenge: expect.stringMatching(/^Basic realm=/),
      });
      expect(await ask(path, basic('other')), path).toMatchObject({
        status: 403,
        text: expect.stringMatching(/may not get [/]status/),
      });
      expect(await ask(path, basic('good')), path).toMatchObject({ status: 200, text: path });
    }
    expect(await ask('/status/', { authorization: 'Bearer good' })).toMatchObject({ status: 200 });
    expect(await ask('/status/', { authorization: 'Basic !' })).toMatchObject({ status: 401 });
    expect(new Set(judged.map(([, path]) => path))).toEqual(new Set(['/status']));
    expect(await ask('/metrics', {})).toMatchObject({ status: 401, challenge: 'Bearer' });
  });

  it('is told to no page of somebody else whose name leads here', async () => {
    await servePage();
    for (const host of ['10.0.0.1:9917', '[fd00::1]:9917', '127.0.0.1', 'localhost:1'])
      expect((await ask('/status/', { host })).status, host).toBe(200);
    for (const host of ['attacker.test:9917', '10.0.0.1.attacker.test', 'localhost.attacker.test', 'x'])
      expect((await ask('/status/', { host })).status, host).toBe(403);
    expect((await ask('/metrics', { host: 'node-a.test' })).status).toBe(200);
  });

  it('is told by any name where a certificate says whose name that is', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'page-'));
    const { certificate, key } = Authority.create('page CA').server('node-a.test', ['node-a.test']);
    writeFileSync(join(folder, 'tls.crt'), certificate);
    writeFileSync(join(folder, 'tls.key'), key);
    await servePage({ tlsFolder: folder });
    rmSync(folder, { recursive: true });
    const answer = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { host: 'node-a.test:9917' };
      // Which authority it is of is not in question here.
      const where = { host: HOST, port: server?.port, path: '/status/', rejectUnauthorized: false, agent: false };
      const sent = requestByTls({ ...where, headers }, (response) => resolve(response.resume().statusCode));
      sent.on('error', reject).end();
    });
    expect(answer).toBe(200);
  });

  it('leaves connections to Prometheus: more than 8 at a time are sent away', async () => {
    let decide: (verdict: ScrapeVerdict) => void = () => {};
    const verdict = new Promise<ScrapeVerdict>((resolve) => {
      decide = resolve;
    });
    await servePage({ judge: (_, path) => (path === '/status' ? verdict : Promise.resolve('allowed')) });
    const asked = Array.from({ length: 9 }, () => ask('/status/', {}));
    expect((await Promise.race(asked)).status).toBe(503);
    expect((await ask('/metrics', {})).status).toBe(200);
    decide('allowed');
    const all = await Promise.all(asked);
    expect(all.filter(({ status }) => status === 200)).toHaveLength(8);
    expect((await ask('/status/', {})).status).toBe(200);
  });
});
