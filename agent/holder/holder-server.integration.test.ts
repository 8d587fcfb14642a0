import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { closeDescriptor, sendMessage, socketName, waitReadable } from '../native/libc.ts';
import { openUdpSocket } from '../native/udp-socket.ts';
import { connectUnix, receiveUnix, sendUnix, type UnixMessage } from '../native/unix-socket.ts';
import { HolderConnection, type HolderReply } from './holder-connection.ts';
import { MAX_CLIENTS, MAX_SOCKETS } from './limits.ts';
import { decodeAnswer, type HolderRequest } from './messages.ts';
import { HolderProgram, until } from './testing/holder-program.ts';

let folder = '';
let path = '';
let holder: HolderProgram;
/** Descriptors of one that nobody speaks with and that holds nothing. */
let idle = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ikemesh-holder-'));
  path = join(folder, 'run/holder.sock');
  holder = await HolderProgram.at(path);
  idle = holder.descriptors;
});

afterAll(async () => {
  await holder.end();
  rmSync(folder, { recursive: true });
});

function open(): HolderConnection {
  const opened = HolderConnection.open(path);
  if (!opened.ok) throw new Error(opened.error);
  return opened.value;
}

function granted(connection: HolderConnection, request: HolderRequest, socket?: number): HolderReply {
  const replied = connection.request(request, socket);
  if (!replied.ok) throw new Error(replied.error.reason);
  return replied.value;
}

function udpSocket(): number {
  const opened = openUdpSocket({ local: { address: Uint8Array.of(127, 0, 0, 1), port: 0 }, espInUdp: false });
  if (!opened.ok) throw new Error(opened.error.message);
  return opened.value;
}

