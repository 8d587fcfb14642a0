import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

import type { AgentProcess } from '../agent/agent-process.ts';
import { type MtuEnd, settledMtu, startMtuAgent } from '../pair/mtu-agents.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';
import { ping } from '../traffic/counted-pings.ts';
import { transfers } from '../traffic/tcp-transfer.ts';

const scenario: Scenario = {
  name: 'agent-path-mtu-filtered',
  description:
    'a router drops long packets without a word: the status says what the kernel believes, and within a minute what really fits where agents probe the path',
  usesAgent: true,
  filtersPackets: true,
  timeoutMs: 240_000,
  run,
};
export default scenario;

async function run(lab: Lab): Promise<void> {
  const { nodes } = await lab.topology({
    nodes: {
      a: { routes: ['default via 192.0.2.254'] },
      router: { forwarding: true },
      b: { routes: ['default via 198.51.100.254'] },
    },
    links: {
      near: {
        ends: [
          { node: 'a', interface: 'eth0', addresses: [`${A.address}/24`] },
          { node: 'router', interface: 'eth0', addresses: ['192.0.2.254/24'] },
        ],
      },
      far: {
        ends: [
          { node: 'router', interface: 'eth1', addresses: ['198.51.100.254/24'] },
          { node: 'b', interface: 'eth0', addresses: [`${B.address}/24`] },
        ],
      },
    },
  });
  const { a, b, router } = nodes;
  const tooLong = ['-p', 'all', '-m', 'length', '--length', `${NARROW + 1}:65535`, '-j', 'DROP'];
  await router.succeed(['iptables-legacy', '-A', 'FORWARD', ...tooLong]);

  lab.step('agents that do not probe the path');
  const believing = [await startMtuAgent(lab, a, A, B, TUNNEL), await startMtuAgent(lab, b, B, A, TUNNEL)];
  const believed = await settledMtu(believing, 'what the kernel believes', () => true);
  assert.deepEqual([believed.path, believed.probed], [1_500, undefined]);
  const longest = believed.children[0]?.payload ?? 0;
  assert.equal((await pingOf(longest)).received, 0, 'what the kernel believes to fit is dropped without a word');
  lab.step('a large TCP transfer, which hangs');
  assert.equal(await transfers(a, b, B.address, 8_000), false, 'a large TCP transfer does not get through');
  await stop(believing);

  lab.step('agents that do');
  const words = ['--probe-path-mtu'];
  const startedAt = performance.now();
  const probing = [await startMtuAgent(lab, a, A, B, TUNNEL, words), await startMtuAgent(lab, b, B, A, TUNNEL, words)];
  const isFound = ({ probed }: { readonly probed?: number }) => probed !== undefined;
  const mtu = await settledMtu(probing, 'what arrives', isFound, { timeoutMs: FOUND_WITHIN_MS });
  lab.step(`after ${Math.round((performance.now() - startedAt) / 1_000)} s: ${JSON.stringify(mtu)}`);
  assert.ok(mtu.path <= NARROW && mtu.path > NARROW - 4, `${mtu.path} of ${NARROW} were found`);
  const payload = mtu.children[0]?.payload ?? 0;
  assert.equal((await pingOf(payload)).received, 2, `${payload} bytes fit, says the status`);
  // Padding to four bytes, and the accuracy of the search.
  assert.equal((await pingOf(payload + 8)).received, 0, 'and not much more');
  await stop(probing);

  function pingOf(bytes: number) {
    return ping(a, B.address, { count: 2, size: bytes - ICMP_BYTES, doNotFragment: true });
  }
}

async function stop(agents: readonly AgentProcess[]): Promise<void> {
  for (const agent of agents) assert.equal((await agent.stop()).code, 0, agent.log());
  await delay(100);
}

const A: MtuEnd = { name: 'a', address: '192.0.2.1' };
const B: MtuEnd = { name: 'b', address: '198.51.100.2' };
const TUNNEL = { children: [{ name: 'default', mode: 'Tunnel' }] };
const NARROW = 1_400;
/** As the configuration's README has it. */
const FOUND_WITHIN_MS = 60_000;
/** Headers of IPv4 and ICMP. */
const ICMP_BYTES = 28;
