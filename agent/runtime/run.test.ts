import { EventEmitter, once } from 'node:events';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { opensslProvider } from '../crypto/openssl/openssl-provider.ts';
import { MemoryDataplane } from '../dataplane/memory.ts';
import { ip, ManualClock } from '../dataplane/testing/builders.ts';
import { err, ok } from '../result.ts';
import { createLog } from './log/logger.ts';
import { type RunOptions, run } from './run.ts';
import { fetchStatus } from './status/status-client.ts';
import { TestWorld } from './testing/agents.ts';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ikemesh-run-'));
  writeFileSync(join(folder, 'psk'), 'correct horse battery staple', { mode: 0o600 });
});

afterEach(() => rmSync(folder, { recursive: true }));

/** A program whose surroundings are a folder and a fake kernel. */
class Program {
  readonly signals = new EventEmitter();
  readonly lines: { readonly level: string; readonly msg: string; readonly text?: string }[] = [];
  readonly kernel = new MemoryDataplane({ clock: new ManualClock() });
  readonly options: RunOptions;

  constructor(more: Partial<RunOptions> = {}) {
    this.options = {
      config: join(folder, 'node.yaml'),
      socket: join(folder, 'agent.sock'),
      flushOnExit: false,
      provider: opensslProvider,
      log: createLog('json', 'info', { write: (line) => void this.lines.push(JSON.parse(line)) }, false),
      openDataplane: () => ok(this.kernel),
      createTransport: () => new TestWorld().transport(),
      signals: this.signals,
      ...more,
    };
  }

  /** Waits until the log has this message `count` times. */
  async logged(msg: string, count = 1): Promise<void> {
    for (let turn = 0; turn < 100_000; turn += 1) {
      if (this.lines.filter((line) => line.msg === msg).length >= count) return;
      await setImmediate();
    }
    throw new Error(`not logged: ${msg}; but ${JSON.stringify(this.lines)}`);
  }

  installed() {
    const dumped = this.kernel.dump();
    if (!dumped.ok) throw new Error(dumped.error.message);
    return dumped.value;
  }

  async peers(): Promise<readonly string[]> {
    const status = await fetchStatus(this.options.socket);
    if (!status.ok) throw new Error(status.error);
    return status.value.peers.map((peer) => peer.name);
  }
}

