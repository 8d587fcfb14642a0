import assert from 'node:assert/strict';

import type { PeerReport } from '../../../agent/runtime/status/report.ts';
import type { AgentProcess } from '../agent/agent-process.ts';
import type { Capture } from '../capture/capture.ts';
import { type CaptureReport, expectOnlyEspAndIke } from '../capture/report.ts';
import type { IkeDaemon, IkeSa } from '../ike-daemon/ike-daemon.ts';
import { Pluto } from '../libreswan/pluto.ts';
import type { Lab } from '../runner/scenario.ts';
import { waitUntil } from '../runner/wait-until.ts';
import { Charon } from '../strongswan/charon.ts';
import type { LabNode } from '../topology/lab-node.ts';
import { expectPing, ping } from '../traffic/counted-pings.ts';
import type { CountedStream } from '../traffic/counted-stream.ts';
import { addForeignObjects, daemonStates, type KernelText, kernelText } from '../xfrm/foreign-objects.ts';
import { expectNoXfrmDrops, readXfrmStat, type XfrmStat } from '../xfrm/xfrm-stat.ts';
import { startPluto } from './libreswan-peer.ts';
import {
  addresses,
  childrenOf,
  type LinkSettings,
  ourConfiguration,
  type PeerKind,
  type Role,
  type Sides,
  secretOf,
} from './link-settings.ts';
import { type Machines, twoMachines, twoNetworks } from './machines.ts';
import { startIked } from './openiked-peer.ts';
import { startCharon } from './strongswan-peer.ts';

/**
 * Our agent at one end of a captured wire, an IKE daemon of others at the other. The wire is captured from before either
 * starts, our kernel holds foreign SAs and policies from the beginning, and `close` checks that they, and the wire, are
 * as promised.
 */
export class InteropLink {
  readonly lab: Lab;
  /** Who is at the other end; also its name in our configuration file. */
  readonly kind: PeerKind;
  readonly role: Role;
  readonly settings: LinkSettings;
  readonly machines: Machines;
  readonly #capture: Capture;
  readonly #foreign: KernelText;
  readonly #drops: Sides<XfrmStat>;
  #agent: AgentProcess | undefined;
  #daemon: IkeDaemon | undefined;

  private constructor(
    lab: Lab,
    kind: PeerKind,
    role: Role,
    settings: LinkSettings,
    machines: Machines,
    capture: Capture,
    foreign: KernelText,
    drops: Sides<XfrmStat>,
  ) {
    this.lab = lab;
    this.kind = kind;
    this.role = role;
    this.settings = settings;
    this.machines = machines;
    this.#capture = capture;
    this.#foreign = foreign;
    this.#drops = drops;
  }

  /** Makes machines and wire, and captures; nothing speaks IKE yet. */
  static async create(lab: Lab, kind: PeerKind, role: Role, settings: LinkSettings): Promise<InteropLink> {
    const machines = settings.networks === true ? await twoNetworks(lab) : await twoMachines(lab);
    const capture = await lab.capture(machines.wire);
    const { ours, theirs } = machines.gateways;
    await addForeignObjects(ours, {
      local: { ipv4: addresses[4].wire.ours, ipv6: addresses[6].wire.ours },
      remote: { ipv4: addresses[4].wire.theirs, ipv6: addresses[6].wire.theirs },
    });
    const drops = { ours: await readXfrmStat(ours), theirs: await readXfrmStat(theirs) };
    return new InteropLink(lab, kind, role, settings, machines, capture, await kernelText(ours), drops);
  }

