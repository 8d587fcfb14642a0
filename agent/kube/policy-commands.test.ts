import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { opensslProvider } from '../crypto/openssl/openssl-provider.ts';
import { MemoryDataplane } from '../dataplane/memory.ts';
import { ip } from '../dataplane/testing/builders.ts';
import type { InstalledPolicy } from '../dataplane/types.ts';
import { err, ok } from '../result.ts';
import { isBypass } from '../runtime/bypass.ts';
import { ConfigurationFile } from './kept-configuration.ts';
import { runBlock, runLeakWatch, runUnblock } from './policy-commands.ts';
import { UnblockedPeerings } from './unblocked-peerings.ts';

let folder = '';
let kernel: MemoryDataplane;
let sleptMs = 0;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ikemesh-policies-'));
  kernel = new MemoryDataplane({ wallMs: () => 0, keepsEarlyPackets: false } as never);
  sleptMs = 0;
});

afterEach(() => rmSync(folder, { recursive: true }));

const parts = () => ({
  config: undefined,
  state: folder,
  provider: opensslProvider,
  openDataplane: () => ok(kernel),
  sleep: async (ms: number) => {
    sleptMs += ms;
  },
});

describe('without an agent, what a node has kept of its last configuration', () => {
  it('blocks what is Required, and nothing else, from the boot on', async () => {
    await keep(['cluster', 'Required'], ['open', 'Optional']);
    const done = await runBlock(parts());
    expect(done.ok ? done.value : done.error.text).toMatch(/^24 policies installed, 0 were there/);
    expect(levels('10.0.0.2')).toEqual(['in required', 'out required']);
    expect(levels('10.0.1.2')).toEqual(['in optional', 'out optional']);
    for (const address of ['10.0.0.1', '10.0.1.1']) expect(fateOfIke(address)).toBe('plain');
    const again = await runBlock(parts());
    expect(again.ok ? again.value : again.error.text).toMatch(/^0 policies installed, 24 were there/);
  });

  it('lets pass what one peering blocks, and leaves the others and what is not ours', async () => {
    await keep(['cluster', 'Required'], ['other', 'Required']);
    await runBlock(parts());
    const before = policies().filter(({ selector }) => !isAbout(selector, '10.0.0.2'));
    const done = await runUnblock({ ...parts(), peering: 'cluster', undo: false });
    expect(done.ok ? done.value : done.error.text).toMatch(/^2 policies let pass now/m);
    expect(levels('10.0.0.2')).toEqual(['in optional', 'out -']);
    expect(policies().filter(({ selector }) => !isAbout(selector, '10.0.0.2'))).toEqual(before);
  });

  it('lets pass what is blocked for as long as nobody undoes it, also after a boot', async () => {
    await keep(['cluster', 'Required'], ['other', 'Required']);
    await runUnblock({ ...parts(), peering: 'cluster', undo: false });
    expect(new UnblockedPeerings(folder).names()).toEqual({ ok: true, value: new Set(['cluster']) });
    await runBlock(parts());
    expect([levels('10.0.0.2'), levels('10.0.1.2')]).toEqual([[], ['in required', 'out required']]);
    const undone = await runUnblock({ ...parts(), peering: 'cluster', undo: true });
    expect(undone.ok ? undone.value : undone.error.text).toBe(
      'No agent has carried out peering cluster yet: one that runs does so soon, any other when it starts\n' +
        'Until then this is neither encrypted nor blocked:\nout policy 10.0.0.1/32 to 10.0.0.2/32\n',
    );
    expect(sleptMs).toBe(20_000);
    await runBlock(parts());
    expect(levels('10.0.0.2')).toEqual(['in required', 'out required']);
    expect(await runUnblock({ ...parts(), peering: 'cluster', undo: true })).toMatchObject({
      ok: false,
      error: { text: expect.stringMatching(/is not unblocked/) },
    });
  });

  it('ends an unblocking only when the policies are there that encrypt or block again, whoever made them', async () => {
    await keep(['cluster', 'Required'], ['other', 'Required']);
    await runBlock(parts());
    await runUnblock({ ...parts(), peering: 'cluster', undo: false });
    expect(levels('10.0.0.2')).toEqual(['in optional', 'out -']);
    const atLast = async (ms: number): Promise<void> => {
      sleptMs += ms;
      if (sleptMs < 3_000) return;
      for (const { direction, selector, index } of policies().filter((each) => isAbout(each.selector, '10.0.0.2')))
        kernel.execute({ kind: 'deletePolicy', key: { direction, selector }, index });
      await runBlock(parts());
    };
    const undone = await runUnblock({ ...parts(), sleep: atLast, peering: 'cluster', undo: true });
    expect(undone).toEqual({ ok: true, value: 'Peering cluster is carried out again on this node.\n' });
    expect([sleptMs, levels('10.0.0.2')]).toEqual([3_000, ['in required', 'out required']]);
  });

  it('is not needed for letting pass everything, whatever has become of it', async () => {
    await keep(['cluster', 'Required'], ['other', 'Required']);
    await runBlock(parts());
    writeFileSync(new ConfigurationFile(folder, 'node-a').path, '{');
    const named = await runUnblock({ ...parts(), peering: 'cluster', undo: false });
    expect(named.ok ? named.value : named.error.text).toMatch(/is not a configuration kept by this program/);
    const done = await runUnblock({ ...parts(), peering: undefined, undo: false });
    expect(done.ok ? done.value : done.error.text).toMatch(/^4 policies let pass now/m);
  });

  it('opens the kernel although the disk neither takes in nor gives out anything, and says how long that lasts', async () => {
    await keep(['cluster', 'Required']);
    await runBlock(parts());
    const path = new UnblockedPeerings(folder).path;
    rmSync(path, { force: true });
    // A folder in its place refuses the file, to root as well.
    const { mkdirSync } = await import('node:fs');
    mkdirSync(path);
    const done = await runUnblock({ ...parts(), peering: 'cluster', undo: false });
    expect(done.ok ? done.value : done.error.text).toMatch(
      /cannot be read: .*\nso this lasts only until the agent is started/,
    );
    expect(levels('10.0.0.2')).toEqual(['in optional', 'out -']);
  });

  it('tells that nothing counts as unblocked where the list of it cannot be read, and replaces no such list', async () => {
    await keep(['cluster', 'Required']);
    const { path } = new UnblockedPeerings(folder);
    writeFileSync(path, 'cluster\n');
    const blocked = await runBlock(parts());
    expect(blocked.ok ? blocked.value : blocked.error.text).toMatch(
      /unblocked is no list of unblocked peerings: .*\. Nothing counts as unblocked: what is Required is blocked\n/,
    );
    expect(levels('10.0.0.2')).toEqual(['in required', 'out required']);
    await runUnblock({ ...parts(), peering: 'cluster', undo: false });
    expect(readFileSync(path, 'utf8')).toBe('cluster\n');
    const undone = await runUnblock({ ...parts(), peering: 'cluster', undo: true });
    expect(undone).toMatchObject({ ok: false, error: { text: expect.stringMatching(/no list of unblocked/) } });
  });

  it('names the peerings that there are to whoever names another one', async () => {
    await keep(['cluster', 'Required']);
    const done = await runUnblock({ ...parts(), peering: 'clutser', undo: false });
    expect(done).toMatchObject({
      ok: false,
      error: { exitCode: 3, text: expect.stringMatching(/but cluster; --all/) },
    });
  });
});

