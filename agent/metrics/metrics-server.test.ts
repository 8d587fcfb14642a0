import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';

import { createLog } from '../runtime/log/logger.ts';
import { TestWorld } from '../runtime/testing/agents.ts';
import { MetricsServer } from './metrics-server.ts';

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
