import { setTimeout as delay } from 'node:timers/promises';

import { ADDRESSES, DAY, WatchedAgents } from '../prometheus/watched-agents.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';

/** Which alerts are raised here, and by what the others are tried, is in charts/ikemesh/testing/README.md. */
const scenario: Scenario = {
  name: 'agent-alerts-packets',
  description:
    'a real Prometheus by the alerts of the chart, whose waits are cut to a twentieth: what certificates and lists that ' +
    'end, keys that do not fit, ESP that does not arrive, packets that are strange, and attacks raise',
  usesAgent: true,
  usesPrometheus: true,
  filtersPackets: true,
  timeoutMs: 900_000,
  rare: true,
  run: packets,
};
export default scenario;

async function packets(lab: Lab): Promise<void> {
  const watched = await WatchedAgents.encrypting(lab);
  const { scraper } = watched;

  lab.step('the certificate of a ends within minutes, its authority within days, its list of revocations has ended');
  watched.agent('a').writeFiles({
    ...watched.certificate('a', { notAfterMs: Date.now() + 120_000 }),
    ...watched.authorities({ notAfterMs: Date.now() + 3 * DAY, listEndsMs: Date.now() - 60_000 }),
  });
  await scraper.fires('IkemeshCertificateExpiring', 'a', 110_000);
  await scraper.fires('IkemeshAuthorityExpiring', 'a');
  await scraper.fires('IkemeshRevocationListStale', 'a');
  await scraper.fires('IkemeshCertificateExpired', 'a');

  lab.step('the key of a does not fit');
  watched.agent('a').writeFiles({ 'a.key': watched.certificate('b', {})['b.key'] ?? '' });
  await scraper.fires('IkemeshCredentialsHeldBack', 'a');
  watched.agent('a').writeFiles({ ...watched.certificate('a', {}), ...watched.authorities() });
  await watched.encrypts();

  lab.step('the wire brings every packet twice');
  await watched.wire.impair('a', { duplicatePercent: 100 });
  await watched.ping('b', 'a', { count: 500, intervalMs: 20 });
  await scraper.fires('IkemeshReplays', 'a');
  await watched.wire.impair('a', {});

  lab.step('b drops ESP while IKE passes, and ESP may not go in UDP');
  for (const name of ENDS) await watched.agent(name).stop();
  for (const name of ENDS) await watched.start(name, { peer: WITHOUT_UDP });
  await watched.encrypts();
  const lost = watched.ping('a', 'b', { count: 3_000, intervalMs: 40 });
  await filterEsp(watched, '-A');
  await scraper.fires('IkemeshPeersNotEncrypting', 'a');
  await filterEsp(watched, '-D');
  await watched.encrypts();
  await lost;

  lab.step('somebody sends ESP that nobody has an SA for');
  const { stranger } = watched.nodes;
  await stranger.ip(
    `xfrm state add src ${ADDRESSES.stranger} dst ${ADDRESSES.a} proto esp spi 0x77777777 mode transport aead rfc4106(gcm(aes)) 0x${'5a'.repeat(20)} 128`,
    `xfrm policy add src ${ADDRESSES.stranger}/32 dst ${ADDRESSES.a}/32 dir out tmpl proto esp mode transport`,
  );
  await stranger.run(['ping', '-n', '-c', '500', '-i', '0.02', '-W', '1', ADDRESSES.a], { timeoutMs: 60_000 });
  await scraper.fires('IkemeshDecryptionFailing', 'a');
  await stranger.ip('xfrm policy flush', 'xfrm state flush');

  lab.step('somebody sends IKE messages of SAs that there are not');
  const unknown = Array.from({ length: 100 }, (_, index) => informational(index));
  await lab.sendDatagrams(stranger, { address: ADDRESSES.a, port: 500 }, unknown);
  await scraper.fires('IkemeshAttackSigns', 'a');

  lab.step('somebody begins IKE SAs from many addresses and never goes on');
  await flood(watched, 20);
  await scraper.fires('IkemeshHalfOpenFlood', 'b');
  await watched.end(PACKET_ALERTS);
}

/** Has b drop what comes as ESP, or ends that. */
async function filterEsp({ nodes }: WatchedAgents, how: '-A' | '-D'): Promise<void> {
  await nodes.b.succeed(['iptables-legacy', '-w', how, 'INPUT', '-p', 'esp', '-j', 'DROP']);
}

/** First messages of IKE from forty addresses to b, for so many seconds. */
async function flood(watched: WatchedAgents, seconds: number): Promise<void> {
  const sources = Array.from({ length: 40 }, (_, index) => `192.0.2.${100 + index}`);
  const { stranger } = watched.nodes;
  await stranger.ip(...sources.map((address) => `address add ${address}/24 dev eth0`));
  watched.agent('b').reload(watched.configuration('b', { peer: { address: 'any', initiation: 'Never' } }));
  await delay(2_000);
  const words = [Buffer.from(watched.firstMessage()).toString('hex'), ADDRESSES.b, `${seconds}`, ...sources];
  await stranger.succeed(['node', '-e', FLOOD, ...words], { timeoutMs: (seconds + 60) * 1_000 });
}

/** The header of an INFORMATIONAL request of an IKE SA that nobody has, with an empty SK payload. */
function informational(number: number): Uint8Array {
  const bytes = new Uint8Array(28 + 32);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x1000 + number);
  view.setUint32(8, 0x2000 + number);
  bytes.set([46, 0x20, 37, 0x08], 16);
  view.setUint32(24, bytes.length);
  view.setUint16(30, 32);
  return bytes;
}

/** Sends copies of a message with an SPI of their own each, some of every source a second. */
const FLOOD = `
const { createSocket } = require('node:dgram');
const [hex, target, seconds, ...sources] = process.argv.slice(1);
let number = 0;
const sockets = sources.map((address) => {
  const socket = createSocket('udp4');
  socket.on('error', () => undefined);
  socket.bind(0, address);
  return socket;
});
const timer = setInterval(() => {
  for (const socket of sockets) {
    const bytes = Buffer.from(hex, 'hex');
    bytes.writeUInt32BE(++number, 0);
    socket.send(bytes, 500, target);
  }
}, 100);
setTimeout(() => { clearInterval(timer); process.exit(0); }, Number(seconds) * 1000);
`;

const ENDS = ['a', 'b'] as const;
/** Of SAs that are replaced every ten seconds nothing is known for most of their time. */
const WITHOUT_UDP = { natTraversal: 'Never', lifetimes: { child: '10m', maxAgentOutage: '60s' } };

const PACKET_ALERTS = [
  'IkemeshAttackSigns',
  'IkemeshAuthorityExpiring',
  'IkemeshCertificateExpired',
  'IkemeshCertificateExpiring',
  'IkemeshCredentialsHeldBack',
  'IkemeshDecryptionFailing',
  'IkemeshHalfOpenFlood',
  'IkemeshPeersNotEncrypting',
  'IkemeshReplays',
  'IkemeshRevocationListStale',
];
