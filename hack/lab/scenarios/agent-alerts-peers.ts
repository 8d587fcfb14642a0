import { setTimeout as delay } from 'node:timers/promises';

import type { AgentProcess } from '../agent/agent-process.ts';
import { WatchedAgents } from '../prometheus/watched-agents.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';
import { waitUntil } from '../runner/wait-until.ts';

/** Which alerts are raised here, and by what the others are tried, is in charts/ikemesh/testing/README.md. */
const scenario: Scenario = {
  name: 'agent-alerts-peers',
  description:
    'a real Prometheus by the alerts of the chart, whose waits are cut to a twentieth: quiet while SAs are rekeyed and ' +
    'certificates renewed; what peers that are away, hang, restart or want something else raise',
  usesAgent: true,
  usesPrometheus: true,
  timeoutMs: 1_800_000,
  rare: true,
  run: peers,
};
export default scenario;

async function peers(lab: Lab): Promise<void> {
  const watched = await WatchedAgents.encrypting(lab);
  const { scraper } = watched;

  lab.step('a healthy minute: Child SAs are rekeyed every ten seconds, certificates renewed, and traffic flows');
  await watched.quietFor(60, async () => {
    watched.agent('a').writeFiles(watched.certificate('a', {}));
    watched.agent('b').writeFiles(watched.certificate('b', {}));
  });

  lab.step('the agent of b hangs: nobody rekeys, nobody answers, and the kernel of b ends its SAs');
  const blocked = watched.ping('a', 'b', { count: 4_000, intervalMs: 40 });
  watched.agent('b').freeze();
  await scraper.fires('IkemeshAgentDown', 'b');
  await scraper.fires('IkemeshSaExpiring', 'a');
  await scraper.fires('IkemeshPeersDown', 'a', 180_000);
  await scraper.fires('IkemeshNodeCutOff', 'a');
  await scraper.fires('IkemeshTrafficBlocked', 'a');
  watched.agent('b').thaw();
  await scraper.fires('IkemeshSaExpired', 'b');
  await watched.encrypts();
  await blocked;

  lab.step('the agent of b is late: it is stopped again and again for a second');
  const late = hangAgainAndAgain(watched.agent('b'), 75);
  await scraper.fires('IkemeshAgentSlow', 'b');
  await late;
  await watched.encrypts();

  lab.step('b wants another ESP algorithm for rekeys');
  watched.agent('b').reload(watched.configuration('b', { peer: { proposals: { esp: ['aes128gcm16-x25519'] } } }));
  await scraper.fires('IkemeshRekeysFailing', undefined, 240_000);

  lab.step('b wants another IKE algorithm');
  watched
    .agent('b')
    .reload(watched.configuration('b', { peer: { proposals: { ike: ['aes128ctr-sha256-prfsha256-modp2048'] } } }));
  await scraper.fires('IkemeshNegotiationsFailing', undefined, 240_000);
  watched.agent('b').reload(watched.configuration('b'));
  await watched.encrypts();

  lab.step('the agent of b is killed and started again four times');
  for (let count = 0; count < 4; count++) {
    await watched.agent('b').kill();
    await watched.start('b');
    await watched.encrypts();
    await delay(2_000);
  }
  await scraper.fires('IkemeshAgentRestarting', 'b');

  lab.step('b drops a as a peer and has it again, four times');
  for (let count = 0; count < 4; count++) {
    watched.agent('b').reload(watched.configuration('b', { peer: 'none' }));
    await waitUntil('a to be without its tunnel', async () => !(await watched.isEncrypting('a')));
    watched.agent('b').reload(watched.configuration('b'));
    await watched.encrypts();
  }
  await scraper.fires('IkemeshTunnelFlapping', 'a');

  lab.step('b trusts another authority');
  await watched.agent('b').kill();
  await watched.start('b', { trust: 'other' });
  await scraper.fires('IkemeshAuthenticationFailing', undefined, 240_000);
  await watched.end(PEER_ALERTS);
}

/** Stops an agent in its tracks for a second, with a moment between in which it is scraped. */
async function hangAgainAndAgain(agent: AgentProcess, seconds: number): Promise<void> {
  const end = performance.now() + seconds * 1_000;
  while (performance.now() < end) {
    agent.freeze();
    await delay(900);
    agent.thaw();
    await delay(600);
  }
}

const PEER_ALERTS = [
  'IkemeshAgentDown',
  'IkemeshAgentRestarting',
  'IkemeshAgentSlow',
  'IkemeshAuthenticationFailing',
  'IkemeshNegotiationsFailing',
  'IkemeshNodeCutOff',
  'IkemeshPeersDown',
  'IkemeshRekeysFailing',
  'IkemeshSaExpired',
  'IkemeshSaExpiring',
  'IkemeshTrafficBlocked',
  'IkemeshTunnelFlapping',
];
