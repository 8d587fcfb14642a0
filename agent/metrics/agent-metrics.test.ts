import { describe, expect, it } from 'vitest';

import { opensslProvider } from '../crypto/openssl/openssl-provider.ts';
import { ip } from '../dataplane/testing/builders.ts';
import type { Fact } from '../ike/fact.ts';
import type { ConnectionConfig } from '../ike/types.ts';
import { err } from '../result.ts';
import type { Agent, AgentParts } from '../runtime/agent.ts';
import { peerVerdict } from '../runtime/status/peer-verdict.ts';
import type { StatusReport } from '../runtime/status/report.ts';
import { TEST_SECRET, TestHost, TestWorld, testConfig } from '../runtime/testing/agents.ts';
import { AgentMetrics } from './agent-metrics.ts';
import { AGENT_METRICS, MAX_PEERS_WITH_SERIES } from './definitions.ts';

const A = ip('10.78.0.1');
const B = ip('10.78.0.2');
const UNREADABLE = {
  kind: 'dataplaneError',
  command: 'dump',
  object: 'SAs',
  errno: 'ENOBUFS',
  message: 'no',
} as const;
const PATH = { localAddress: A, localPort: 500, remoteAddress: B, remotePort: 500 };

interface WatchedOptions {
  readonly withPeers?: boolean;
  readonly xfrmErrors?: Map<string, number>;
  /** What its kernel says of every way. */
  readonly pathMtu?: { readonly link: number; readonly path: number };
}

/** A node that is watched and its peer, with virtual time and packets. */
class WatchedPair {
  readonly world = new TestWorld();
  readonly #hosts = [new TestHost(this.world, opensslProvider), new TestHost(this.world, opensslProvider)] as const;
  readonly metrics: AgentMetrics;
  readonly agent: Agent;

  /** Nothing can be read from its kernel. */
  isKernelSilent = false;

  constructor({ withPeers = true, xfrmErrors = new Map<string, number>(), pathMtu }: WatchedOptions = {}) {
    this.metrics = new AgentMetrics({
      clock: this.world.clock,
      timers: this.world.timers,
      version: '1.2.3',
      cryptoProvider: 'openssl',
      withPeers,
      report: () => this.agent?.status(),
      xfrmErrors: async () => xfrmErrors,
    });
    this.#hosts[0].observers.push(this.metrics.observer);
    const [first, second] = this.#hosts;
    const { kernel } = first;
    const dump = kernel.dump.bind(kernel);
    kernel.dump = () => (this.isKernelSilent ? err(UNREADABLE) : dump());
    const more = pathMtu === undefined ? {} : { pathMtus: { between: () => pathMtu } };
    this.agent = started(first, testConfig(opensslProvider, 'node-a', A, { 'node-b': B }), more);
    started(second, testConfig(opensslProvider, 'node-b', B, { 'node-a': A }));
    this.world.pass(1_000);
  }