describe('without an agent, a configuration file of which one host name does not resolve', () => {
  const nobody = async (host: string) => err(`${host} does not resolve (EAI_AGAIN)`);
  const children = 'children: [{name: office, selectors: [{local: 10.1.0.0/24, remote: 10.2.0.0/24}]}]';
  const ofFile = (more: string) => {
    const config = join(folder, 'node.yaml');
    const entry = (name: string, address: string, rest = '') =>
      `- {name: ${name}, address: ${address}, identity: {fqdn: ${name}.test}, authentication: {preSharedKey: {file: psk}}${rest}}\n`;
    writeFileSync(join(folder, 'psk'), 'a pre-shared key of some length', { mode: 0o600 });
    writeFileSync(
      config,
      `node: {name: node-a, identity: {fqdn: a.test}, addresses: [10.0.0.1]}\npeers:\n${entry('b', '10.0.0.2')}${entry('gateway', 'gw.example.com', more)}`,
    );
    return { ...parts(), config, resolveHost: nobody };
  };

  it('blocks what is Required of all other peers, and says what is not blocked', async () => {
    const done = await runBlock(ofFile(''));
    expect(levels('10.0.0.2')).toEqual(['in required', 'out required']);
    expect(done).toMatchObject({
      ok: false,
      error: {
        exitCode: 3,
        text: expect.stringMatching(
          /^NOT BLOCKED: .* gateway .*gw\.example\.com does not resolve.*\n\d+ policies installed/,
        ),
      },
    });
  });

  it('blocks the networks that are behind it', async () => {
    const done = await runBlock(ofFile(`, ${children}`));
    expect(done.ok ? done.value : done.error.text).toMatch(/^\d+ policies installed/);
    expect(levels('10.0.0.2')).toEqual(['in required', 'out required']);
    expect(
      policies().find(({ direction, selector }) => direction === 'out' && isAbout(selector, '10.2.0.0'))?.action,
    ).toBe('block');
  });

  it('lets pass what another peer blocks, and says of which one it cannot', async () => {
    await runBlock(ofFile(''));
    const other = await runUnblock({ ...ofFile(''), peering: 'gateway', undo: false });
    expect(other.ok ? other.value : other.error.text).toMatch(/gw\.example\.com does not resolve.*--all/);
    expect(levels('10.0.0.2')).toEqual(['in required', 'out required']);
    await runUnblock({ ...ofFile(''), peering: 'b', undo: false });
    expect(levels('10.0.0.2')).toEqual(['in optional', 'out -']);
  });

  it('watches for no leaks, since it would see none of that peer', async () => {
    const watched = await runLeakWatch({ ...ofFile(''), seconds: 1 });
    expect(watched.ok ? watched.value : watched.error.text).toMatch(/gateway .*does not resolve/);
  });
});

