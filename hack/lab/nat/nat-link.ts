import assert from 'node:assert/strict';

import type { AgentProcess } from '../agent/agent-process.ts';
import type { Capture } from '../capture/capture.ts';
import type { Packet } from '../capture/packet.ts';
import { type CaptureReport, expectOnlyEspAndIke } from '../capture/report.ts';
import type { IkeDaemon } from '../ike-daemon/ike-daemon.ts';
import type { Lab } from '../runner/scenario.ts';
import { waitUntil } from '../runner/wait-until.ts';
import type { LabNode } from '../topology/lab-node.ts';
import { expectPing } from '../traffic/counted-pings.ts';
import type { CountedStream } from '../traffic/counted-stream.ts';
import { dumpStates, type StateDump } from '../xfrm/xfrm-dump.ts';
import { readXfrmStat, type XfrmStat, xfrmStatChange } from '../xfrm/xfrm-stat.ts';
import {
  agentConfiguration,
  charonConfiguration,
  childName,
  type NatSettings,
  othersOf,
  plutoConfiguration,
  secret,
  secretFile,
  sidesOf,
} from './nat-ends.ts';
import {
  inner,
  type NatMachines,
  type NatSide,
  natMachines,
  outsideServer,
  ownAddress,
  places,
} from './nat-machines.ts';

/** Clients behind a NAT and a server beyond it; the wire outside is captured from before any of them starts. */
export class NatLink {
  readonly lab: Lab;
  readonly machines: NatMachines;
  readonly #settings: NatSettings;
  readonly #capture: Capture;
  readonly #drops: ReadonlyMap<NatSide, XfrmStat>;
  readonly #agents = new Map<NatSide, AgentProcess>();
  readonly #daemons = new Map<NatSide, IkeDaemon>();

  private constructor(
    lab: Lab,
    settings: NatSettings,
    machines: NatMachines,
    capture: Capture,
    drops: ReadonlyMap<NatSide, XfrmStat>,
  ) {
    this.lab = lab;
    this.machines = machines;
    this.#settings = settings;
    this.#capture = capture;
    this.#drops = drops;
  }

  /** Makes the machines and captures; the router does not translate yet. */
  static async create(lab: Lab, settings: NatSettings): Promise<NatLink> {
    const machines = await natMachines(lab, settings);
    const capture = await lab.capture(machines.outside);
    const drops = new Map<NatSide, XfrmStat>();
    for (const side of sidesOf(settings)) drops.set(side, await readXfrmStat(machines[side]));
    return new NatLink(lab, settings, machines, capture, drops);
  }

