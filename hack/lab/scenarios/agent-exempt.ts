import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

import type { Packet } from '../capture/packet.ts';
import { AgentPair, type PairEnd, pairAddresses } from '../pair/agent-pair.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';
import { waitUntil } from '../runner/wait-until.ts';
import { expectPing } from '../traffic/counted-pings.ts';

type Mode = 'transport' | 'tunnel';

/** How far the exemption has come at an end. */
type Step = 'Accept' | 'Send' | undefined;

export default (['transport', 'tunnel'] as const).map(
  (mode): Scenario => ({
    name: `agent-exempt-${mode}`,
    description: `Required, ${mode} mode: exempt ports are plain and no others; they come, go and outlive an agent without loss`,
    usesAgent: true,
    timeoutMs: 150_000,
    run: (lab) => new ExemptPair(lab, mode).run(),
  }),
);

/** Two agents, each of which is told at its own time what stays in plaintext. */
class ExemptPair {
  readonly #lab: Lab;
  readonly #mode: Mode;
  readonly #steps: Record<PairEnd, Step> = { a: undefined, b: undefined };

  constructor(lab: Lab, mode: Mode) {
    this.#lab = lab;
    this.#mode = mode;
  }

  async run(): Promise<void> {
    const pair = await AgentPair.create(this.#lab, { peer: (end) => this.#peer(end) });
    await pair.connect({ flushOnExit: true });
    const exempt = await pair.stream(200, EXEMPT_PORT);
    const encrypted = await pair.stream(50, ENCRYPTED_PORT);
    await delay(1_000);
    this.#lab.step('both ends accept the exemption, then both send it');
    for (const step of ['Accept', 'Send'] as const) {
      for (const end of ['a', 'b'] as const) await this.#take(pair, end, step);
    }
    await delay(1_000);
    this.#lab.step('a TCP connection to either end, and what is not exempt');
    for (const end of ['a', 'b'] as const) await connectTo(pair, end);
    await expectPing(pair.node('a'), pairAddresses.b.ipv4);
    this.#lab.step('the agent of b is killed, and starts again');
    await pair.agent('b').kill();
    await delay(2_000);
    await connectTo(pair, 'b');
    await pair.expectForeignUntouched();
    await pair.start('b', { flushOnExit: true });
    await pair.settled();
    await pair.expectForeignUntouched();
    this.#lab.step('both ends stop sending it, then both refuse it');
    for (const step of ['Accept', undefined] as const) {
      for (const end of ['b', 'a'] as const) await this.#take(pair, end, step);
    }
    await delay(1_000);
    await pair.expectNothingLost(exempt);
    await pair.expectNothingLost(encrypted);
    const { packets } = await pair.close({ atLeastFrom: { a: 200, b: 200 }, allowed: isExempt });
    const seen = (protocol: string) =>
      packets.filter((packet) => isExempt(packet) && packet.summary.includes(` ${protocol} `)).length;
    assert.ok(seen('UDP') >= 800, `${seen('UDP')} exempt datagrams in plaintext, at least 800 expected`);
    assert.ok(seen('TCP') >= 20, `${seen('TCP')} exempt TCP segments in plaintext, at least 20 expected`);
    this.#lab.step(
      `${seen('UDP')} datagrams and ${seen('TCP')} TCP segments were seen in plaintext, all of them exempt`,
    );
  }

  /** The peer as an end is told of it at its present step. */
  #peer(end: PairEnd): Readonly<Record<string, unknown>> {
    const [local, remote] = [pairAddresses[end].ipv4, pairAddresses[otherEnd(end)].ipv4];
    const children = [{ name: 'default', mode: 'Tunnel', selectors: [{ local, remote }] }];
    const stage = this.#steps[end];
    const exempt = [
      { protocol: 'TCP', ports: [{ from: TCP_PORT }], cidr: '192.0.2.0/24', stage },
      { protocol: 'UDP', ports: [{ from: EXEMPT_PORT }], cidr: '192.0.2.0/24', stage },
    ];
    return { ...(this.#mode === 'tunnel' ? { children } : {}), ...(stage === undefined ? {} : { exempt }) };
  }

  /** Has an end read its configuration at another step, and waits until its kernel has it. */
  async #take(pair: AgentPair, end: PairEnd, step: Step): Promise<void> {
    this.#steps[end] = step;
    pair.agent(end).reload(pair.configuration(end));
    await waitUntil(`${end} to be at ${step ?? 'no exemption'}`, async () => {
      const { exempt = [] } = await pair.peer(end);
      if (exempt.some(({ installed, policies }) => installed < policies)) return false;
      return step === undefined
        ? exempt.length === 0
        : exempt.length === 2 && exempt.every(({ stage }) => stage === step);
    });
  }
}

/** One connection, whose server answers with what it was sent. */
async function connectTo(pair: AgentPair, server: PairEnd): Promise<void> {
  const words = [pairAddresses[server].ipv4, `${TCP_PORT}`];
  const listening = pair.node(server).spawn('echo', ['node', '--eval', SERVER, ...words]);
  await listening.said(/^listening$/m);
  const answer = await pair.node(otherEnd(server)).succeed(['node', '--eval', CLIENT, ...words], { timeoutMs: 20_000 });
  assert.equal(answer, 'hello');
  await listening.exited();
}

function isExempt({ kind, summary }: Packet): boolean {
  if (kind !== 'plaintext') return false;
  const ports = / (UDP|TCP) (\d+) > (\d+)/.exec(summary);
  const exempt = ports?.[1] === 'TCP' ? TCP_PORT : EXEMPT_PORT;
  return ports?.slice(2).includes(`${exempt}`) === true;
}

function otherEnd(end: PairEnd): PairEnd {
  return end === 'a' ? 'b' : 'a';
}

const EXEMPT_PORT = 7100;
const ENCRYPTED_PORT = 7000;
const TCP_PORT = 8443;
const SERVER = `
const [address, port] = process.argv.slice(1);
const server = require('node:net').createServer((socket) => {
  socket.pipe(socket);
  server.close();
});
server.listen(Number(port), address, () => console.log('listening'));`;
const CLIENT = `
const [address, port] = process.argv.slice(1);
const socket = require('node:net').connect(Number(port), address, () => socket.end('hello'));
socket.pipe(process.stdout);`;
