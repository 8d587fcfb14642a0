import { stringify } from 'yaml';

import { expectOnlyEspAndIke } from '../capture/report.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';
import { waitUntil } from '../runner/wait-until.ts';
import { expectPing } from '../traffic/counted-pings.ts';
import { expectNoXfrmDrops, readXfrmStat } from '../xfrm/xfrm-stat.ts';

export default (['initiator', 'responder'] as const).map(
  (role): Scenario => ({
    name: `strongswan-link-local-${role}`,
    description: `link-local addresses of IPv6, transport mode; we are the ${role}`,
    usesAgent: true,
    rare: role === 'responder',
    run: (lab) => run(lab, role),
  }),
);

const ours = 'fe80::1';
const theirs = 'fe80::2';
const secret = 'the secret of this link, long enough';
const proposals = { ike: 'aes256gcm16-prfsha384-x25519', esp: 'aes256gcm16-esn' };

async function run(lab: Lab, role: 'initiator' | 'responder'): Promise<void> {
  const { nodes, links } = await lab.topology({
    nodes: { ours: {}, theirs: {} },
    links: {
      wire: {
        ends: [
          { node: 'ours', interface: 'eth0', addresses: [`${ours}/64`] },
          { node: 'theirs', interface: 'eth0', addresses: [`${theirs}/64`] },
        ],
      },
    },
  });
  const wire = await lab.capture(links.wire);
  const drops = await readXfrmStat(nodes.ours);
  lab.step('strongSwan and our agent');
  const charon = await lab.charon(nodes.theirs, {
    swanctl: {
      connections: {
        ours: {
          version: 2,
          local_addrs: `${theirs}%eth0`,
          remote_addrs: `${ours}%eth0`,
          proposals: proposals.ike,
          local: { auth: 'psk', id: 'theirs.lab.test' },
          remote: { auth: 'psk', id: 'ours.lab.test' },
          children: { data: { mode: 'transport', esp_proposals: proposals.esp } },
        },
        // Neighbours are to be found in plaintext (RFC 4301 leaves it to the administrator).
        shunts: {
          children: Object.fromEntries(
            [135, 136].map((type) => [
              `neighbours-${type}`,
              {
                mode: 'pass',
                start_action: 'trap',
                local_ts: `fe80::/10[ipv6-icmp/${type << 8}]`,
                remote_ts: `fe80::/10[ipv6-icmp/${type << 8}]`,
              },
            ]),
          ),
        },
      },
      secrets: { 'ike-ours': { 'id-1': 'theirs.lab.test', 'id-2': 'ours.lab.test', secret } },
    },
  });
  const agent = await lab.agent(nodes.ours, configuration(role), {
    files: { psk: secret },
    arguments: ['--log-level', 'debug', '--flush-on-exit'],
  });
  await agent.ready();
  if (role === 'responder') await charon.establish({ child: 'data' });
  await waitUntil('the Child SA to encrypt', async () => {
    return (await agent.status()).peers.every(({ state }) => state === 'encrypting');
  });
  lab.step('packets in both directions');
  await expectPing(nodes.ours, `${theirs}%eth0`, { from: `${ours}%eth0` });
  await expectPing(nodes.theirs, `${ours}%eth0`, { from: `${theirs}%eth0` });
  await agent.stop();
  expectOnlyEspAndIke(await wire.stop(), { atLeastFrom: { ours: 6, theirs: 6 } });
  await expectNoXfrmDrops(nodes.ours, drops);
}

function configuration(role: 'initiator' | 'responder'): string {
  return stringify({
    node: { name: 'ours', identity: { fqdn: 'ours.lab.test' }, addresses: [`${ours}%eth0`] },
    peers: [
      {
        name: 'theirs',
        address: `${theirs}%eth0`,
        identity: { fqdn: 'theirs.lab.test' },
        authentication: { preSharedKey: { file: 'psk' } },
        initiation: role === 'initiator' ? 'Always' : 'Never',
        proposals: { ike: [proposals.ike], esp: [proposals.esp] },
      },
    ],
  });
}