  get agent(): AgentProcess {
    assert.ok(this.#agent, 'the agent has not been started');
    return this.#agent;
  }

  /** The other end. */
  get daemon(): IkeDaemon {
    assert.ok(this.#daemon, 'the other end has not been started');
    return this.#daemon;
  }

  /** The other end where it is strongSwan, with everything that only that can. */
  get charon(): Charon {
    assert.ok(this.daemon instanceof Charon, 'the other end is not strongSwan');
    return this.daemon;
  }

  /** The other end where it is libreswan. */
  get pluto(): Pluto {
    assert.ok(this.daemon instanceof Pluto, 'the other end is not libreswan');
    return this.daemon;
  }

  /** Starts the other end; it does nothing by itself unless its configuration says so. */
  async startDaemon(): Promise<void> {
    this.lab.step(`${this.kind} starts`);
    this.#daemon = await daemons[this.kind](this.lab, this.machines.gateways.theirs, this.settings);
  }

  /** Starts our agent, which begins at once where it is the initiator and takes over what an earlier one has left. */
  async startAgent(options: { readonly flushOnExit?: boolean } = {}): Promise<void> {
    this.lab.step('our agent starts');
    const configuration = ourConfiguration(this.kind, this.settings, this.role === 'initiator', secretFile);
    this.#agent = await this.lab.agent(this.machines.gateways.ours, configuration, {
      files: { [secretFile]: secretOf(this.settings, 'ours'), ...this.settings.ours?.files },
      arguments: ['--log-level', 'debug', ...(options.flushOnExit === false ? [] : ['--flush-on-exit'])],
    });
    await this.#agent.ready();
  }

  /** Starts both sides; whoever has to begins; every configured Child SA is in both kernels afterwards. */
  async connect(options: { readonly flushOnExit?: boolean } = {}): Promise<void> {
    await this.startDaemon();
    await this.startAgent(options);
    if (this.role === 'responder') await this.establish();
    await this.encrypting();
  }

  /** Makes the other end ask for every Child SA. */
  async establish(): Promise<void> {
    this.lab.step(`${this.kind} initiates`);
    for (const { name } of childrenOf(this.settings)) await this.daemon.establish({ child: name });
  }

  /** Waits until our agent says that all Child SAs encrypt, and the other end that it has as many. */
  async encrypting(timeoutMs?: number): Promise<PeerReport> {
    const wanted = childrenOf(this.settings).length;
    const peer = await this.peerUntil('every Child SA to encrypt', (each) => each.state === 'encrypting', timeoutMs);
    await waitUntil(`${wanted} Child SAs of ${this.kind}`, async () => {
      const sas = await this.daemon.listSas();
      return sas.flatMap((sa) => sa.children).filter((child) => child.state === 'INSTALLED').length >= wanted;
    });
    return peer;
  }

  /** The one IKE SA that the other end has with us. */
  async theirIkeSa(): Promise<IkeSa> {
    const established = (await this.daemon.listSas()).filter((sa) => sa.state === 'ESTABLISHED');
    const [sa] = established;
    assert.ok(sa !== undefined && established.length === 1, `${this.kind} has ${established.length} IKE SAs`);
    return sa;
  }

  /** What `agent status --json` says of the peer. */
  async peer(): Promise<PeerReport> {
    const { peers } = await this.agent.status();
    const peer = peers.find((each) => each.name === this.kind);
    assert.ok(peer, 'the agent does not know the peer');
    return peer;
  }

  /** Waits until the status of the peer is as wanted. */
  peerUntil(what: string, wanted: (peer: PeerReport) => boolean, timeoutMs?: number): Promise<PeerReport> {
    return waitUntil(
      what,
      async () => {
        const { end } = this.agent;
        assert.equal(end, undefined, `the agent ended:\n${end && this.agent.log()}`);
        const peer = await this.peer();
        return wanted(peer) ? peer : undefined;
      },
      timeoutMs === undefined ? {} : { timeoutMs },
    );
  }

  /** Both sides say that they use these algorithms, in strongSwan's proposal syntax. */
  async expectSuites(ike: string, esp: string): Promise<void> {
    const [ours] = (await this.peer()).ikeSas;
    assert.deepEqual([ours?.suite, ours?.children[0]?.suite], [ike, esp], 'our status');
    const theirs = await this.theirIkeSa();
    assert.deepEqual([theirs.suite, theirs.children[0]?.suite], [ike, esp], `what ${this.kind} says`);
  }

