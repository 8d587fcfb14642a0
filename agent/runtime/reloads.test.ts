import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { opensslProvider } from '../crypto/openssl/openssl-provider.ts';
import { secretsOf } from '../ike/negotiation/authentication.ts';
import {
  keyPem,
  pem,
  TEST_TIME,
  TestAuthority,
  type TestCertificateOptions,
  testKey,
} from '../pki/testing/authority.ts';
import { err } from '../result.ts';
import { ipAddressFromBytes } from '../wire/ip-address.ts';
import type { Agent } from './agent.ts';
import type { AgentConfig } from './config/agent-config.ts';
import { loadConfig } from './config/load-config.ts';
import { createLog } from './log/logger.ts';
import { Reloads } from './reloads.ts';
import { TestHost, TestWorld } from './testing/agents.ts';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ikemesh-reloads-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

const root = TestAuthority.root();

/** An agent whose configuration, keys and certificates are files. */
class Node {
  readonly host: TestHost;
  /** What was to be applied. */
  readonly attempts: AgentConfig[] = [];
  /** Why nothing can be applied at the moment. */
  refusal: string | undefined;
  readonly #name: string;
  readonly #world: Mesh;
  readonly #nowMs: () => number;
  #agent: Agent | undefined;
  #reloads: Reloads | undefined;

  constructor(world: Mesh, name: string, nowMs: () => number) {
    this.#world = world;
    this.#name = name;
    this.#nowMs = nowMs;
    this.host = new TestHost(world.world, opensslProvider);
  }

