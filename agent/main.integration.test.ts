import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, describe, it } from 'vitest';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ikemesh-main-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

async function agent(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    stderr += String(chunk);
  });
  const [code] = (await once(child, 'close')) as [number];
  return { code, stdout, stderr };
}

describe.concurrent('the program', () => {
  it('ends with 2 and one line for each fault of the configuration', async ({ expect }) => {
    const file = join(folder, 'node.yaml');
    writeFileSync(file, 'node: {name: node-a, identity: {fqdn: a.test}, addresses: [10.0.0.300]}\npears: []\n');
    const ended = await agent(['--config', file]);
    expect(ended).toEqual({
      code: 2,
      stdout: '',
      stderr: `${file}:1:60: node.addresses[0]: "10.0.0.300" is not an IP address\n${file}:2:8: pears: unknown field; did you mean peers?\n`,
    });
  });

  it('ends with 3 and one sentence where no agent is running', async ({ expect }) => {
    const ended = await agent(['status', '--socket', join(folder, 'none')]);
    expect(ended).toMatchObject({
      code: 3,
      stdout: '',
      stderr: expect.stringMatching(/^no agent is running here .*\n$/),
    });
  });

  it('ends with 2 where the environment asks for a provider that does not exist', async ({ expect }) => {
    const ended = await agent(['--config', 'x'], { IKEMESH_CRYPTO: 'rot13' });
    expect(ended).toMatchObject({
      code: 2,
      stderr: 'IKEMESH_CRYPTO is "rot13": set it to noble or openssl, or leave it out\n',
    });
  });

  it('prints its version', async ({ expect }) => {
    expect(await agent(['version'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });
});