  /** Waits until the other end has logged what it calls something. */
  async theyLog(words: Readonly<Partial<Record<PeerKind, string | RegExp>>>): Promise<void> {
    const { [this.kind]: expected } = words;
    assert.ok(expected !== undefined, `nobody has said what ${this.kind} calls it`);
    await this.daemon.logged(expected);
  }

  /**
   * Pings both ways; everything is answered, and the kernels of both ends have counted these packets on their Child
   * SAs, so that our status is true.
   */
  async exchange(count = 10): Promise<void> {
    this.lab.step('packets in both directions');
    const before = await this.#packetCounts();
    const places = this.payloadAddresses();
    await Promise.all([
      expectPing(this.machines.hosts.ours, places.theirs, { count }),
      expectPing(this.machines.hosts.theirs, places.ours, { count }),
    ]);
    const after = await this.#packetCounts();
    const counted = after.map((value, index) => value - (before[index] ?? 0));
    // Each request and each answer; in IPv6 neighbours may ask for one another beside them.
    const expected = counted.map(() => 2 * count);
    if (this.settings.family === 6 && this.settings.networks !== true) {
      assert.ok(
        counted.every((value) => value >= 2 * count),
        `packets counted by the SAs: ${counted}`,
      );
    } else assert.deepEqual(counted, expected, 'packets counted by the SAs: ours in and out, theirs in and out');
  }

  /** Waits until the status of the peer and a warning in the log both tell this failure. */
  async expectFailure(text: string): Promise<void> {
    await this.peerUntil(
      `the status to tell '${text}'`,
      ({ lastFailure }) => lastFailure?.text.includes(text) === true,
    );
    const warnings = this.agent
      .log()
      .split('\n')
      .filter((line) => line.includes('"level":"warn"'));
    assert.ok(
      warnings.some((line) => line.includes(text)),
      `no warning ${text} among:\n${warnings.join('\n')}`,
    );
  }

  /** Waits until each kernel has so many SAs in all, save foreign ones; what was deleted may still receive for a while. */
  async expectSaCount(count: number, timeoutMs = 20_000): Promise<void> {
    for (const node of [this.machines.gateways.ours, this.machines.gateways.theirs]) {
      await waitUntil(
        `${count} SAs in the kernel of ${node.name}`,
        async () => (await daemonStates(node)).length === count,
        { timeoutMs },
      );
    }
  }

  /** Makes the other end's kernel forget all SAs and policies, as a machine does that starts anew. */
  async forgetTheirKernel(): Promise<void> {
    await this.machines.gateways.theirs.ip('xfrm state flush', 'xfrm policy flush');
  }

  /** Waits until the other end has no established IKE SA any more. */
  async theyHaveNothing(timeoutMs?: number): Promise<void> {
    await waitUntil(
      `${this.kind} to have no IKE SA`,
      async () => (await this.daemon.listSas()).every((sa) => sa.state !== 'ESTABLISHED'),
      timeoutMs === undefined ? {} : { timeoutMs },
    );
  }

  /** What is to be protected and has no SA does not leave; that it did not, the capture shows in the end. */
  async expectBlocked(): Promise<void> {
    const before = await readXfrmStat(this.machines.gateways.ours);
    const { received } = await ping(this.machines.hosts.ours, this.payloadAddresses().theirs, {
      count: 3,
      waitMs: 100,
    });
    assert.equal(received, 0, 'packets were answered without an SA');
    const after = await readXfrmStat(this.machines.gateways.ours);
    const dropped = sum(blockedCounters.map((name) => (after.get(name) ?? 0) - (before.get(name) ?? 0)));
    assert.ok(dropped >= 3, `${dropped} of 3 packets were dropped for want of an SA`);
  }

  /** Starts numbered datagrams in both directions between the hosts. */
  stream(rate: number, port = 7000): Promise<CountedStream> {
    const { ours, theirs } = this.payloadAddresses();
    const { hosts } = this.machines;
    return this.lab.stream({
      ends: [
        { node: hosts.ours, address: ours },
        { node: hosts.theirs, address: theirs },
      ],
      rate,
      port,
    });
  }