/** Sends bytes as they are, and reads what comes back. */
function raw(bytes: Uint8Array, control?: Uint8Array): UnixMessage | undefined {
  const client = connectUnix(path);
  if (!client.ok) throw new Error(client.error.message);
  const sent = control === undefined ? sendUnix(client.value, bytes) : sendMessage(client.value, bytes, control);
  expect(sent.ok).toBe(true);
  waitReadable(client.value, 10_000);
  const received = receiveUnix(client.value, new Uint8Array(1_000));
  closeDescriptor(client.value);
  return received.ok ? received.value : undefined;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe('a holder', () => {
  it('keeps a socket when the one who gave it has gone, and gives it to the next', () => {
    const [first, next] = [open(), open()];
    const socket = udpSocket();
    const name = socketName(socket);
    granted(first, { request: 'hold', name: 'one' }, socket);
    first.close();
    closeDescriptor(socket);
    expect(granted(next, { request: 'list' }).names).toEqual(['one']);
    const taken = granted(next, { request: 'take', name: 'one' }).socket ?? -1;
    expect(socketName(taken)).toEqual(name);
    closeDescriptor(taken);
    next.close();
  });

  it('makes its folder, where there is none, so that the user whom it serves can enter it', () => {
    expect(statSync(join(path, '..')).mode & 0o700).toBe(0o700);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('closes what is not to be held any more, and says what it does not have', async () => {
    const connection = open();
    const socket = udpSocket();
    for (const name of ['one', 'two', 'three']) granted(connection, { request: 'hold', name }, socket);
    const before = holder.descriptors;
    granted(connection, { request: 'retain', names: ['two', 'never heard of'] });
    expect(granted(connection, { request: 'list' }).names).toEqual(['two']);
    expect(holder.descriptors).toBe(before - 2);
    expect(connection.request({ request: 'take', name: 'one' })).toEqual({
      ok: false,
      error: { isLost: false, reason: 'one is not held' },
    });
    granted(connection, { request: 'retain', names: [] });
    closeDescriptor(socket);
    connection.close();
    await holder.says('the agent has gone');
  });

  it('holds one socket of a name, the last one', () => {
    const connection = open();
    const [early, late] = [udpSocket(), udpSocket()];
    granted(connection, { request: 'hold', name: 'one' }, early);
    const before = holder.descriptors;
    granted(connection, { request: 'hold', name: 'one' }, late);
    expect(holder.descriptors).toBe(before);
    const taken = granted(connection, { request: 'take', name: 'one' }).socket ?? -1;
    expect(socketName(taken)).toEqual(socketName(late));
    granted(connection, { request: 'retain', names: [] });
    [early, late, taken].forEach(closeDescriptor);
    connection.close();
  });

  it('holds a bounded number of sockets', () => {
    const connection = open();
    const socket = udpSocket();
    for (let count = 0; count < MAX_SOCKETS; count += 1)
      granted(connection, { request: 'hold', name: `s${count}` }, socket);
    const before = holder.descriptors;
    expect(connection.request({ request: 'hold', name: 'one more' }, socket)).toMatchObject({
      ok: false,
      error: { reason: 'too many sockets are held' },
    });
    expect(holder.descriptors).toBe(before);
    granted(connection, { request: 'retain', names: [] });
    closeDescriptor(socket);
    connection.close();
  });

  it.each([
    ['no JSON', text('HELO')],
    ['nothing that is known', text('{"request":"flush"}')],
    ['what has no socket with it', text('{"request":"hold","name":"x"}')],
    ['more than a message may have', new Uint8Array(40_000).fill(0x20)],
  ])('refuses %s, and goes on', async (_what, bytes) => {
    expect(decodeAnswer(raw(bytes)?.bytes ?? new Uint8Array())?.done).toBe(false);
    await until('its connection is closed', () => holder.descriptors === idle);
    const connection = open();
    expect(granted(connection, { request: 'list' }).names).toEqual([]);
    connection.close();
  });

  it('keeps no descriptor that comes with what it refuses', async () => {
    const socket = udpSocket();
    const three = new Uint8Array(Int32Array.of(28, 0, 1, 1, socket, socket, socket).buffer);
    expect(decodeAnswer(raw(text('{"request":"hold","name":"x"}'), three)?.bytes ?? text(''))?.done).toBe(false);
    const one = new Uint8Array(Int32Array.of(20, 0, 1, 1, socket).buffer);
    for (const request of ['{"request":"list"}', '{"request":"take","name":"x"}', 'HELO']) raw(text(request), one);
    await until('all is closed', () => holder.descriptors === idle);
    closeDescriptor(socket);
  });

  it('lets in a bounded number of clients', async () => {
    const clients = Array.from({ length: MAX_CLIENTS }, open);
    for (const each of clients) granted(each, { request: 'list' });
    const tooMany = open();
    expect(tooMany.request({ request: 'list' })).toMatchObject({ ok: false, error: { isLost: true } });
    await holder.says(`there are ${MAX_CLIENTS} already`);
    for (const each of [...clients, tooMany]) each.close();
    await until('they have gone', () => {
      const again = open();
      const replied = again.request({ request: 'list' });
      again.close();
      return replied.ok;
    });
  });

  it('may be asked by its own user and root only', async () => {
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(process.getuid?.(), 'this test takes another user’s place, and must run as root').toBe(0);
    for (const each of [folder, join(folder, 'run'), path]) chmodSync(each, 0o777);
    const module = join(import.meta.dirname, 'holder-connection.ts');
    const program =
      `const { HolderConnection } = await import(${JSON.stringify(module)}); process.setuid(65534);` +
      `const opened = HolderConnection.open(${JSON.stringify(path)});` +
      `process.stdout.write(JSON.stringify(opened.ok ? opened.value.request({ request: 'list' }) : opened));`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
    });
    chmodSync(path, 0o600);
    expect(stdout, stderr).toContain('"isLost":true');
    await holder.says('user 65534 was refused');
  });

  it('takes over what the holder before it has, which may then end', async () => {
    const place = join(folder, 'two.sock');
    const before = await HolderProgram.at(place);
    const first = HolderConnection.open(place);
    if (!first.ok) throw new Error(first.error);
    const socket = udpSocket();
    const name = socketName(socket);
    granted(first.value, { request: 'hold', name: 'one' }, socket);
    closeDescriptor(socket);
    const after = await HolderProgram.at(place);
    expect(after.said).toContain('took over 1 sockets');
    expect(granted(first.value, { request: 'list' }).names).toEqual(['one']);
    first.value.close();
    expect(await before.end('SIGTERM')).toBe(0);
    const next = HolderConnection.open(place);
    if (!next.ok) throw new Error(next.error);
    const taken = granted(next.value, { request: 'take', name: 'one' }).socket ?? -1;
    expect(socketName(taken)).toEqual(name);
    closeDescriptor(taken);
    next.value.close();
    await after.end();
  });

  it('says what is wrong with its arguments and its place', async () => {
    const help = new HolderProgram(['--help']);
    expect([await help.ended(), help.said]).toEqual([0, expect.stringContaining('Usage: holder')]);
    const misspelt = new HolderProgram(['--sokcet', '/x']);
    expect([await misspelt.ended(), misspelt.said]).toEqual([2, expect.stringContaining('--sokcet')]);
    const nowhere = new HolderProgram(['--socket', join(import.meta.filename, 'x.sock')]);
    expect([await nowhere.ended(), nowhere.said]).toEqual([3, expect.stringContaining('cannot be made')]);
    const long = new HolderProgram(['--socket', `/tmp/${'x'.repeat(100)}`]);
    expect([await long.ended(), long.said]).toEqual([3, expect.stringContaining('choose a shorter one')]);
  });
});

describe('a holder with an agent below it', () => {
  const agent = (code: string): readonly string[] => [
    process.execPath,
    '-e',
    `process.on('SIGHUP', () => console.log('read again')); process.on('SIGTERM', () => process.exit(0)); ` +
      `console.log('agent ' + process.pid); setInterval(() => {}, 1e6); ${code}`,
  ];
  const pids = ({ said }: HolderProgram): readonly number[] =>
    [...said.matchAll(/^agent (\d+)$/gm)].map(([, pid]) => Number(pid));

  it('starts one again that was killed, passes on SIGHUP, starts it anew when told, and ends after it', async () => {
    const parent = await HolderProgram.at(join(folder, 'p.sock'), ...agent(''));
    await parent.says('agent ');
    process.kill(pids(parent)[0] ?? 0, 'SIGKILL');
    await until(
      'it runs again',
      () => pids(parent).length === 2,
      () => parent.said,
    );
    parent.signal('SIGHUP');
    await parent.says('read again');
    parent.signal('SIGUSR2');
    await until(
      'it runs anew',
      () => pids(parent).length === 3,
      () => parent.said,
    );
    expect(await parent.end('SIGTERM')).toBe(0);
    for (const pid of pids(parent)) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it.each([0, 2, 3])('ends with it where it has ended by code %i, which says why', async (code) => {
    const parent = new HolderProgram(['--socket', join(folder, 'c.sock'), '--', ...agent(`process.exit(${code})`)]);
    expect(await parent.ended()).toBe(code);
  });

  it('says that it cannot be started', async () => {
    const parent = new HolderProgram(['--socket', join(folder, 'n.sock'), '--', '/no/such/agent']);
    expect([await parent.ended(), parent.said]).toEqual([
      127,
      expect.stringContaining('/no/such/agent cannot be started'),
    ]);
  });
});
