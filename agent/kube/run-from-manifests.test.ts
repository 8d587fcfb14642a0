import { EventEmitter } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { opensslProvider } from '../crypto/openssl/openssl-provider.ts';
import { MemoryDataplane } from '../dataplane/memory.ts';
import { ok } from '../result.ts';
import { systemClock } from '../runtime/clock-system.ts';
import { createLog } from '../runtime/log/logger.ts';
import { fetchStatus } from '../runtime/status/status-client.ts';
import { TestWorld } from '../runtime/testing/agents.ts';
import type { NodeStatus } from './node-status.ts';
import type { Readiness } from './readiness.ts';
import { runFromManifests } from './run-from-manifests.ts';
import { NodeManifests, nodeConfig } from './testing/node-manifests.ts';

let folder = '';
let manifests: NodeManifests;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ikemesh-manifests-'));
  mkdirSync(join(folder, 'in'));
  manifests = new NodeManifests(join(folder, 'in'));
});

afterEach(() => rmSync(folder, { recursive: true }));

/** An agent whose surroundings are folders and a fake kernel. */
class Program {
  readonly signals = new EventEmitter();
  readonly log: string[] = [];
  readonly kernel = new MemoryDataplane({ clock: systemClock });
  readonly #socket = join(folder, 'run', 'agent.sock');

  start(options: { readonly nodeName?: string; readonly flushOnExit?: boolean } = {}) {
    const memberOf = (kernel: MemoryDataplane, name: string | symbol): unknown => {
      if (name === 'close') return () => {};
      const member = Reflect.get(kernel, name, kernel);
      return typeof member === 'function' ? member.bind(kernel) : member;
    };
    return runFromManifests({
      folder: manifests.folder,
      nodeName: options.nodeName,
      namespace: 'ikemesh-nodes',
      socket: this.#socket,
      flushOnExit: options.flushOnExit ?? false,
      signals: this.signals,
      provider: opensslProvider,
      log: createLog('json', 'info', { write: (line) => void this.log.push(line) }, false),
      createTransport: () => new TestWorld().transport(),
      openDataplane: () => ok(new Proxy(this.kernel, { get: memberOf })),
    });
  }

  policies(): readonly string[] {
    const dumped = this.kernel.dump();
    if (!dumped.ok) throw new Error(dumped.error.message);
    return dumped.value.policies
      .filter(({ selector: { source, destination } }) => source.length === 32 && destination.length === 32)
      .map(({ direction, template, action }) => `${direction} ${template?.level ?? action}`)
      .sort();
  }