  get agent(): Agent {
    if (this.#agent === undefined) throw new Error('not started');
    return this.#agent;
  }

  write(file: string, ...content: readonly string[]): void {
    writeFileSync(join(folder, `${this.#name}.${file}`), content.join(''), { mode: 0o600 });
  }

  show(authority: TestAuthority, options: TestCertificateOptions = {}): void {
    const { der, key } = authority.node(`${this.#name}.test`, { ...this.#world.validity(), ...options });
    this.write('crt', pem('CERTIFICATE', der));
    this.write('key', keyPem(key));
  }

  trust(...authorities: readonly TestAuthority[]): void {
    this.write('ca', ...authorities.map(({ der }) => pem('CERTIFICATE', der)));
  }

  async start(address: string, peer: string, peerAddress: string, isByKey = false): Promise<void> {
    const file = join(folder, `${this.#name}.yaml`);
    const certificate = `{certificateFile: ${this.#name}.crt, keyFile: ${this.#name}.key, trust: {bundleFiles: [${this.#name}.ca], crlFiles: [${this.#name}.crl]}}`;
    const authentication = isByKey ? `{preSharedKey: {file: ${this.#name}.psk}}` : `{certificate: ${certificate}}`;
    writeFileSync(
      file,
      `node: {name: ${this.#name}, identity: {fqdn: ${this.#name}.test}, addresses: [${address}]}
peers:
- {name: ${peer}, address: ${peerAddress}, identity: {fqdn: ${peer}.test}, authentication: ${authentication}}
`,
    );
    const services = {
      provider: opensslProvider,
      resolveHost: async (host: string) => err(host),
      clock: { wallMs: this.#nowMs },
    };
    const loaded = await loadConfig(file, services);
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
    const started = this.host.start(loaded.value);
    if (!started.ok) throw new Error(started.error.text);
    this.#agent = started.value;
    const log = createLog('json', 'debug', { write: (line) => void this.host.logLines.push(JSON.parse(line)) }, false);
    const { clock, timers } = this.#world.world;
    const agent = {
      reload: (...how: Parameters<Agent['reload']>) => {
        this.attempts.push(how[0]);
        return this.refusal === undefined ? started.value.reload(...how) : err(this.refusal);
      },
    };
    this.#reloads = new Reloads({ file, services, clock, timers, agent, log, onApplied: () => {} }, loaded.value);
  }

  async reload(): Promise<void> {
    await this.#reloads?.requestCredentials();
  }

  /** As on SIGTERM with --flush-on-exit. */
  async end(): Promise<void> {
    this.#reloads?.stop();
    await this.agent.flushAndStop();
  }

  messages(level: string): readonly string[] {
    return this.host.logLines.filter((line) => line.level === level).map((line) => line.msg);
  }

  ikeSas(): readonly number[] {
    return this.agent.status().peers.flatMap(({ ikeSas }) => ikeSas.map(({ number }) => number));
  }
}

/** Two agents with certificates of one authority, encrypting. */
class Mesh {
  readonly world = new TestWorld();
  readonly a: Node;
  readonly b: Node;

  constructor() {
    this.a = new Node(this, 'a', () => this.world.clock.wallMs());
    this.b = new Node(this, 'b', () => this.world.clock.wallMs());
  }

  validity(): TestCertificateOptions {
    const nowMs = this.world.clock.wallMs();
    return { notBeforeMs: nowMs - 3_600_000, notAfterMs: nowMs + 86_400_000 };
  }

  async begin({ preSharedKey }: { readonly preSharedKey?: string } = {}): Promise<this> {
    // The root is valid around the time of tests.
    this.world.clock.advance(TEST_TIME - this.world.clock.wallMs());
    for (const node of [this.a, this.b]) {
      node.show(root);
      node.trust(root);
      node.write('crl', pem('X509 CRL', root.revocationList([])));
      node.write('psk', preSharedKey ?? '');
    }
    await this.a.start('10.78.0.1', 'b', '10.78.0.2', preSharedKey !== undefined);
    await this.b.start('10.78.0.2', 'a', '10.78.0.1', preSharedKey !== undefined);
    await this.pass(5);
    expect(this.encrypting()).toBe(true);
    return this;
  }

  /** Seconds, with what verifiers answer meanwhile; at every one packets pass both ways where they are to. */
  async pass(seconds: number, lossless = false): Promise<void> {
    for (let step = 0; step < seconds * 5; step += 1) {
      this.world.pass(200);
      await setImmediate();
      if (lossless) expect([this.#arrives(1, 2), this.#arrives(2, 1)]).toEqual([true, true]);
    }
  }

  /** Until so many configurations were to be applied by the first. */
  async untilAttempt(count: number): Promise<void> {
    for (let second = 0; second < 1_000 && this.a.attempts.length < count; second += 1) await this.pass(1);
    expect(this.a.attempts).toHaveLength(count);
  }

  encrypting(): boolean {
    const states = [this.a, this.b].map(({ agent }) => agent.status().peers[0]?.state);
    return states.every((state) => state === 'encrypting') && this.#arrives(1, 2) && this.#arrives(2, 1);
  }

  #arrives(from: 1 | 2, to: 1 | 2): boolean {
    const [sender, receiver] =
      from === 1 ? [this.a.host.kernel, this.b.host.kernel] : [this.b.host.kernel, this.a.host.kernel];
    const address = (last: number) => ipAddressFromBytes(Uint8Array.of(10, 78, 0, last));
    const sent = sender.outbound({
      kind: 'plain',
      source: address(from),
      destination: address(to),
      protocol: 17,
      sourcePort: 4000,
      destinationPort: 5000,
      payloadBytes: 100,
    });
    return sent.kind === 'esp' && receiver.inbound(sent.packet).kind !== 'dropped';
  }
}

describe('an agent whose certificate is renewed while it runs', () => {
  it('shows the new one by a new IKE SA, and loses no packet', async () => {
    const mesh = await new Mesh().begin();
    for (const node of [mesh.a, mesh.b]) {
      const before = mesh.a.ikeSas();
      node.show(root);
      await node.reload();
      await mesh.pass(30, true);
      expect(mesh.a.ikeSas()).toHaveLength(1);
      expect(mesh.a.ikeSas()).not.toEqual(before);
      expect(node.messages('info')).toContain('new keys or certificates are in use');
    }
    expect([...mesh.a.messages('warn'), ...mesh.b.messages('warn')]).toEqual([]);
  });

  it('goes through a roll of the authority, one node and one step after the other, and loses no packet', async () => {
    const mesh = await new Mesh().begin();
    const young = TestAuthority.root('Young');
    const steps: readonly ((node: Node) => void)[] = [
      (node) => node.trust(root, young),
      (node) => node.show(young),
      (node) => node.trust(young),
    ];
    for (const step of steps) {
      for (const node of [mesh.a, mesh.b]) {
        step(node);
        await node.reload();
        await mesh.pass(20, true);
      }
    }
    expect(mesh.encrypting()).toBe(true);
    expect([...mesh.a.messages('warn'), ...mesh.b.messages('warn')]).toEqual([]);
  });

  it.each<readonly [string, (node: Node) => void, RegExp]>([
    [
      'a key of another certificate',
      (node) => node.write('key', keyPem(testKey('ecdsaP256'))),
      /keyFile: .*a\.key is not the key of the certificate/,
    ],
    [
      'an expired certificate',
      (node) => node.show(root, { notAfterMs: TEST_TIME - 1_000 }),
      /certificateFile: .*the certificate has expired/,
    ],
    [
      'a broken certificate',
      (node) => node.write('crt', 'nonsense'),
      /certificateFile: .*a\.crt has no certificate in PEM/,
    ],
    ['a broken bundle', (node) => node.write('ca', 'nonsense'), /bundleFiles\[0\]: .*a\.ca has no CERTIFICATE in PEM/],
    [
      'a broken revocation list',
      (node) => node.write('crl', 'nonsense'),
      /crlFiles\[0\]: .*a\.crl has no X509 CRL in PEM/,
    ],
  ])('goes on with the old one for %s, and says so in log and status', async (_, change, text) => {
    const mesh = await new Mesh().begin();
    const before = mesh.a.ikeSas();
    change(mesh.a);
    await mesh.a.reload();
    await mesh.a.reload();
    await mesh.pass(20, true);
    expect(mesh.a.ikeSas()).toEqual(before);
    expect(mesh.a.messages('error')).toEqual(['a file cannot be used; what was read before stays in use']);
    expect(mesh.a.agent.status().heldBack).toEqual([expect.stringMatching(text)]);
    mesh.a.show(root);
    mesh.a.trust(root);
    mesh.a.write('crl', pem('X509 CRL', root.revocationList([])));
    await mesh.a.reload();
    await mesh.pass(20, true);
    expect(mesh.a.ikeSas()).not.toEqual(before);
    expect(mesh.a.agent.status().heldBack).toEqual([]);
  });

  it('does not begin anew for a new revocation list, unless that names the peer: then its SAs end', async () => {
    const mesh = await new Mesh().begin();
    mesh.b.show(root, { serial: 0x4711n });
    await mesh.b.reload();
    await mesh.pass(20, true);
    const before = mesh.a.ikeSas();
    mesh.a.write('crl', pem('X509 CRL', root.revocationList([1n])));
    await mesh.a.reload();
    await mesh.pass(20, true);
    expect(mesh.a.ikeSas()).toEqual(before);
    mesh.a.write('crl', pem('X509 CRL', root.revocationList([1n, 0x4711n])));
    await mesh.a.reload();
    await mesh.pass(5);
    expect(mesh.encrypting()).toBe(false);
    expect(mesh.a.messages('warn')).toContain('the certificate of the peer has been revoked');
    await mesh.pass(60);
    expect(mesh.encrypting()).toBe(false);
    expect(mesh.a.agent.status().peers[0]?.lastFailure?.text).toMatch(/has been revoked by CN=Root/);
  });

  it('loses no packet of a peer whose authority is trusted no more before it shows a certificate of the new one', async () => {
    const mesh = await new Mesh().begin();
    const young = TestAuthority.root('Young');
    mesh.b.trust(root, young);
    await mesh.b.reload();
    await mesh.pass(20, true);
    mesh.a.trust(young);
    await mesh.a.reload();
    await mesh.pass(90, true);
    const before = mesh.a.ikeSas();
    expect(mesh.a.agent.status().peers[0]?.lastFailure?.text).toMatch(
      /^b was not believed: its certificate leads to no trusted authority: CN=Root, O=Mesh has issued it/,
    );
    mesh.b.show(young);
    await mesh.b.reload();
    await mesh.pass(90, true);
    expect(mesh.a.ikeSas()).toHaveLength(1);
    expect(mesh.a.ikeSas()).not.toEqual(before);
    expect(mesh.a.agent.status().peers[0]).toMatchObject({
      state: 'encrypting',
      certificate: { issuer: 'CN=Young, O=Mesh' },
    });
  });

  it('tells on which authority it depends: the one that its certificate is of, and not each that it trusts', async () => {
    const mesh = await new Mesh().begin();
    const young = TestAuthority.root('Young');
    const issuers = () =>
      mesh.a.agent.status().authorities.flatMap(({ dependence, name }) => (dependence === 'issuer' ? [name] : []));
    expect(issuers()).toEqual(['CN=Root, O=Mesh']);
    mesh.a.trust(root, young);
    await mesh.a.reload();
    expect(issuers()).toEqual(['CN=Root, O=Mesh']);
    mesh.a.show(young);
    await mesh.a.reload();
    expect(issuers()).toEqual(['CN=Young, O=Mesh']);
  });

  it('tells of the end of its certificate in log and status', async () => {
    const mesh = await new Mesh().begin();
    expect(mesh.a.agent.status().certificates[0]).toMatchObject({ kind: 'own', name: 'a.test', secondsLeft: 86_395 });
    mesh.world.clock.advance(20 * 3_600_000);
    await mesh.pass(1);
    expect(mesh.a.messages('warn')).toContain('ends soon: put its successor there');
  });
});

describe('what cannot be applied for a reason that passes', () => {
  it('is applied soon after, though nothing has changed since and nobody asks again', async () => {
    const mesh = await new Mesh().begin();
    const before = mesh.a.ikeSas();
    mesh.a.show(root);
    mesh.a.refusal = 'the kernel does not answer';
    await mesh.a.reload();
    await mesh.untilAttempt(2);
    expect(mesh.a.ikeSas()).toEqual(before);
    mesh.a.refusal = undefined;
    await mesh.untilAttempt(3);
    await mesh.pass(30, true);
    expect(mesh.a.ikeSas()).not.toEqual(before);
    expect(mesh.a.messages('info')).toContain('new keys or certificates are in use');
    await mesh.pass(60);
    expect(mesh.a.attempts).toHaveLength(3);
  });

  it('is tried less and less often, whatever else is asked for, and told once', async () => {
    const mesh = await new Mesh().begin();
    mesh.a.refusal = 'the kernel does not answer';
    await mesh.a.reload();
    for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
      mesh.world.pass(seconds * 500);
      await mesh.a.reload();
      const attempts = mesh.a.attempts.length;
      mesh.world.pass(seconds * 500 - 1);
      // An attempt reads files, by the clock on the wall: one that had begun would be seen by now.
      await setTimeout(20);
      expect(mesh.a.attempts).toHaveLength(attempts);
      mesh.world.pass(1);
      await vi.waitFor(() => expect(mesh.a.attempts).toHaveLength(attempts + 1), 5_000);
    }
    expect(mesh.a.messages('error')).toEqual([expect.stringMatching(/^configuration not applied; .* tries again$/)]);
  });

  it('is not tried any more at the end', async () => {
    const mesh = await new Mesh().begin();
    mesh.a.refusal = 'the kernel does not answer';
    await mesh.a.reload();
    mesh.a.refusal = undefined;
    const ending = mesh.a.end();
    await mesh.pass(10);
    await ending;
    expect(mesh.a.attempts).toHaveLength(1);
  });

  it('leaves no pre-shared key in memory of those that were read for it', async () => {
    const mesh = await new Mesh().begin({ preSharedKey: 'the first key of some length' });
    mesh.a.write('psk', 'the second key of some length');
    mesh.a.refusal = 'the kernel does not answer';
    await mesh.a.reload();
    const [read] = mesh.a.attempts.flatMap(({ connections }) => connections.flatMap(secretsOf));
    expect(read?.isWiped).toBe(true);
    mesh.a.refusal = undefined;
    await mesh.pass(5);
    const latest = () => mesh.a.attempts.at(-1)?.connections.flatMap(secretsOf);
    // The files are read by the clock on the wall.
    await vi.waitFor(() => expect(latest()?.map(({ isWiped }) => isWiped)).toEqual([false, false]), 5_000);
  });
});

describe('an agent that is told to end while it reads its keys again', () => {
  it('ends as it was told to, with nothing left in the kernel', async () => {
    const mesh = await new Mesh().begin();
    mesh.a.show(root);
    const reloading = mesh.a.reload();
    const ending = mesh.a.end();
    await mesh.pass(30);
    await Promise.all([reloading, ending]);
    expect(mesh.a.messages('info')).not.toContain('new keys or certificates are in use');
    const left = mesh.a.host.kernel.dump();
    expect(left.ok ? left.value.sas : left.error).toEqual([]);
  });
});
