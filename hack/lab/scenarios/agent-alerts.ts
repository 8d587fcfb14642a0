import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';

import { keyPem, pem, TestAuthority, type TestCertificateOptions } from '../../../agent/pki/testing/authority.ts';
import type { AgentProcess } from '../agent/agent-process.ts';
import type { Capture } from '../capture/capture.ts';
import { parsePcap } from '../capture/pcap.ts';
import { udpOverIpv4 } from '../capture/udp-payload.ts';
import type { Scraper } from '../prometheus/scraper.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';
import { waitUntil } from '../runner/wait-until.ts';
import type { LabNode } from '../topology/lab-node.ts';
import type { Topology } from '../topology/topology.ts';

/** Fifteen minutes become 45 seconds. */
const WAITS_DIVIDED_BY = 20;

/** Which alerts are raised here, and by what the others are tried, is in charts/ikemesh/testing/README.md. */
const scenario: Scenario = {
  name: 'agent-alerts-packets',
  description:
    'a real Prometheus by the alerts of the chart, whose waits are cut to a twentieth: what certificates and lists that ' +
    'end, keys that do not fit, packets that are strange, and attacks raise',
  usesAgent: true,
  usesPrometheus: true,
  timeoutMs: 900_000,
  rare: true,
  run: packets,
};
export default scenario;

async function packets(lab: Lab): Promise<void> {
  const watched = await Watched.create(lab);
  const { scraper } = watched;
  await watched.start('a');
  await watched.start('b');
  await watched.encrypts();

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
  await watched.flood(20);
  await scraper.fires('IkemeshHalfOpenFlood', 'b');
  await watched.end(PACKET_ALERTS);
}

type Name = 'a' | 'b' | 'stranger' | 'watcher';

/** Two agents on a wire, and a Prometheus beside them on another. */
class Watched {
  readonly nodes: Readonly<Record<Name, LabNode>>;
  readonly scraper: Scraper;
  readonly #lab: Lab;
  readonly #topology: Topology<Name, 'wire' | 'management'>;
  readonly #capture: Capture;
  readonly #authority = TestAuthority.root('lab', 'ecdsaP256', forDays(30));
  readonly #agents = new Map<string, AgentProcess>();

  private constructor(lab: Lab, topology: Topology<Name, 'wire' | 'management'>, scraper: Scraper, capture: Capture) {
    this.#lab = lab;
    this.#topology = topology;
    this.nodes = topology.nodes;
    this.scraper = scraper;
    this.#capture = capture;
  }

  static async create(lab: Lab): Promise<Watched> {
    const topology = await lab.topology({
      nodes: { a: {}, b: {}, stranger: {}, watcher: {} },
      links: {
        wire: {
          ends: (['a', 'b', 'stranger'] as const).map((node) => ({
            node,
            interface: 'eth0',
            addresses: [`${ADDRESSES[node]}/24`],
          })),
        },
        management: {
          ends: (['a', 'b', 'watcher'] as const).map((node) => ({
            node,
            interface: 'eth1',
            addresses: [`${MANAGEMENT[node]}/24`],
          })),
        },
      },
    });
    const capture = await lab.capture(topology.links.wire);
    const scraper = await lab.prometheus(topology.nodes.watcher, {
      targets: { a: `${MANAGEMENT.a}:${METRICS_PORT}`, b: `${MANAGEMENT.b}:${METRICS_PORT}` },
      waitsDividedBy: WAITS_DIVIDED_BY,
    });
    return new Watched(lab, topology, scraper, capture);
  }

  get wire() {
    return this.#topology.links.wire;
  }

  agent(name: 'a' | 'b'): AgentProcess {
    const agent = this.#agents.get(name);
    assert.ok(agent, `no agent has been started on ${name}`);
    return agent;
  }

