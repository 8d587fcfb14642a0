import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { stringify } from 'yaml';

import type { Facts } from '../diagnosis/facts.ts';
import { serveFacts } from '../testing/facts-server.ts';
import { healthyFacts, withConfig, withConnection } from '../testing/healthy-facts.ts';
import { runPlugin } from '../testing/run-plugin.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gather-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('a bundle says of a node in trouble why, by what the agents have answered', async () => {
  await gather(withoutPeer(healthyFacts()));
  expect((await readdir(join(folder, 'bundle/agents'))).toSorted()).toEqual(['node-1', 'node-2', 'node-3']);
  const why = await readFile(join(folder, 'bundle/why/node-1.txt'), 'utf8');
  expect(why).toMatch(/^node-1 → node-2\n/);
  expect(why).toMatch(/\ncause {3}UdpBlocked: node-2 gets no IKE message of node-1/);
});

/** By its status and by what its agent says, node-1 does not reach node-2. */
function withoutPeer(facts: Facts): Facts {
  const counted = withConfig(facts, 'node-1', (config) => ({
    ...config,
    status: {
      ...config.status,
      peerings: config.status?.peerings?.map((each) => ({
        ...each,
        tunnels: { expected: 2, pending: 0, established: 1, encrypting: 1 },
      })),
    },
  }));
  return withConnection(counted, 'node-1', 'node-2-ipv4', (peer) => ({
    ...peer,
    state: 'down',
    reason: 'NotEstablished',
    ikeSas: [],
    lastFailure: { secondsAgo: 3, text: 'node-2 (192.168.0.2) does not answer IKE_SA_INIT: is it running?' },
  }));
}

async function gather(facts: Facts): Promise<void> {
  const server = serveFacts(facts).listen(0, '127.0.0.1');
  try {
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const config = join(folder, 'config');
    await writeFile(
      config,
      stringify({
        clusters: [{ name: 'test', cluster: { server: `http://127.0.0.1:${port}` } }],
        users: [{ name: 'test', user: { token: 'x' } }],
        contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
        'current-context': 'test',
      }),
    );
    const { stdout, stderr } = await runPlugin('gather', `--out=${join(folder, 'bundle')}`, `--kubeconfig=${config}`);
    expect(stdout, stderr).toContain('files in');
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
