import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { PortTakenError } from '../network/port-taken-error.ts';
import { Component } from './component.ts';
import { freePorts } from './free-ports.ts';

describe('a component', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'component-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const shell = async (script: string): Promise<Component> => {
    const [port] = await freePorts(1, '127.0.0.1');
    return new Component({
      name: 'server',
      command: [process.execPath],
      flags: ['-e', script, String(port)],
      logFile: join(folder, 'server.log'),
      folder,
      ready: { url: `http://127.0.0.1:${port}/readyz` },
      say: () => undefined,
    });
  };
  const serving = "require('node:http').createServer((_, a) => a.end()).listen(process.argv[1], '127.0.0.1')";
  const { signal } = new AbortController();

  it('is waited for until it is ready, ends when told, and starts again', async () => {
    const component = await shell(serving);
    await component.start(signal);
    const first = component.pid;
    await component.stop();
    expect(component.pid).toBeUndefined();
    await component.start(signal);
    expect(component.pid).not.toBe(first);
    await component.kill();
    expect(existsSync(folder)).toBe(true);
  });

  it('that ends before it is ready shows the end of its log', async () => {
    const component = await shell("console.error('no such flag'); process.exit(3)");
    await expect(component.start(signal)).rejects.toThrow(/server ended .*exit code 3.*\nno such flag/s);
  });

  it('whose port was taken meanwhile says so, for others to be tried', async () => {
    const component = await shell("console.error('listen tcp: bind: address already in use'); process.exit(1)");
    await expect(component.start(signal)).rejects.toThrow(PortTakenError);
  });

  it('that cannot be started at all says why', async () => {
    const component = new Component({
      name: 'server',
      command: [join(folder, 'missing')],
      flags: [],
      logFile: join(folder, 'server.log'),
      folder,
      ready: { url: 'http://127.0.0.1:1/readyz' },
      say: () => undefined,
    });
    await expect(component.start(signal)).rejects.toThrow(/ENOENT/);
    expect(readFileSync(join(folder, 'server.log'), 'utf8')).toBe('');
  });

  it('ends when its start is given up', async () => {
    const component = await shell('setInterval(() => {}, 1000)');
    const over = new AbortController();
    const start = component.start(over.signal);
    over.abort();
    await expect(start).rejects.toThrow(/abort/i);
    await component.kill();
    expect(component.pid).toBeUndefined();
  });
});
