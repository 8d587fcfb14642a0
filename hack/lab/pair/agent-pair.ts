import assert from 'node:assert/strict';

import { stringify } from 'yaml';

import type { PeerReport } from '../../../agent/runtime/status/report.ts';
import type { AgentProcess } from '../agent/agent-process.ts';
import { isSettled } from '../agent/settled.ts';
import type { Capture } from '../capture/capture.ts';
import { type CaptureReport, type EspExpectation, expectOnlyEspAndIke } from '../capture/report.ts';
import type { Lab } from '../runner/scenario.ts';
import { waitUntil } from '../runner/wait-until.ts';
import type { LabNode } from '../topology/lab-node.ts';
import type { Topology } from '../topology/topology.ts';
import { type CountedStream, expectNothingLost } from '../traffic/counted-stream.ts';
import { addForeignObjects, daemonStates, foreignText, type KernelText, kernelText } from '../xfrm/foreign-objects.ts';
import { expectNoXfrmDrops, readXfrmStat, type XfrmStat } from '../xfrm/xfrm-stat.ts';

/** The two ends; by its identity `a` is the one that begins. */
export type PairEnd = 'a' | 'b';

/** How a pair differs from a plain one: IPv4, one Child SA in transport mode, every default of the configuration. */
export interface PairSettings {
  /** Section `defaults` of both configuration files. */
  readonly defaults?: Readonly<Record<string, unknown>>;
  /** More fields of the peer at both ends, or as each end is to have them whenever it reads its configuration. */
  readonly peer?: Readonly<Record<string, unknown>> | ((end: PairEnd) => Readonly<Record<string, unknown>>);
  /** Section `metrics` of both. */
  readonly metrics?: Readonly<Record<string, unknown>>;
  /** Another machine on the same wire. */
  readonly third?: boolean;
}

/** How an agent of a pair is started. */
export interface PairStart {
  /** Leaves nothing in the kernel when it ends. Default that it leaves everything there, as an agent by default does. */
  readonly flushOnExit?: boolean;
  readonly logLevel?: 'debug' | 'info';
  /** Path at which its holder answers. */
  readonly holder?: string;
  /** It is started as a child of that holder. */
  readonly isChildOfHolder?: boolean;
}

/** The addresses of the ends, and of the third machine. */
export const pairAddresses = {
  a: { ipv4: '192.0.2.1', ipv6: '2001:db8::1' },
  b: { ipv4: '192.0.2.2', ipv6: '2001:db8::2' },
  third: { ipv4: '192.0.2.3', ipv6: '2001:db8::3' },
} as const;

/**
 * Two of our agents on a captured wire. Foreign SAs and policies are in both kernels from the beginning; `close` checks
 * that they, and the wire, are as promised.
 */
export class AgentPair {
  readonly lab: Lab;
  readonly settings: PairSettings;
  readonly topology: Topology<PairEnd | 'third', 'wire'>;
  readonly #capture: Capture;
  readonly #foreign: Ends<KernelText>;
  readonly #drops: Ends<XfrmStat>;
  readonly #agents = new Map<PairEnd, AgentProcess>();

  private constructor(
    lab: Lab,
    settings: PairSettings,
    topology: Topology<PairEnd | 'third', 'wire'>,
    capture: Capture,
    foreign: Ends<KernelText>,
    drops: Ends<XfrmStat>,
  ) {
    this.lab = lab;
    this.settings = settings;
    this.topology = topology;
    this.#capture = capture;
    this.#foreign = foreign;
    this.#drops = drops;
  }

  /** Makes machines and wire, and captures; nothing speaks IKE yet. */
  static async create(lab: Lab, settings: PairSettings = {}): Promise<AgentPair> {
    const names = settings.third === true ? (['a', 'b', 'third'] as const) : ends;
    const topology = await lab.topology({
      nodes: Object.fromEntries(names.map((name) => [name, {}])) as Record<(typeof names)[number], object>,
      links: {
        wire: {
          ends: names.map((node) => ({
            node,
            interface: 'eth0',
            addresses: [`${pairAddresses[node].ipv4}/24`, `${pairAddresses[node].ipv6}/64`],
          })),
        },
      },
    });
    const { a, b } = topology.nodes;
    await addForeignObjects(a, { local: pairAddresses.a, remote: pairAddresses.b });
    await addForeignObjects(b, { local: pairAddresses.b, remote: pairAddresses.a });
    const foreign = { a: await kernelText(a), b: await kernelText(b) };
    const drops = { a: await readXfrmStat(a), b: await readXfrmStat(b) };
    const capture = await lab.capture(topology.links.wire);
    return new AgentPair(lab, settings, topology, capture, foreign, drops);
  }

  /** The file that the capture is written to. */
  get captureFile(): string {
    return this.#capture.file;
  }

  node(end: PairEnd): LabNode {
    return this.topology.nodes[end];
  }

