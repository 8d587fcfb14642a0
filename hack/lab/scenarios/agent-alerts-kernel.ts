import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { NodeManifests } from '../../../agent/kube/testing/node-manifests.ts';
import { ADDRESSES, WatchedAgents } from '../prometheus/watched-agents.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';

/** Which alerts are raised here, and by what the others are tried, is in charts/ikemesh/testing/README.md. */
const scenario: Scenario = {
  name: 'agent-alerts-kernel',
  description:
    'a real Prometheus by the alerts of the chart, whose waits are cut to a twentieth: what other programs raise that ' +
    'have policies in the kernel which stand in the way of ours, or have our ports',
  usesAgent: true,
  usesPrometheus: true,
  timeoutMs: 600_000,
  rare: true,
  run: kernel,
};
export default scenario;

async function kernel(lab: Lab): Promise<void> {
  const watched = await WatchedAgents.encrypting(lab);
  const { scraper } = watched;
  const { a } = watched.nodes;

  lab.step("another program has policies on a for what is ours, from before the agent's start");
  await watched.agent('a').stop();
  await a.ip(...ours('delete'));
  await delay(1_000);
  await a.ip(...ours('add'));
  await watched.start('a');
  await scraper.fires('IkemeshKernelRefusals', 'a', 180_000);
  await a.ip(...ours('delete'));
  await watched.encrypts();

  lab.step('another program has the port of IKE, and the agent of a begins, from the objects of a cluster');
  await watched.agent('a').stop();
  const taker = a.spawn('taker', ['node', '-e', TAKER, ADDRESSES.a]);
  await taker.said(/bound/);
  const manifests = new NodeManifests(mkdtempSync(join(tmpdir(), 'manifests-')));
  manifests.writeNodeConfig();
  manifests.writeSlice();
  manifests.writeSecret();
  const words = ['--metrics-listen', watched.metricsAddress('a')];
  await lab.agent(a, '', { manifests: manifests.folder, arguments: words });
  await scraper.fires('IkemeshAgentNotReconciling', 'a', 180_000);
  await watched.end(['IkemeshAgentNotReconciling', 'IkemeshKernelRefusals']);
}

const TAKER = `
require('node:dgram').createSocket('udp4').bind(500, process.argv[1], () => console.log('bound'));
`;

/** Commands for the policies of a's traffic with b. */
function ours(how: 'add' | 'delete'): readonly string[] {
  const { a: local, b: remote } = ADDRESSES;
  return [
    [local, remote, 'out'],
    [remote, local, 'in'],
  ].map(([source, destination, direction]) => {
    const key = `xfrm policy ${how} src ${source}/32 dst ${destination}/32 dir ${direction}`;
    return how === 'add' ? `${key} priority 1000 tmpl proto esp mode transport level use` : key;
  });
}
