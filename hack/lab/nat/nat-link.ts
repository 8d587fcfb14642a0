import assert from 'node:assert/strict';

import type { AgentProcess } from '../agent/agent-process.ts';
import type { Capture } from '../capture/capture.ts';
import type { Packet } from '../capture/packet.ts';
import { type CaptureReport, expectOnlyEspAndIke } from '../capture/report.ts';
import type { Lab } from '../runner/scenario.ts';
import { waitUntil } from '../runner/wait-until.ts';
import type { Charon } from '../strongswan/charon.ts';
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
  type NatSide,
  otherSide,
  secret,
  secretFile,
} from './nat-ends.ts';
import { inner, type NatMachines, natMachines, places } from './nat-machines.ts';

/** A client behind a NAT and a server in front of it; the wire outside is captured from before either starts. */
export class NatLink {
  readonly lab: Lab;
  readonly machines: NatMachines;
  readonly #settings: NatSettings;
  readonly #capture: Capture;
  readonly #drops: ReadonlyMap<NatSide, XfrmStat>;
  readonly #agents = new Map<NatSide, AgentProcess>();
  readonly #charons = new Map<NatSide, Charon>();

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
    const machines = await natMachines(lab);
    const capture = await lab.capture(machines.outside);
    const drops = new Map<NatSide, XfrmStat>();
    for (const side of sides) drops.set(side, await readXfrmStat(machines[side]));
    return new NatLink(lab, settings, machines, capture, drops);
  }

  /** Starts both ends, the server first; afterwards both have the Child SA, in UDP. */
  async connect(): Promise<void> {
    for (const side of ['server', 'client'] as const) {
      this.lab.step(`the ${side} starts: ${this.#settings[side]}`);
      if (this.#settings[side] === 'agent') await this.#startAgent(side);
      else await this.#startCharon(side);
    }
    if (this.#settings.client === 'charon') await this.charon('client').establish({ child: childName });
    for (const side of sides) await waitUntil(`a Child SA of the ${side}`, () => this.#encrypts(side));
    for (const side of sides) {
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

  charon(side: NatSide): Charon {
    const charon = this.#charons.get(side);
    assert.ok(charon, `no charon on the ${side}`);
    return charon;
  }

  /** Pings both ways; everything is answered. */
  async exchange(count = 10): Promise<void> {
    this.lab.step('packets in both directions');
    const { client, server } = this.machines;
    await expectPing(client, this.#seen('server'), { count, intervalMs: 20, ...this.#from('client') });
    await expectPing(server, this.#seen('client'), { count, intervalMs: 20, ...this.#from('server') });
  }

  /** Data by TCP each way: the checksums that a NAT makes wrong in transport mode do not matter. */
  async exchangeTcp(): Promise<void> {
    this.lab.step('data by TCP in each direction');
    for (const receiver of sides) {
      const port = receiver === 'client' ? 7101 : 7102;
      const listener = this.machines[receiver].spawn(`tcp-${port}`, ['sh', '-c', `nc -l ${port} | wc -c`]);
      const send = `head -c ${TCP_BYTES} /dev/zero | nc -N ${this.#seen(receiver)} ${port}`;
      await waitUntil('the receiver to listen', async () => {
        const sockets = await this.machines[receiver].succeed(['ss', '-tlnH', `sport = :${port}`]);
        return sockets.trim() !== '';
      });
      await this.machines[otherSide(receiver)].succeed(['sh', '-c', send]);
      await listener.exited();
      assert.equal(Number(listener.log().trim()), TCP_BYTES, `bytes by TCP to the ${receiver}`);
    }
  }

  /** Starts numbered datagrams in both directions. */
  stream(rate: number): Promise<CountedStream> {
    const end = (side: NatSide) => ({
      node: this.machines[side],
      address: this.#own(side),
      seenAs: this.#seen(side),
    });
    return this.lab.stream({ ends: [end('client'), end('server')], rate });
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
    this.lab.step('both ends stop; nothing of them stays');
    // Agents first: they wait for the answer to their Delete, charon does not; and the client would begin again.
    for (const side of sides) {
      const agent = this.#agents.get(side);
      const end = await agent?.stop();
      if (end !== undefined) assert.equal(end.code, 0, `the agent of the ${side} ended:\n${agent?.log()}`);
    }
    for (const charon of this.#charons.values()) await charon.stop();
    const report = await this.#capture.stop();
    expectOnlyEspAndIke(report, { atLeastFrom: { router: 5, server: 5 }, allowed });
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

  async #startCharon(side: NatSide): Promise<void> {
    const swanctl = charonConfiguration(side, this.#settings);
    this.#charons.set(side, await this.lab.charon(this.machines[side], { swanctl }));
  }

  async #encrypts(side: NatSide): Promise<boolean> {
    const agent = this.#agents.get(side);
    if (agent !== undefined) return (await agent.status()).peers.every((peer) => peer.state === 'encrypting');
    const sas = await this.charon(side).listSas();
    return sas.some((sa) => sa.children.some((child) => child.state === 'INSTALLED' && child.encapsulated));
  }

  /** Where a side's payload comes from, as the side itself has it. */
  #own(side: NatSide): string {
    return this.#settings.mode === 'tunnel' ? inner[side].host : places[side];
  }

  /** The same as the other side has it: of what is in a tunnel no NAT changes anything. */
  #seen(side: NatSide): string {
    return this.#settings.mode === 'transport' && side === 'client' ? places.public : this.#own(side);
  }

  #from(side: NatSide): { readonly from?: string } {
    return this.#settings.mode === 'tunnel' ? { from: inner[side].host } : {};
  }
}

async function ownStates(node: LabNode): Promise<readonly StateDump[]> {
  return (await dumpStates(node)).filter((state) => state.spi !== 0);
}

const sides: readonly NatSide[] = ['client', 'server'];
/** No more than a capture keeps up with. */
const TCP_BYTES = 50_000;