  /** The agent that was started last at this end. */
  agent(end: PairEnd): AgentProcess {
    const agent = this.#agents.get(end);
    assert.ok(agent, `no agent has been started on ${end}`);
    return agent;
  }

  /** The text of an end's configuration file. */
  configuration(end: PairEnd): string {
    const { defaults = {}, peer = {}, metrics } = this.settings;
    const other = otherEnd(end);
    return stringify({
      node: { name: end, identity: { fqdn: `${end}.lab.test` }, addresses: Object.values(pairAddresses[end]) },
      defaults,
      ...(metrics && { metrics }),
      peers: [
        {
          name: other,
          address: pairAddresses[other].ipv4,
          localAddress: pairAddresses[end].ipv4,
          identity: { fqdn: `${other}.lab.test` },
          authentication: { preSharedKey: { file: secretFile } },
          ...(typeof peer === 'function' ? peer(end) : peer),
        },
      ],
    });
  }

  /** Starts the agent of one end; it takes over what an earlier one has left. */
  async start(end: PairEnd, options: PairStart = {}): Promise<AgentProcess> {
    const agent = await this.lab.agent(this.node(end), this.configuration(end), {
      files: { [secretFile]: 'the secret of this pair, long enough\n' },
      arguments: [
        ...['--log-level', options.logLevel ?? 'debug'],
        ...(options.flushOnExit === true ? ['--flush-on-exit'] : []),
      ],
      ...(options.holder === undefined ? {} : { holder: options.holder }),
      isChildOfHolder: options.isChildOfHolder === true,
    });
    this.#agents.set(end, agent);
    await agent.ready();
    return agent;
  }

  /** Starts both agents and waits until they encrypt. */
  async connect(options: PairStart = {}): Promise<void> {
    this.lab.step('both agents start');
    await Promise.all(ends.map((end) => this.start(end, options)));
    await this.settled();
  }

  /** What the agent of an end says of the other one. */
  async peer(end: PairEnd): Promise<PeerReport> {
    const [peer] = (await this.agent(end).status()).peers;
    assert.ok(peer, `the agent of ${end} has no peer`);
    return peer;
  }

  /** Waits until each end has one IKE SA with one pair of SAs, and nothing of what these have replaced. */
  async settled(timeoutMs = 40_000): Promise<void> {
    for (const end of ends) {
      await waitUntil(
        `${end} to have one IKE SA and one pair of SAs, in its status and in its kernel`,
        async () => {
          const { end: ended } = this.agent(end);
          assert.equal(ended, undefined, `the agent of ${end} ended:\n${ended && this.agent(end).log()}`);
          return isSettled(await this.agent(end).status()) && (await daemonStates(this.node(end))).length === 2;
        },
        { timeoutMs, intervalMs: 200 },
      );
    }
  }

  /** Starts numbered datagrams in both directions. */
  stream(rate = 200, port = 7000): Promise<CountedStream> {
    const [a, b] = ends.map((end) => ({ node: this.node(end), address: pairAddresses[end].ipv4 }));
    assert.ok(a && b);
    return this.lab.stream({ ends: [a, b], rate, port });
  }

  /** Stops a stream that must have lost nothing. */
  async expectNothingLost(stream: CountedStream): Promise<void> {
    expectNothingLost(await stream.stop());
  }

  /** What is not the agents' is as it was in the beginning, byte for byte. */
  async expectForeignUntouched(): Promise<void> {
    for (const end of ends)
      assert.deepEqual(await foreignText(this.node(end)), this.#foreign[end], `foreign on ${end}`);
  }

  /** Ends both agents, which must have been told to leave nothing in the kernel, then checks. */
  async close(expectation: EspExpectation = {}, allowedDrops: readonly string[] = []): Promise<CaptureReport> {
    this.lab.step('both agents end; nothing of them stays');
    for (const end of ends) {
      const { code } = await this.agent(end).stop();
      assert.equal(code, 0, `the agent of ${end} ended with ${code}:\n${this.agent(end).log()}`);
      const left = await kernelText(this.node(end));
      assert.deepEqual(left, this.#foreign[end], `kernel of ${end}: the foreign objects and nothing else`);
    }
    const report = await this.#capture.stop();
    expectOnlyEspAndIke(report, { atLeastFrom: { a: 1, b: 1 }, ...expectation });
    for (const end of ends) {
      const icmpErrors = report.bySender.get(otherEnd(end))?.icmpError ?? 0;
      await expectNoXfrmDrops(this.node(end), this.#drops[end], allowedDrops, icmpErrors);
    }
    return report;
  }
}

type Ends<T> = Readonly<Record<PairEnd, T>>;

/** The other one. */
function otherEnd(end: PairEnd): PairEnd {
  return end === 'a' ? 'b' : 'a';
}

const ends = ['a', 'b'] as const;
const secretFile = 'pair.psk';