function configure(...peers: readonly string[]): void {
  const list = peers.map(
    (name, index) =>
      `- {name: ${name}, address: 10.78.0.${index + 2}, identity: {fqdn: ${name}.test}, authentication: {preSharedKey: {file: psk}}}\n`,
  );
  const node = 'node: {name: node-a, identity: {fqdn: node-a.test}, addresses: [10.78.0.1]}\n';
  writeFileSync(join(folder, 'node.yaml'), `${node}peers:\n${list.join('')}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe('the running program', () => {
  it('answers for its status until a signal ends it, and leaves the kernel as it is', async () => {
    configure('node-b');
    const program = new Program();
    const ended = run(program.options);
    await program.logged('agent started');
    expect(await program.peers()).toEqual(['node-b']);
    const before = program.installed();
    program.signals.emit('SIGTERM');
    expect(await ended).toEqual(ok(undefined));
    expect(program.installed()).toEqual(before);
    expect(before.policies.length).toBeGreaterThan(2);
    expect(existsSync(program.options.socket)).toBe(false);
  });

  it('serves metrics from the start to the end, where the file says so', async () => {
    const port = await freePort();
    configure('node-b');
    appendFileSync(join(folder, 'node.yaml'), `metrics: {listen: "127.0.0.1:${port}"}\n`);
    const program = new Program();
    const ended = run(program.options);
    await program.logged('metrics are served');
    await program.logged('agent started');
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(text).toContain('ikemesh_up 1\n');
    expect(text).toContain('ikemesh_peer_state{peer="node-b"} 1\n');
    // Told by the core: the observers hear of it.
    expect(text).toContain('ikemesh_retransmissions_total 0\n');
    program.signals.emit('SIGTERM');
    await ended;
    await expect(fetch(`http://127.0.0.1:${port}/metrics`)).rejects.toThrow('fetch failed');
  });

  it('removes what is its own at the end where that was asked for', async () => {
    configure('node-b');
    const program = new Program({ flushOnExit: true });
    const ended = run(program.options);
    await program.logged('agent started');
    program.signals.emit('SIGINT');
    await ended;
    expect(program.installed()).toEqual({ sas: [], policies: [] });
  });

  it('runs without a peer whose name does not resolve, asks again, and has it as soon as it does', async () => {
    configure('node-b', 'gateway');
    const path = join(folder, 'node.yaml');
    writeFileSync(path, readFileSync(path, 'utf8').replace('10.78.0.3', 'gw.example.com'));
    let resolves = false;
    const program = new Program({
      resolveHost: async (host) => (resolves ? ok([ip('10.78.0.3')]) : err(`${host} does not resolve (EAI_AGAIN)`)),
    });
    const ended = run(program.options);
    await program.logged('agent started');
    expect(program.lines.filter(({ level }) => level === 'warn')).toMatchObject([
      { peer: 'gateway', text: expect.stringMatching(/^gw\.example\.com does not resolve .* in plaintext$/) },
    ]);
    const blocked = (address: string) =>
      program
        .installed()
        .policies.some(
          ({ direction, selector, template }) =>
            direction === 'out' && selector.destination.address === address && template?.level === 'required',
        );
    expect([blocked('10.78.0.2'), blocked('10.78.0.3')]).toEqual([true, false]);
    resolves = true;
    await vi.waitFor(() => expect(blocked('10.78.0.3')).toBe(true), 5_000);
    expect(program.lines.map(({ msg }) => msg)).toContain('names of peers have come to resolve');
    program.signals.emit('SIGHUP');
    await program.logged('nothing has changed');
    program.signals.emit('SIGTERM');
    await ended;
    expect(program.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  it('takes nothing from the kernel at a start while a name does not resolve: what is there may be of that peer', async () => {
    configure('node-b', 'gateway');
    const path = join(folder, 'node.yaml');
    const children = 'children: [{name: all, mode: Transport, selectors: [{remote: 10.78.0.3}]}]';
    const named = readFileSync(path, 'utf8').replace('10.78.0.3', 'gw.example.com');
    writeFileSync(path, named.replace('identity: {fqdn: gateway', `${children}, identity: {fqdn: gateway`));
    const first = new Program({ resolveHost: async () => ok([ip('10.78.0.3')]) });
    for (const program of [
      first,
      new Program({ openDataplane: () => ok(first.kernel), resolveHost: async (host) => err(`${host}: no`) }),
    ]) {
      const ended = run(program.options);
      await program.logged('agent started');
      program.signals.emit('SIGTERM');
      await ended;
      const ofGateway = first
        .installed()
        .policies.filter(
          ({ selector, template }) => selector.destination.address === '10.78.0.3' && template?.level === 'required',
        );
      expect(ofGateway).toHaveLength(1);
    }
  });

  it('leaves a peer as it is that is given a name which does not resolve, until that does', async () => {
    configure('node-b', 'gateway');
    let resolves = false;
    const program = new Program({
      resolveHost: async (host) => (resolves ? ok([ip('10.78.0.9')]) : err(`${host} does not resolve (EAI_AGAIN)`)),
    });
    const ended = run(program.options);
    await program.logged('agent started');
    const before = program.installed().policies;
    const path = join(folder, 'node.yaml');
    writeFileSync(path, readFileSync(path, 'utf8').replace('10.78.0.3', 'gw.example.com'));
    program.signals.emit('SIGHUP');
    await program.logged('configuration not applied; the agent goes on with the one it has, and tries again');
    expect(program.lines.at(-1)?.text).toMatch(
      /node\.yaml:4:\d+: peers\[1\]\.address: gw\.example\.com does not resolve/,
    );
    expect(program.installed().policies).toEqual(before);
    resolves = true;
    const isReached = () =>
      program.installed().policies.some(({ selector }) => selector.destination.address === '10.78.0.9');
    await vi.waitFor(() => expect(isReached()).toBe(true), 5_000);
    program.signals.emit('SIGTERM');
    await ended;
  });

  it('keeps the address of a name that does not resolve any more, and says so once', async () => {
    configure('node-b', 'gateway');
    const path = join(folder, 'node.yaml');
    writeFileSync(path, readFileSync(path, 'utf8').replace('10.78.0.3', 'gw.example.com'));
    let resolves = true;
    const program = new Program({
      resolveHost: async (host) => (resolves ? ok([ip('10.78.0.9')]) : err(`${host} did not resolve within 5 s`)),
    });
    const ended = run(program.options);
    await program.logged('agent started');
    const before = program.installed().policies;
    resolves = false;
    for (const count of [1, 2]) {
      program.signals.emit('SIGHUP');
      await program.logged('nothing has changed', count);
    }
    expect(program.installed().policies).toEqual(before);
    expect(program.lines.filter(({ level }) => level === 'warn').map(({ text }) => text)).toEqual([
      'gw.example.com did not resolve within 5 s; it is asked for when the file is read again',
    ]);
    program.signals.emit('SIGTERM');
    await ended;
  });

  it('reads the file again when it is told to', async () => {
    configure('node-b');
    const program = new Program();
    const ended = run(program.options);
    await program.logged('agent started');
    configure('node-b', 'node-c');
    program.signals.emit('SIGHUP');
    await program.logged('configuration applied');
    expect(await program.peers()).toEqual(['node-b', 'node-c']);
    program.signals.emit('SIGTERM');
    await ended;
  });

  it('goes on with what it has when the new file is faulty, and tells every fault', async () => {
    configure('node-b');
    const program = new Program();
    const ended = run(program.options);
    await program.logged('agent started');
    const before = program.installed();
    configure('node-b', 'bad_', 'node-b');
    program.signals.emit('SIGHUP');
    await program.logged('configuration not applied; the agent goes on with the one it has');
    const faults = program.lines.filter((line) => line.msg === 'fault in the configuration');
    expect(faults.map((line) => line.text?.replace(`${folder}/`, ''))).toEqual([
      expect.stringMatching(/^node\.yaml:4:10: peers\[1\]\.name: "bad_" is no name/),
      expect.stringMatching(/^node\.yaml:5:10: peers\[2\]\.name: "node-b" is taken by peers\[0\]$/),
    ]);
    expect(await program.peers()).toEqual(['node-b']);
    expect(program.installed()).toEqual(before);
    program.signals.emit('SIGTERM');
    await ended;
  });

  it('reads the file once more for many requests that come at once', async () => {
    configure('node-b');
    const program = new Program();
    const ended = run(program.options);
    await program.logged('agent started');
    for (let count = 0; count < 50; count += 1) program.signals.emit('SIGHUP');
    await program.logged('nothing has changed', 2);
    program.signals.emit('SIGTERM');
    await ended;
    expect(program.lines.filter((line) => line.msg === 'nothing has changed')).toHaveLength(2);
  });

  it('refuses a faulty file with exit code 2 before it touches anything', async () => {
    configure('bad name');
    const opened: string[] = [];
    const program = new Program({
      openDataplane: () => {
        opened.push('dataplane');
        return err('must not be opened');
      },
    });
    expect(await run(program.options)).toMatchObject({ ok: false, error: { exitCode: 2 } });
    expect(opened).toEqual([]);
    expect(existsSync(program.options.socket)).toBe(false);
  });

  it('passes on why the kernel does not let it, with exit code 3', async () => {
    configure('node-b');
    const program = new Program({ openDataplane: () => err('this kernel lacks ESP: load esp4') });
    expect(await run(program.options)).toEqual({
      ok: false,
      error: { kind: 'startFailure', exitCode: 3, text: 'this kernel lacks ESP: load esp4' },
    });
    expect(existsSync(program.options.socket)).toBe(false);
  });

  it('refuses to start beside another agent', async () => {
    configure('node-b');
    const program = new Program();
    const ended = run(program.options);
    await program.logged('agent started');
    const second = await run(new Program().options);
    expect(second).toMatchObject({ ok: false, error: { exitCode: 3, text: expect.stringMatching(/^another agent/) } });
    program.signals.emit('SIGTERM');
    await ended;
  });
});