  /** All who speak IKE, the server last. */
  get sides(): readonly NatSide[] {
    return sidesOf(this.#settings);
  }

  /** Starts everyone, the server first; afterwards all have their Child SAs, in UDP. */
  async connect(): Promise<void> {
    for (const side of this.sides.toReversed()) {
      this.lab.step(`the ${side} starts: ${this.#settings[side]}`);
      if (this.#settings[side] === 'agent') await this.#startAgent(side);
      else await this.#startDaemon(side);
    }
    for (const side of this.sides) {
      if (side !== 'server') await this.#daemons.get(side)?.establish({ child: childName });
    }
    for (const side of this.sides) await waitUntil(`the Child SAs of the ${side}`, () => this.#encrypts(side));
    for (const side of this.sides) {
      const states = await ownStates(this.machines[side]);
      assert.ok(
        states.every((state) => state.encapsulation !== undefined),
        `an SA of the ${side} is not in UDP`,
      );
    }
  }

  agent(side: NatSide): AgentProcess {
    const agent = this.#agents.get(side);
    assert.ok(agent, `no agent on the ${side}`);
    return agent;
  }

  /** Pings each way between those who speak with one another; everything is answered. */
  async exchange(count = 10): Promise<void> {
    this.lab.step('packets in both directions');
    for (const side of this.sides) {
      for (const other of othersOf(side, this.#settings)) {
        const from = this.#settings.mode === 'tunnel' ? { from: inner[side].host } : {};
        await expectPing(this.machines[side], this.#seen(other), { count, ...from });
      }
    }
  }

  /** Data by TCP each way: the checksums that a NAT makes wrong in transport mode do not matter. */
  async exchangeTcp(): Promise<void> {
    this.lab.step('data by TCP in each direction');
    for (const receiver of this.sides) {
      const [sender = 'server'] = othersOf(receiver, this.#settings);
      const port = receiver === 'client' ? 7101 : 7102;
      const listener = this.machines[receiver].spawn(`tcp-${port}`, ['sh', '-c', `nc -l ${port} | wc -c`]);
      const send = `head -c ${TCP_BYTES} /dev/zero | nc -N ${this.#seen(receiver)} ${port}`;
      await waitUntil('the receiver to listen', async () => {
        const sockets = await this.machines[receiver].succeed(['ss', '-tlnH', `sport = :${port}`]);
        return sockets.trim() !== '';
      });
      await this.machines[sender].succeed(['sh', '-c', send]);
      await listener.exited();
      assert.equal(Number(listener.log().trim()), TCP_BYTES, `bytes by TCP to the ${receiver}`);
    }
  }

  /** Starts numbered datagrams in both directions between a client and the server. */
  stream(rate: number, from: NatSide = 'client'): Promise<CountedStream> {
    const end = (side: NatSide) => ({
      node: this.machines[side],
      address: this.#own(side),
      seenAs: this.#seen(side),
    });
    return this.lab.stream({ ends: [end(from), end('server')], rate, port: from === 'client' ? 7000 : 7001 });
  }

  /** SAs in the kernel of a side. */
  states(side: NatSide): Promise<readonly StateDump[]> {
    return ownStates(this.machines[side]);
  }

  /**
   * Ends both, then checks what every scenario promises. Packets that are `allowed` in plaintext outside may be dropped
   * at the end that they are for, each of them once, and nothing else may.
   */
  async close(allowed: (packet: Packet) => boolean = () => false): Promise<CaptureReport> {
    this.lab.step('all ends stop; nothing of them stays');
    // Agents first: they wait for the answer to their Delete, charon does not; and the client would begin again.
    for (const side of this.sides) {
      const agent = this.#agents.get(side);
      const end = await agent?.stop();
      if (end !== undefined) assert.equal(end.code, 0, `the agent of the ${side} ended:\n${agent?.log()}`);
    }
    for (const daemon of this.#daemons.values()) await daemon.stop();
    const report = await this.#capture.stop();
    expectOnlyEspAndIke(report, { atLeastFrom: { router: 5, [outsideServer(this.#settings)]: 5 }, allowed });
    assert.equal(report.total.esp, 0, 'ESP without UDP passed outside');
    for (const [side, before] of this.#drops) {
      const node = this.machines[side];
      const { XfrmInTmplMismatch: refused = 0, ...others } = xfrmStatChange(before, await readXfrmStat(node));
      assert.deepEqual(others, {}, `IPsec on the ${side} dropped packets`);
      const inPlaintext = report.packets.filter((packet) => allowed(packet) && packet.destination === places[side]);
      assert.ok(refused <= inPlaintext.length, `IPsec on the ${side} refused ${refused} packets`);
      assert.deepEqual(await ownStates(node), [], `SAs left in the kernel of the ${side}`);
    }
    return report;
  }

  async #startAgent(side: NatSide): Promise<void> {
    const agent = await this.lab.agent(this.machines[side], agentConfiguration(side, this.#settings), {
      files: { [secretFile]: secret },
      arguments: ['--log-level', 'debug', '--flush-on-exit'],
    });
    this.#agents.set(side, agent);
    await agent.ready();
  }

  async #startDaemon(side: NatSide): Promise<void> {
    const node = this.machines[side];
    const daemon =
      this.#settings[side] === 'pluto'
        ? await this.lab.pluto(node, plutoConfiguration(side, this.#settings))
        : await this.lab.charon(node, { swanctl: charonConfiguration(side, this.#settings) });
    this.#daemons.set(side, daemon);
  }

  async #encrypts(side: NatSide): Promise<boolean> {
    const agent = this.#agents.get(side);
    if (agent !== undefined) return (await agent.status()).peers.every((peer) => peer.state === 'encrypting');
    const children = ((await this.#daemons.get(side)?.listSas()) ?? []).flatMap((sa) => sa.children);
    const installed = children.filter((child) => child.state === 'INSTALLED' && child.encapsulated);
    return installed.length >= othersOf(side, this.#settings).length;
  }

  /** Where a side's payload comes from, as the side itself has it. */
  #own(side: NatSide): string {
    return this.#settings.mode === 'tunnel' ? inner[side].host : ownAddress(side, this.#settings);
  }

  /** The same as the other side has it: of what is in a tunnel no NAT changes anything. */
  #seen(side: NatSide): string {
    if (this.#settings.mode === 'tunnel') return this.#own(side);
    return side === 'server' ? places.server : places.public;
  }
}

async function ownStates(node: LabNode): Promise<readonly StateDump[]> {
  return (await dumpStates(node)).filter((state) => state.spi !== 0);
}

/** No more than a capture keeps up with. */
const TCP_BYTES = 50_000;