/** Each peering is with one peer of its own: 10.0.0.2, 10.0.1.2 and so on. */
async function keep(...peerings: readonly (readonly [string, 'Required' | 'Optional'])[]): Promise<void> {
  const entries = peerings.map(([name, level], index) => ({
    name,
    priority: 0,
    addresses: [`10.0.${index}.1`],
    remote: { mesh: {} },
    traffic: { scope: 'Nodes', mode: 'Auto' },
    enforcement: { outbound: level, inbound: level },
    authentication: { certificate: { secretName: `cert-${name}` } },
    lifetimes: {},
    liveness: {},
    natTraversal: 'Auto',
    initiation: 'Always',
  }));
  const peers = Object.fromEntries(
    peerings.map(([name], index) => [
      name,
      [
        {
          uid: `u-${index}`,
          name: `peer-${index}`,
          addresses: [`10.0.${index}.2`],
          identity: { fqdn: `peer-${index}.mesh.test` },
        },
      ],
    ]),
  );
  const nodeConfig = {
    apiVersion: 'ikemesh.io/v1alpha1',
    kind: 'IPsecNodeConfig',
    metadata: { name: 'node-a', uid: 'uid-a', generation: 1 },
    spec: { nodeUID: 'uid-a', identity: { fqdn: 'node-a.mesh.test' }, peerings: entries },
  };
  expect(await new ConfigurationFile(folder, 'node-a').write({ nodeName: 'node-a', nodeConfig, peers })).toMatchObject({
    ok: true,
  });
}

function policies(): readonly InstalledPolicy[] {
  const dumped = kernel.dump();
  if (!dumped.ok) throw new Error(dumped.error.message);
  return dumped.value.policies.filter((policy) => !isBypass(policy));
}

/** Of what the agent will send from there to the peer. */
function fateOfIke(address: string): string {
  const [source, destination] = [ip(address), ip(address.replace(/1$/, '2'))];
  const ports = { sourcePort: 500, destinationPort: 500 };
  return kernel.outbound({ kind: 'plain', source, destination, protocol: 17, ...ports, payloadBytes: 100 }).kind;
}

function isAbout({ source, destination }: InstalledPolicy['selector'], address: string): boolean {
  return [source, destination].some((prefix) => prefix.address === address);
}

function levels(address: string): readonly string[] {
  return policies()
    .filter(({ selector }) => isAbout(selector, address))
    .map(({ direction, template }) => `${direction} ${template?.level ?? '-'}`)
    .sort();
}
