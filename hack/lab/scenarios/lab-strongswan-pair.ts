import assert from 'node:assert/strict';

import { expectOnlyEspAndIke } from '../capture/report.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';
import { waitUntil } from '../runner/wait-until.ts';
import type { Section } from '../strongswan/settings.ts';
import { expectPing } from '../traffic/counted-pings.ts';
import { dumpStates } from '../xfrm/xfrm-dump.ts';
import { expectNoXfrmDrops, readXfrmStat } from '../xfrm/xfrm-stat.ts';

const scenario: Scenario = {
  name: 'lab-strongswan-pair',
  description:
    'the lab itself: two strongSwans with a pre-shared key, transport mode, both families, rekey and a crash',
  run,
};
export default scenario;

async function run(lab: Lab): Promise<void> {
  const { nodes, links } = await lab.topology({
    nodes: { a: {}, b: {} },
    links: {
      ab: {
        ends: [
          { node: 'a', interface: 'eth0', addresses: ['192.0.2.1/24', '2001:db8::1/64'] },
          { node: 'b', interface: 'eth0', addresses: ['192.0.2.2/24', '2001:db8::2/64'] },
        ],
      },
    },
  });
  lab.step('two charons');
  const a = await lab.charon(nodes.a, { swanctl: configuration('1', '2'), logLevels: { knl: 2 } });
  const quick = { retransmit_tries: 1, retransmit_timeout: 0.2, retransmit_base: 1 };
  const b = await lab.charon(nodes.b, { swanctl: configuration('2', '1'), charon: quick });
  const before = await readXfrmStat(nodes.a);
  const wire = await lab.capture(links.ab);

  lab.step('one Child SA for each family');
  await a.establish({ child: 'ipv4' });
  await a.establish({ child: 'ipv6' });
  await expectPing(nodes.a, '192.0.2.2');
  await expectPing(nodes.a, '2001:db8::2');
  const sas = await a.listSas();
  assert.deepEqual(
    sas.map(({ name, state, initiator }) => ({ name, state, initiator })),
    [
      { name: 'ipv4', state: 'ESTABLISHED', initiator: true },
      { name: 'ipv6', state: 'ESTABLISHED', initiator: true },
    ],
  );
  for (const { children, localId } of sas) {
    assert.equal(localId, 'CN=node 1, O=lab');
    assert.equal(children.length, 1);
    const [child] = children;
    assert.equal(child?.mode, 'TRANSPORT');
    assert.equal(child?.encryption, 'AES_GCM_16-256');
    assert.equal(child?.packetsOut, 3);
  }
  const spis = sas.flatMap(({ children }) => children.flatMap(({ spiIn, spiOut }) => [spiIn, spiOut]));
  const states = await dumpStates(nodes.a);
  assert.deepEqual(states.map(({ spi }) => spi.toString(16).padStart(8, '0')).sort(), spis.sort());

  lab.step('a rekey replaces the SPIs');
  assert.equal((await a.rekey({ child: 'ipv4' })).code, 0);
  await waitUntil('the new Child SA', async () => {
    const children = (await a.listSas()).flatMap((sa) => sa.children);
    return children.some(
      (child) => child.name === 'ipv4' && child.state === 'INSTALLED' && !spis.includes(child.spiIn),
    );
  });
  await expectPing(nodes.a, '192.0.2.2');
  expectOnlyEspAndIke(await wire.stop(), { atLeastFrom: { a: 9, b: 9 } });
  await expectNoXfrmDrops(nodes.a, before);

  lab.step('after a crash of one the other finds it dead');
  await a.kill();
  assert.notEqual((await b.rekey({ ike: 'ipv4' })).code, undefined);
  await b.logged('giving up after 1 retransmits');
  await b.stop();
}

function configuration(own: '1' | '2', peer: '1' | '2'): Section {
  const connection = (prefix: string, child: string): Section => ({
    version: 2,
    local_addrs: `${prefix}${own}`,
    remote_addrs: `${prefix}${peer}`,
    proposals: 'aes256gcm16-prfsha384-ecp384',
    local: { auth: 'psk', id: `CN=node ${own}, O=lab` },
    remote: { auth: 'psk', id: `CN=node ${peer}, O=lab` },
    children: { [child]: { mode: 'transport', esp_proposals: 'aes256gcm16-esn' } },
  });
  return {
    connections: { ipv4: connection('192.0.2.', 'ipv4'), ipv6: connection('2001:db8::', 'ipv6') },
    secrets: { 'ike-lab': { secret: 'a # secret {with} = "marks"' } },
  };
}