  async start(name: 'a' | 'b'): Promise<void> {
    // All agents have one folder: what is there stays as it is, or the others would prove themselves anew.
    const files = { ...this.certificate(name, {}), ...(this.#agents.size === 0 ? this.authorities() : {}) };
    const agent = await this.#lab.agent(this.nodes[name], this.configuration(name), { files });
    this.#agents.set(name, agent);
    await agent.ready();
  }

  /** The text of a configuration file, with more fields of the one peer. */
  configuration(name: 'a' | 'b', peer: object = {}): string {
    const other = name === 'a' ? 'b' : 'a';
    const trust = { bundleFiles: ['ca.crt'], crlFiles: ['ca.crl'] };
    return stringify({
      node: { name, identity: { fqdn: `${name}.lab.test` }, addresses: [ADDRESSES[name]] },
      metrics: { listen: `${MANAGEMENT[name]}:${METRICS_PORT}` },
      defaults: {
        lifetimes: { child: '10s', maxAgentOutage: '60s' },
        liveness: { interval: '5s', timeout: '45s' },
        authentication: {
          certificate: { certificateFile: `${name}.crt`, keyFile: `${name}.key`, trust },
        },
      },
      peers: [
        {
          name: other,
          address: ADDRESSES[other],
          identity: { fqdn: `${other}.lab.test` },
          ...peer,
        },
      ],
    });
  }

  /** Files with a certificate of a node and its key. */
  certificate(name: 'a' | 'b', options: TestCertificateOptions): Readonly<Record<string, string>> {
    const { der, key } = this.#authority.node(`${name}.lab.test`, { ...forDays(1), ...options });
    return { [`${name}.crt`]: pem('CERTIFICATE', der), [`${name}.key`]: keyPem(key) };
  }

  /** Files with the authority and its list of revocations; the authority's certificate may be one that ends earlier. */
  authorities(
    options: { readonly notAfterMs?: number; readonly listEndsMs?: number } = {},
  ): Readonly<Record<string, string>> {
    const { notAfterMs = Date.now() + 30 * DAY, listEndsMs } = options;
    const { subject, key } = this.#authority;
    const root = TestAuthority.root('lab', 'ecdsaP256', { ...forDays(30), notAfterMs, subject, key });
    return { 'ca.crt': pemOf(root), 'ca.crl': listOf(root, listEndsMs) };
  }

  /** Waits until both agents have their one tunnel. */
  async encrypts(): Promise<void> {
    for (const name of ['a', 'b'] as const) {
      const isEncrypting = async () =>
        (await this.agent(name).status()).peers.every(({ state }) => state === 'encrypting');
      await waitUntil(`${name} to encrypt`, isEncrypting, { timeoutMs: 120_000, intervalMs: 500 });
    }
  }

  /** Pings, whether or not anybody answers. */
  async ping(
    from: 'a' | 'b',
    to: 'a' | 'b',
    { count, intervalMs }: { readonly count: number; readonly intervalMs: number },
  ): Promise<void> {
    const words = ['-n', '-q', '-c', `${count}`, '-i', `${intervalMs / 1_000}`, '-W', '1', ADDRESSES[to]];
    await this.nodes[from].run(['ping', ...words], { timeoutMs: 600_000 });
  }

  /** First messages of IKE from forty addresses to b, for so many seconds. */
  async flood(seconds: number): Promise<void> {
    const parsed = parsePcap(readFileSync(this.#capture.file));
    if (!parsed.ok) throw new Error(parsed.error);
    const first = parsed.value.packets
      .map(({ bytes }) => udpOverIpv4(bytes))
      .find((each) => each?.destinationPort === 500);
    assert.ok(first, 'a first message of IKE was captured');
    const sources = Array.from({ length: 40 }, (_, index) => `192.0.2.${100 + index}`);
    const { stranger } = this.nodes;
    await stranger.ip(...sources.map((address) => `address add ${address}/24 dev eth0`));
    this.agent('b').reload(this.configuration('b', { address: 'any', initiation: 'Never' }));
    await delay(2_000);
    const words = [Buffer.from(first.data).toString('hex'), ADDRESSES.b, `${seconds}`, ...sources];
    await stranger.succeed(['node', '-e', FLOOD, ...words], { timeoutMs: (seconds + 60) * 1_000 });
  }

  /** Every alert that was to fire has. */
  async end(expected: readonly string[]): Promise<void> {
    await this.scraper.firing();
    this.#lab.step(`alerts that have fired: ${[...this.scraper.fired].sort().join(' ')}`);
    assert.deepEqual(
      expected.filter((alert) => !this.scraper.fired.has(alert)),
      [],
    );
    await this.scraper.stop();
  }
}

function forDays(days: number): TestCertificateOptions {
  return { notBeforeMs: Date.now() - DAY / 24, notAfterMs: Date.now() + days * DAY };
}

function pemOf({ der }: TestAuthority): string {
  return pem('CERTIFICATE', der);
}

function listOf(authority: TestAuthority, nextUpdateMs = Date.now() + 7 * DAY): string {
  return pem('X509 CRL', authority.revocationList([], { thisUpdateMs: Date.now() - DAY / 24, nextUpdateMs }));
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

/** Each of them, and that there is no operator. */
const PACKET_ALERTS = [
  'IkemeshAttackSigns',
  'IkemeshAuthorityExpiring',
  'IkemeshCertificateExpired',
  'IkemeshCertificateExpiring',
  'IkemeshCredentialsHeldBack',
  'IkemeshDecryptionFailing',
  'IkemeshHalfOpenFlood',
  'IkemeshOperatorMissing',
  'IkemeshReplays',
  'IkemeshRevocationListStale',
];

const DAY = 86_400_000;
const METRICS_PORT = 9917;
const ADDRESSES = { a: '192.0.2.1', b: '192.0.2.2', stranger: '192.0.2.3' } as const;
const MANAGEMENT = { a: '198.51.100.1', b: '198.51.100.2', watcher: '198.51.100.9' } as const;