  /** Lets time pass, also for the kernels. */
  pass(ms: number): void {
    this.world.pass(ms);
    for (const { kernel } of this.#hosts) kernel.advance();
    this.world.pass(10_000);
  }

  send(payloadBytes: number): void {
    const plain = {
      kind: 'plain',
      source: A,
      destination: B,
      protocol: 17,
      sourcePort: 1,
      destinationPort: 2,
    } as const;
    expect(this.#hosts[0].kernel.outbound({ ...plain, payloadBytes })).toMatchObject({ kind: 'esp' });
  }

  async scrape(): Promise<Scrape> {
    return new Scrape((await this.metrics.expose()).text);
  }
}

/** What Prometheus reads out of an answer. */
class Scrape {
  readonly text: string;
  readonly #values = new Map<string, number>();

  constructor(text: string) {
    this.text = text;
    for (const line of text.split('\n').filter((each) => each !== '' && !each.startsWith('#'))) {
      const [, series = '', value = ''] =
        /^([a-z_]+(?:\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})?) (\S+)$/.exec(line) ?? [];
      expect(series, line).not.toBe('');
      expect(this.#values.has(series), `${series} is there twice`).toBe(false);
      this.#values.set(series, Number(value));
    }
  }

  value(series: string): number | undefined {
    return this.#values.get(series);
  }

  get series(): readonly string[] {
    return [...this.#values.keys()];
  }
}

function started(host: TestHost, config: Parameters<TestHost['start']>[0], more: Partial<AgentParts> = {}): Agent {
  const agent = host.start(config, [], more);
  if (!agent.ok) throw new Error(agent.error.text);
  return agent.value;
}

describe('the metrics of an agent', () => {
  it('tell the path MTU to each peer, what fits through each Child SA, and the least of all', async () => {
    const pair = new WatchedPair({ pathMtu: { link: 1_500, path: 1_400 } });
    const scrape = await pair.scrape();
    expect(scrape.value('ikemesh_path_mtu_bytes{peer="node-b"}')).toBe(1_400);
    const payload = scrape.value('ikemesh_child_sa_payload_mtu_bytes{peer="node-b",child="default"}');
    expect(payload).toBeGreaterThan(1_300);
    expect(payload).toBeLessThan(1_400);
    expect(scrape.value('ikemesh_path_mtu_min_bytes')).toBe(1_400);
    const unasked = await new WatchedPair().scrape();
    expect(unasked.series.filter((series) => series.includes('mtu'))).toEqual([]);
  });

  it('tell peers, SAs and their ages, and what the kernel has counted', async () => {
    const pair = new WatchedPair();
    pair.send(100);
    pair.world.pass(60_000);
    const scrape = await pair.scrape();
    expect(scrape.value('ikemesh_up')).toBe(1);
    expect(scrape.value('ikemesh_kernel_up')).toBe(1);
    expect(scrape.value('ikemesh_peers{state="encrypting"}')).toBe(1);
    expect(scrape.value('ikemesh_peer_state{peer="node-b"}')).toBe(3);
    expect(scrape.value('ikemesh_ike_sas{state="established"}')).toBe(1);
    expect(scrape.value('ikemesh_child_sas{state="installed"}')).toBe(1);
    expect(scrape.value('ikemesh_esp_sas{standing="current"}')).toBe(2);
    expect(scrape.value('ikemesh_esp_sas{standing="missing"}')).toBe(0);
    expect(scrape.value('ikemesh_ike_sa_established_seconds{peer="node-b"}')).toBe(61);
    expect(scrape.value('ikemesh_child_sa_installed_seconds{peer="node-b",child="default"}')).toBe(61);
    const [rekey, expiry] = ['rekey', 'expiry'].map((what) =>
      scrape.value(`ikemesh_child_sa_${what}_seconds{peer="node-b",child="default"}`),
    );
    expect(rekey).toBeGreaterThan(0);
    expect(rekey).toBeLessThan(3_540);
    expect(expiry).toBeGreaterThan(rekey ?? 0);
    expect(scrape.value('ikemesh_child_sa_packets_total{peer="node-b",child="default",direction="out"}')).toBe(1);
    expect(scrape.value('ikemesh_esp_packets_total{direction="out"}')).toBe(1);
    expect(scrape.value('ikemesh_esp_bytes_total{direction="out"}')).toBeGreaterThanOrEqual(100);
    expect(scrape.value('ikemesh_negotiations_total{outcome="established",reason="",by="us"}')).toBe(1);
    expect(scrape.value('ikemesh_handshake_duration_seconds_count{role="initiator"}')).toBe(1);
  });

  it('count traffic on when an SA takes the place of another', async () => {
    const pair = new WatchedPair();
    const packets = 'ikemesh_child_sa_packets_total{peer="node-b",child="default",direction="out"}';
    for (let count = 0; count < 5; count += 1) pair.send(10);
    expect((await pair.scrape()).value(packets)).toBe(5);
    pair.pass(3_601_000);
    const rekeyed = await pair.scrape();
    expect(rekeyed.value('ikemesh_rekeys_total{sa="child",outcome="rekeyed",reason="",by="us"}')).toBe(1);
    expect(rekeyed.value('ikemesh_sa_expirations_total{limit="soft"}')).toBeGreaterThan(0);
    expect(rekeyed.value(packets)).toBe(5);
    pair.send(10);
    expect((await pair.scrape()).value(packets)).toBe(6);
  });

  it('count no packet twice where the kernel did not answer for a while', async () => {
    const pair = new WatchedPair();
    for (let count = 0; count < 5; count += 1) pair.send(10);
    const packets = 'ikemesh_esp_packets_total{direction="out"}';
    expect((await pair.scrape()).value(packets)).toBe(5);
    pair.isKernelSilent = true;
    expect((await pair.scrape()).value(packets)).toBe(5);
    pair.isKernelSilent = false;
    expect((await pair.scrape()).value(packets)).toBe(5);
  });

  it('say that nothing is known where the kernel does not answer, instead of calling every SA missing', async () => {
    const metrics = alone({ report: { ...reportOf(new WatchedPair()), kernelFailure: 'EPERM' } });
    const scrape = new Scrape((await metrics.expose()).text);
    expect(scrape.value('ikemesh_kernel_up')).toBe(0);
    expect(scrape.series.filter((each) => each.startsWith('ikemesh_esp_sas'))).toEqual([]);
  });

  it('say whether TCP segments are clamped where they are to be', async () => {
    const report = reportOf(new WatchedPair());
    const value = async (told: Partial<typeof report>) => {
      const { text } = await alone({ report: { ...report, ...told } }).expose();
      return new Scrape(text).value('ikemesh_mss_clamp_up');
    };
    expect(await value({})).toBe(1);
    expect(await value({ mssClampFailure: 'this kernel lacks nf_tables' })).toBe(0);
  });

  it('say that no agent runs while one stands by', async () => {
    const scrape = new Scrape((await alone({ report: undefined }).expose()).text);
    expect(scrape.value('ikemesh_up')).toBe(0);
    expect(scrape.value('ikemesh_xfrm_errors_total{error="XfrmInNoStates"}')).toBe(7);
    expect(scrape.value('process_resident_memory_bytes')).toBeGreaterThan(1e6);
  });

  it('count a peer for which the first packet makes SAs as idle, and not as down', async () => {
    const report = reportOf(new WatchedPair());
    const [peer] = report.peers;
    if (peer === undefined) throw new Error('there is no peer');
    const idle = peerVerdict({
      ikeSas: [],
      config: { initiation: 'onDemand' } as ConnectionConfig,
      espInUdp: false,
      missingPolicies: [],
      lastFailure: undefined,
      kernelFailure: undefined,
    });
    const peers = [{ ...peer, ...idle, ikeSas: [] }];
    const scrape = new Scrape((await alone({ report: { ...report, peers } }).expose()).text);
    expect(scrape.value('ikemesh_peers{state="idle"}')).toBe(1);
    expect(scrape.value('ikemesh_peers{state="down"}')).toBe(0);
    expect(scrape.value('ikemesh_peer_state{peer="node-b"}')).toBe(4);
  });

  it('have no series of single peers where that is not wanted, but all of the node', async () => {
    const scrape = await new WatchedPair({ withPeers: false }).scrape();
    expect(scrape.series.filter((each) => each.includes('peer="') || each.includes('child="'))).toEqual([]);
    expect(scrape.value('ikemesh_peers{state="encrypting"}')).toBe(1);
    expect(scrape.value('ikemesh_esp_bytes_total{direction="in"}')).toBe(0);
  });

  it('do not count as another establishment what replaces an IKE SA that is there, as after the renewal of a certificate', async () => {
    const pair = new WatchedPair();
    const series = 'ikemesh_peer_establishments_total{peer="node-b"}';
    const before = (await pair.scrape()).value(series) ?? 0;
    pair.metrics.observer.note(ESTABLISHED);
    pair.metrics.observer.note({ ...ESTABLISHED, renews: true });
    expect((await pair.scrape()).value(series)).toBe(before + 1);
  });

  it('have at most 16 series for a peer with one Child SA', async () => {
    const pair = new WatchedPair();
    for (const fact of [...FACTS, refusal('node-b', 'peer')]) pair.metrics.observer.note(fact);
    const own = (await pair.scrape()).series.filter((each) => each.includes('peer="node-b"'));
    expect(own.length).toBeLessThanOrEqual(16);
  });

  it('have no series for more peers than the largest mesh has, and say how many are without', async () => {
    const report = reportOf(new WatchedPair());
    const [peer] = report.peers;
    if (peer === undefined) throw new Error('there is no peer');
    const peers = Array.from({ length: MAX_PEERS_WITH_SERIES + 5 }, (_, index) => ({ ...peer, name: `p${index}` }));
    const metrics = alone({ report: { ...report, peers } });
    metrics.observer.note(refusal(`p${MAX_PEERS_WITH_SERIES}`));
    const scrape = new Scrape((await metrics.expose()).text);
    const named = scrape.series.map((each) => /peer="(p[0-9]+)"/.exec(each)?.[1]).filter((name) => name !== undefined);
    expect(new Set(named).size).toBe(MAX_PEERS_WITH_SERIES);
    expect(scrape.value('ikemesh_peers_without_series')).toBe(5);
    expect(scrape.value('ikemesh_peers{state="encrypting"}')).toBe(MAX_PEERS_WITH_SERIES + 5);
  });

  it('have at most 260 series beside those of single peers', async () => {
    const errors = new Map(Array.from({ length: 32 }, (_, index) => [`Xfrm${index}`, 0]));
    const pair = new WatchedPair({ withPeers: false, xfrmErrors: errors });
    for (const fact of FACTS) pair.metrics.observer.note(fact);
    expect((await pair.scrape()).series.length).toBeLessThanOrEqual(260);
  });

  it('tell what may happen as 0 before it does, so that the first time is an increase', async () => {
    const scrape = await new WatchedPair().scrape();
    for (const series of [
      'ikemesh_negotiations_total{outcome="failed",reason="authenticationFailed",by="peer"}',
      'ikemesh_rekeys_total{sa="child",outcome="failed",reason="timeout",by="us"}',
      'ikemesh_sa_expirations_total{limit="hard"}',
      'ikemesh_ike_sas_closed_total{reason="peerDead"}',
      'ikemesh_reconcile_errors_total',
    ])
      expect(scrape.value(series), series).toBe(0);
  });

  it('tell how the agent was brought to what it is to do', async () => {
    const metrics = alone({});
    metrics.reconciliations.reconciled(0.3, 'done');
    metrics.reconciliations.reconciled(0.3, 'failed');
    const scrape = new Scrape((await metrics.expose()).text);
    expect(scrape.value('ikemesh_reconcile_duration_seconds_count')).toBe(2);
    expect(scrape.value('ikemesh_reconcile_errors_total')).toBe(1);
  });

  it('forget a peer that is configured no longer, but not what has passed', async () => {
    const pair = new WatchedPair();
    pair.send(10);
    pair.metrics.observer.note(refusal('node-b'));
    expect((await pair.scrape()).text).toContain('ikemesh_authentication_failures_total{peer="node-b",by="us"} 1');
    pair.agent.reload(testConfig(opensslProvider, 'node-a', A, {}));
    pair.world.pass(60_000);
    const scrape = await pair.scrape();
    expect(scrape.text).not.toContain('node-b');
    expect(scrape.value('ikemesh_esp_packets_total{direction="out"}')).toBe(1);
  });

  it('count what attacks would cause', async () => {
    const metrics = alone({});
    for (const fact of FACTS) metrics.observer.note(fact);
    const scrape = new Scrape((await metrics.expose()).text);
    const signs = scrape.series.filter((each) => each.startsWith('ikemesh_attack_signs_total'));
    expect(signs.map((each) => `${/"(.*)"/.exec(each)?.[1]} ${scrape.value(each)}`).sort()).toEqual([
      'authenticationFailure 1',
      'downgrade 2',
      'forgery 1',
      'halfOpenFlood 1',
      'replay 1',
      'unknownPeer 0',
      'unknownSpi 1',
    ]);
  });

  it('tell of two authorities of one name once, the one that ends first', async () => {
    const authority = { kind: 'authority', name: 'CN=Mesh CA', file: '/ca.crt' } as const;
    const report: StatusReport = {
      ...reportOf(new WatchedPair()),
      certificates: [
        { ...authority, until: '2026-11-27 22:04:05Z', secondsLeft: 5 },
        { ...authority, until: '2036-11-27 22:04:05Z', secondsLeft: 315_000_000 },
      ],
    };
    const scrape = new Scrape((await alone({ report }).expose()).text);
    const name = 'ikemesh_certificate_expiration_timestamp_seconds{kind="authority",name="CN=Mesh CA"}';
    expect(scrape.value(name)).toBe(Date.UTC(2026, 10, 27, 22, 4, 5) / 1_000);
  });

  it('tell of the authorities that the node depends on, whatever others last longer', async () => {
    const [until, later] = ['2026-11-27 22:04:05Z', '2036-11-27 22:04:05Z'];
    const authority = { kind: 'authority', file: '/ca.crt', secondsLeft: 5 } as const;
    const report: StatusReport = {
      ...reportOf(new WatchedPair()),
      certificates: Array.from({ length: 100 }, (_, index) => ({ ...authority, name: `CN=${index}`, until: later })),
      authorities: [
        { dependence: 'issuer', name: 'CN=Old', until, secondsLeft: 5 },
        { dependence: 'bundle', name: 'CN=New', until: later, secondsLeft: 315_000_000 },
      ],
    };
    const scrape = new Scrape((await alone({ report }).expose()).text);
    const name = 'ikemesh_certificate_expiration_timestamp_seconds';
    expect(scrape.value(`${name}{kind="issuer",name="CN=Old"}`)).toBe(Date.UTC(2026, 10, 27, 22, 4, 5) / 1_000);
    expect(scrape.value(`${name}{kind="bundle",name="CN=New"}`)).toBe(Date.UTC(2036, 10, 27, 22, 4, 5) / 1_000);
    expect(scrape.series.filter((each) => each.startsWith(name))).toHaveLength(64);
  });

  it('have a value for every metric of the list, and no secret', async () => {
    const pair = new WatchedPair({ xfrmErrors: new Map([['XfrmInNoStates', 7]]) });
    for (const fact of FACTS) pair.metrics.observer.note(fact);
    const { peers, ...rest } = reportOf(pair);
    const [peer] = peers;
    const [sa] = peer?.ikeSas ?? [];
    if (peer === undefined || sa === undefined) throw new Error('there is no IKE SA');
    const report: StatusReport = {
      ...rest,
      peers: [
        {
          ...peer,
          certificate: { subject: '', issuer: '', serial: '01', notAfter: '2026-11-27 22:04:05Z', secondsLeft: 5 },
          ikeSas: [{ ...sa, reauthenticationSeconds: 5 }],
          mtu: { link: 1_500, path: 1_500, children: [{ name: 'default', payload: 1_438, overhead: 62 }] },
        },
      ],
      certificates: [{ kind: 'own', name: 'node-a', file: '', until: '2026-11-27 22:04:05Z', secondsLeft: 5 }],
      dropped: { malformed: 1 },
      unsent: { ENETUNREACH: 1 },
    };
    const metrics = alone({ report });
    for (const fact of FACTS) metrics.observer.note(fact);
    const { text } = await metrics.expose();
    expect(AGENT_METRICS.filter(({ name }) => !text.includes(`# TYPE ${name} `)).map(({ name }) => name)).toEqual([]);
    expect(text).not.toContain(TEST_SECRET);
  });
});

function reportOf(pair: WatchedPair): StatusReport {
  return pair.agent.status();
}

/** Metrics of a report that is given. */
function alone({ report }: { readonly report?: StatusReport | undefined }): AgentMetrics {
  const { clock, timers } = new TestWorld();
  return new AgentMetrics({
    clock,
    timers,
    version: '1.2.3',
    cryptoProvider: 'openssl',
    withPeers: true,
    report: () => report,
    xfrmErrors: async () => new Map([['XfrmInNoStates', 7]]),
  });
}

function refusal(connection: string, by: 'us' | 'peer' = 'us'): Fact {
  const reason = 'authenticationFailed';
  return { kind: 'negotiationFailed', connection, path: PATH, reason, by, text: 'its secret is another one' };
}

function drop(reason: Extract<Fact, { kind: 'datagramDropped' }>['reason']): Fact {
  return { kind: 'datagramDropped', reason, path: PATH, text: '' };
}

const ESTABLISHED = {
  kind: 'ikeSaEstablished',
  connection: 'node-b',
  ikeSa: 1,
  role: 'responder',
  path: PATH,
  initiatorSpi: '',
  responderSpi: '',
  suite: '',
  handshakeMs: 12,
  renews: false,
} as const satisfies Fact;

/** One of everything that is counted. */
const FACTS: readonly Fact[] = [
  refusal('node-b'),
  { kind: 'negotiationFailed', connection: '', path: PATH, reason: 'noProposalChosen', by: 'us', text: '' },
  drop('halfOpenLimit'),
  drop('integrity'),
  drop('differentRetransmission'),
  drop('unauthenticatedNotify'),
  drop('unknownSpi'),
  drop('malformed'),
  ESTABLISHED,
  { kind: 'ikeSaClosed', connection: 'node-b', ikeSa: 1, path: PATH, reason: 'peerDead', established: true },
  {
    kind: 'childSaClosed',
    connection: 'node-b',
    ikeSa: 1,
    child: 'default',
    inboundSpi: 1,
    outboundSpi: 2,
    reason: 'peerDead',
  },
  {
    kind: 'childSaRekeyed',
    connection: 'node-b',
    child: 'default',
    by: 'peer',
    replacedInboundSpi: 1,
    inboundSpi: 2,
  },
  { kind: 'rekeyFailed', connection: 'node-b', child: '', reason: 'timeout', by: 'us' },
  { kind: 'rekeyPostponed', connection: 'node-b', child: 'default' },
  { kind: 'saExpired', connection: 'node-b', child: 'default', hard: true },
  {
    kind: 'collision',
    connection: 'node-b',
    child: 'default',
    request: 'rekeyChild',
    own: 'rekeyChild',
    decision: 'grant',
  },
  { kind: 'retransmitted', connection: 'node-b', path: PATH, attempt: 1 },
  { kind: 'livenessChecked', connection: 'node-b', path: PATH },
  { kind: 'peerMoved', connection: 'node-b', from: PATH, to: PATH },
  { kind: 'acquired', connection: 'node-b', child: 'default' },
  { kind: 'peerRevoked', connection: 'node-b', text: '' },
  {
    kind: 'dataplaneFailed',
    connection: 'node-b',
    error: { kind: 'dataplaneError', command: 'addSa', object: '', errno: 'EEXIST', message: '' },
  },
];