  /** Waits until our SAs have received so many packets more. */
  async passes(packets: number): Promise<void> {
    const received = async () => sum((await this.#packetCounts()).slice(0, 1));
    const before = await received();
    await waitUntil(`${packets} more packets on our SAs`, async () => (await received()) >= before + packets);
  }

  /** Where payload goes, in the family of the Child SA's traffic. */
  payloadAddresses(): Sides<string> {
    const { networks, payloadFamily, family = 4 } = this.settings;
    const places = addresses[payloadFamily ?? family];
    return networks === true ? places.host : places.wire;
  }

  /** Ends our agent, which deletes everything of its own at both ends, then checks. */
  async close(checks: CloseChecks = {}): Promise<CaptureReport> {
    this.lab.step('our agent ends; nothing of it stays');
    const { code } = await this.agent.stop();
    assert.equal(code, 0, `the agent ended with ${code}:\n${this.agent.log()}`);
    // What strangers have begun it keeps for half a minute.
    await this.theyHaveNothing();
    const { ours, theirs } = this.machines.gateways;
    assert.deepEqual(await daemonStates(theirs), [], 'SAs left in the kernel of the peer');
    return this.check(ours, checks);
  }

  /** Checks what must hold at the end, whatever has happened. */
  async check(ours: LabNode, checks: CloseChecks): Promise<CaptureReport> {
    assert.deepEqual(await kernelText(ours), this.#foreign, 'our kernel: the foreign objects and nothing else');
    const report = await this.#capture.stop();
    expectOnlyEspAndIke(report, { atLeastFrom: checks.blocked === 'always' ? { ours: 0 } : { ours: 1, theirs: 1 } });
    const { gateways } = this.machines;
    const { blocked, blockedAt = 'ours', early = false, theyLose = false } = checks;
    const blockedIn = (side: keyof Sides<string>) =>
      blocked === undefined || blockedAt !== side ? [] : blockedCounters;
    await expectNoXfrmDrops(gateways.theirs, this.#drops.theirs, [
      ...blockedIn('theirs'),
      ...(theyLose ? [unknownSaCounter, larvalSaCounter] : []),
    ]);
    const icmpErrors = report.bySender.get('theirs')?.icmpError ?? 0;
    await expectNoXfrmDrops(
      gateways.ours,
      this.#drops.ours,
      [...blockedIn('ours'), ...(early ? [unknownSaCounter] : [])],
      icmpErrors,
    );
    return report;
  }

  /** Packets of all Child SAs: ours in, ours out, theirs in, theirs out. */
  async #packetCounts(): Promise<readonly number[]> {
    const ours = (await this.peer()).ikeSas.flatMap((sa) => sa.children);
    const theirs = (await this.daemon.listSas()).flatMap((sa) => sa.children);
    return [
      sum(ours.map((child) => child.inbound.packets ?? 0)),
      sum(ours.map((child) => child.outbound.packets ?? 0)),
      sum(theirs.map((child) => child.packetsIn)),
      sum(theirs.map((child) => child.packetsOut)),
    ];
  }
}

/** What may differ from nothing lost, nothing in plaintext, everything in ESP. */
export interface CloseChecks {
  /** The peer has sent on SAs before we had them: our kernel counts such packets as dropped, and gets them once more. */
  readonly early?: boolean;
  /** The peer has no SA, not yet or not any more, for packets that we have good reason to send on it. */
  readonly theyLose?: boolean;
  /** Packets were blocked for want of an SA: sometimes, or always, so that there was no ESP at all. */
  readonly blocked?: 'sometimes' | 'always';
  /** Whose packets. Default ours. */
  readonly blockedAt?: keyof Sides<string>;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** An SA is missing; a policy blocks what no SA has been agreed on for. */
const blockedCounters = ['XfrmOutNoStates', 'XfrmOutPolBlock'];
const unknownSaCounter = 'XfrmInNoStates';
/** What an SA counts of which so far only the SPI is there, by PF_KEY's GETSPI. */
const larvalSaCounter = 'XfrmAcquireError';
const secretFile = 'peer.psk';
const daemons = { strongswan: startCharon, libreswan: startPluto, openiked: startIked };
