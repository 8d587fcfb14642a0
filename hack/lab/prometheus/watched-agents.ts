import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';

import { keyPem, pem, TestAuthority, type TestCertificateOptions } from '../../../agent/pki/testing/authority.ts';
import type { AgentProcess } from '../agent/agent-process.ts';
import type { Capture } from '../capture/capture.ts';
import { parsePcap } from '../capture/pcap.ts';
import { udpOverIpv4 } from '../capture/udp-payload.ts';
import type { Lab } from '../runner/scenario.ts';
import { waitUntil } from '../runner/wait-until.ts';
import type { LabNode } from '../topology/lab-node.ts';
import type { Topology } from '../topology/topology.ts';
import type { Scraper } from './scraper.ts';

/** Fifteen minutes become 45 seconds. */
const WAITS_DIVIDED_BY = 20;

type Name = 'a' | 'b' | 'stranger' | 'watcher';

/** What may be otherwise in the configuration of an agent. */
export interface WatchedOptions {
  /** More fields of its one peer, or that it has none. */
  readonly peer?: object | 'none';
  /** Whose certificates it believes in: those that both have, or none that anybody has. */
  readonly trust?: 'ours' | 'other';
}

/** Two agents on a wire with a stranger, and a Prometheus beside them on another that judges by the alerts of the chart. */
export class WatchedAgents {
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

  /** Both agents run and have their one tunnel. */
  static async encrypting(lab: Lab): Promise<WatchedAgents> {
    const watched = await WatchedAgents.#create(lab);
    await watched.start('a');
    await watched.start('b');
    await watched.encrypts();
    return watched;
  }

  static async #create(lab: Lab): Promise<WatchedAgents> {
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
    return new WatchedAgents(lab, topology, scraper, capture);
  }

  get wire() {
    return this.#topology.links.wire;
  }

  /** Where an agent is to serve its metrics. */
  metricsAddress(name: 'a' | 'b'): string {
    return `${MANAGEMENT[name]}:${METRICS_PORT}`;
  }

  agent(name: 'a' | 'b'): AgentProcess {
    const agent = this.#agents.get(name);
    assert.ok(agent, `no agent has been started on ${name}`);
    return agent;
  }

  async start(name: 'a' | 'b', options: WatchedOptions = {}): Promise<void> {
    const other = pemOf(TestAuthority.root('other', 'ecdsaP256', forDays(30)));
    // All agents have one folder: what is there stays as it is, or the others would prove themselves anew.
    const files = {
      ...this.certificate(name, {}),
      ...(this.#agents.size === 0 ? this.authorities() : {}),
      'other.crt': other,
    };
    const agent = await this.#lab.agent(this.nodes[name], this.configuration(name, options), { files });
    this.#agents.set(name, agent);
    await agent.ready();
  }

  /** The text of a configuration file. */
  configuration(name: 'a' | 'b', { peer, trust = 'ours' }: WatchedOptions = {}): string {
    const other = name === 'a' ? 'b' : 'a';
    const trusted =
      trust === 'ours' ? { bundleFiles: ['ca.crt'], crlFiles: ['ca.crl'] } : { bundleFiles: ['other.crt'] };
    return stringify({
      node: { name, identity: { fqdn: `${name}.lab.test` }, addresses: [ADDRESSES[name]] },
      metrics: { listen: this.metricsAddress(name) },
      defaults: {
        lifetimes: { child: '10s', maxAgentOutage: '60s' },
        liveness: { interval: '5s', timeout: '45s' },
        authentication: {
          certificate: { certificateFile: `${name}.crt`, keyFile: `${name}.key`, trust: trusted },
        },
      },
      peers:
        peer === 'none'
          ? []
          : [{ name: other, address: ADDRESSES[other], identity: { fqdn: `${other}.lab.test` }, ...peer }],
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

  /** Whether an agent has its one tunnel. */
  async isEncrypting(name: 'a' | 'b'): Promise<boolean> {
    const { peers } = await this.agent(name).status();
    return peers.length > 0 && peers.every(({ state }) => state === 'encrypting');
  }

  /** Waits until both agents have their one tunnel. */
  async encrypts(): Promise<void> {
    for (const name of ['a', 'b'] as const) {
      await waitUntil(`${name} to encrypt`, () => this.isEncrypting(name), { timeoutMs: 120_000, intervalMs: 500 });
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

  /** No alert fires while something happens that is of every day. */
  async quietFor(seconds: number, happens: () => Promise<void>): Promise<void> {
    const traffic = this.ping('a', 'b', { count: seconds * 10, intervalMs: 100 });
    const end = performance.now() + seconds * 1_000;
    await happens();
    while (performance.now() < end) {
      const alerts = (await this.scraper.firing()).filter(({ alert }) => alert !== NO_OPERATOR);
      assert.deepEqual(alerts, [], 'alerts while all is well');
      await delay(1_000);
    }
    await traffic;
    assert.deepEqual(
      (await this.scraper.query('up')).map(({ metric, value: [, value] }) => `${metric['node']} ${value}`).sort(),
      ['a 1', 'b 1'],
    );
    const rekeys = await this.scraper.query('sum(ikemesh_rekeys_total{outcome="rekeyed"})');
    this.#lab.step(`quiet for ${seconds} s, with ${rekeys[0]?.value[1]} rekeys`);
    assert.ok(Number(rekeys[0]?.value[1]) > 0, 'SAs were rekeyed meanwhile');
  }

  /** The first message of an IKE SA that was captured. */
  firstMessage(): Uint8Array {
    const parsed = parsePcap(readFileSync(this.#capture.file));
    if (!parsed.ok) throw new Error(parsed.error);
    const first = parsed.value.packets
      .map(({ bytes }) => udpOverIpv4(bytes))
      .find((each) => each?.destinationPort === 500);
    assert.ok(first, 'a first message of IKE was captured');
    return first.data;
  }

  /** These alerts have fired, and that there is no operator, as there is none. */
  async end(alerts: readonly string[]): Promise<void> {
    const expected = [...alerts, NO_OPERATOR];
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

/** Fires from the beginning to the end, as it must: there is no operator. */
const NO_OPERATOR = 'IkemeshOperatorMissing';

export const DAY = 86_400_000;
const METRICS_PORT = 9917;
export const ADDRESSES = { a: '192.0.2.1', b: '192.0.2.2', stranger: '192.0.2.3' } as const;
const MANAGEMENT = { a: '198.51.100.1', b: '198.51.100.2', watcher: '198.51.100.9' } as const;