  async kubernetes(): Promise<(Readiness & { readonly status?: NodeStatus }) | undefined> {
    const report = await fetchStatus(this.#socket);
    return report.ok ? (report.value as { kubernetes?: Readiness }).kubernetes : undefined;
  }
}

const waited = { timeout: 10_000, interval: 20 };

describe('agent --manifests', () => {
  it('does what the IPsecNodeConfig of the folder says, with the Secret beside it', async () => {
    manifests.writeNodeConfig();
    manifests.writeSlice();
    const serial = manifests.writeSecret();
    const program = new Program();
    const ended = program.start();
    await vi.waitFor(() => expect(program.policies()).toEqual(['in optional', 'out required']), waited);
    await vi.waitFor(
      async () =>
        expect(await program.kubernetes()).toMatchObject({
          ready: true,
          status: { peerings: [{ name: 'cluster', certificate: { serialNumber: serial } }] },
        }),
      waited,
    );
    program.signals.emit('SIGTERM');
    expect(await ended).toEqual({ ok: true });
    expect(program.policies()).toEqual(['in optional', 'out required']);
  });

  it('takes another certificate and another configuration into use when their files change', async () => {
    manifests.writeNodeConfig();
    manifests.writeSlice();
    manifests.writeSecret();
    const program = new Program();
    const ended = program.start();
    await vi.waitFor(() => expect(program.policies()).toHaveLength(2), waited);
    const serial = manifests.writeSecret();
    manifests.writeNodeConfig({ enforcement: { outbound: 'Required', inbound: 'Required' } });
    program.signals.emit('SIGHUP');
    await vi.waitFor(() => expect(program.policies()).toEqual(['in required', 'out required']), waited);
    await vi.waitFor(
      async () => expect((await program.kubernetes())?.status?.peerings?.[0]?.certificate?.serialNumber).toBe(serial),
      waited,
    );
    program.signals.emit('SIGTERM');
    await ended;
  });

  it('says which Secret it waits for, and where it is to be', async () => {
    manifests.writeNodeConfig();
    manifests.writeSlice();
    manifests.writeSecret('another-namespace');
    const program = new Program();
    const ended = program.start();
    const said = 'the Secret ike-a is not there: put it among the manifests, with tls.crt, tls.key and ca.crt';
    await vi.waitFor(() => expect(program.log.join('')).toContain(said), waited);
    program.signals.emit('SIGTERM');
    await ended;
  });

  it('takes everything out of the kernel when no peering is left, and at the end when it is told to', async () => {
    manifests.writeNodeConfig();
    manifests.writeSlice();
    manifests.writeSecret();
    const program = new Program();
    const first = program.start();
    await vi.waitFor(() => expect(program.policies()).toHaveLength(2), waited);
    manifests.write('ipsecnodeconfig-a.yaml', nodeConfig('a', []));
    program.signals.emit('SIGHUP');
    await vi.waitFor(() => expect(program.policies()).toEqual([]), waited);
    program.signals.emit('SIGTERM');
    await first;
    manifests.writeNodeConfig();
    const second = program.start({ flushOnExit: true });
    await vi.waitFor(() => expect(program.policies()).toHaveLength(2), waited);
    program.signals.emit('SIGTERM');
    await second;
    expect(program.policies()).toEqual([]);
  });

  it('keeps what is configured when a file is broken or gone, and says which', async () => {
    manifests.writeNodeConfig();
    manifests.writeSlice();
    manifests.writeSecret();
    const program = new Program();
    const ended = program.start();
    await vi.waitFor(() => expect(program.policies()).toHaveLength(2), waited);
    rmSync(join(manifests.folder, 'secret.yaml'));
    rmSync(join(manifests.folder, 'slice.yaml'));
    writeFileSync(join(manifests.folder, 'ipsecnodeconfig-a.yaml'), 'spec: [');
    program.signals.emit('SIGHUP');
    const said = /ipsecnodeconfig-a\.yaml is not YAML at line 1, column 8: .*; what was read of it before stays/;
    await vi.waitFor(() => expect(program.log.join('')).toMatch(said), waited);
    expect(program.policies()).toEqual(['in optional', 'out required']);
    manifests.writeNodeConfig({ enforcement: { outbound: 'Required', inbound: 'Required' } });
    program.signals.emit('SIGHUP');
    await vi.waitFor(() => expect(program.policies()).toEqual(['in required', 'out required']), waited);
    program.signals.emit('SIGTERM');
    await ended;
  });

  it.each<[string, () => void, string | undefined, RegExp]>([
    [
      'a folder that is not there',
      () => rmSync(manifests.folder, { recursive: true }),
      undefined,
      /in cannot be read: there is no such file/,
    ],
    [
      'a folder without configuration',
      () => manifests.writeSecret(),
      undefined,
      /in has no IPsecNodeConfig: `operator --manifests DIR --out .*` writes them/,
    ],
    ['a node that is not in it', () => manifests.writeNodeConfig(), 'z', /in has no IPsecNodeConfig of z, but of a/],
    [
      'several nodes and none chosen',
      () => {
        manifests.writeNodeConfig();
        manifests.writeNodeConfig({}, 'b');
      },
      undefined,
      /in is for several nodes: choose one by --node-name \(a, b\)/,
    ],
    [
      'a file that is no YAML',
      () => writeFileSync(join(manifests.folder, 'a.yaml'), 'a: ['),
      undefined,
      /a\.yaml is not YAML at line 1/,
    ],
    [
      'an object without a name',
      () => manifests.write('a.yaml', { kind: 'Secret' }),
      undefined,
      /a\.yaml: a Secret has no metadata\.name/,
    ],
  ])('refuses to start with %s, and says so', async (_, prepare, nodeName, text) => {
    prepare();
    const ended = await new Program().start(nodeName === undefined ? {} : { nodeName });
    expect(ended).toMatchObject({ ok: false, error: { exitCode: 2, text: expect.stringMatching(text) } });
  });
});
