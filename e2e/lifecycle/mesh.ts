import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { keyPem, pem, type TestAuthority } from '../../agent/pki/testing/authority.ts';
import type { PeerReport } from '../../agent/runtime/status/report.ts';
import type { AgentProcess } from '../../hack/lab/agent/agent-process.ts';
import { unsettledText } from '../../hack/lab/agent/settled.ts';
import { labRoot, validNow } from '../../hack/lab/interop/link-certificates.ts';
import type { Lab } from '../../hack/lab/runner/scenario.ts';
import { waitUntil } from '../../hack/lab/runner/wait-until.ts';
import type { LabNode } from '../../hack/lab/topology/lab-node.ts';
import type { Link } from '../../hack/lab/topology/link.ts';
import type { StreamEnd } from '../../hack/lab/traffic/counted-stream.ts';
import { addForeignObjects, daemonStates, foreignText, type KernelText } from '../../hack/lab/xfrm/foreign-objects.ts';
import {
  certificateFileNames,
  type NodePlace,
  type NodeSettings,
  nodeConfiguration,
  nodeIdentity,
} from './node-settings.ts';
import type { RowPlace } from './row.ts';
import { Traffic } from './traffic.ts';

/** How the agent of a node is started. */
export interface NodeStart {
  /** An agent of an earlier commit. */
  readonly earlier?: boolean;
  /** The machine has been booted since: the kernel says another boot id. */
  readonly rebooted?: boolean;
}

/**
 * Nodes on one wire, each with an agent that encrypts with all others by certificate. Foreign SAs and policies are in every
 * kernel from the beginning. What happens to the nodes is here; what is counted meanwhile is `traffic`.
 */
export class LifecycleMesh {
  readonly lab: Lab;
  readonly place: RowPlace;
  readonly names: readonly string[];
  readonly wire: Link;
  readonly traffic: Traffic;
  readonly #nodes: Readonly<Record<string, LabNode>>;
  readonly #settings = new Map<string, NodeSettings>();
  readonly #addresses: Map<string, string>;
  readonly #agents = new Map<string, AgentProcess>();
  readonly #foreign = new Map<string, KernelText>();
  readonly #unencrypted: { readonly from: number; until: number }[] = [];
  #authority: TestAuthority = labRoot('Lifecycle');
  #outageSeconds = 0;

  private constructor(lab: Lab, place: RowPlace, nodes: Readonly<Record<string, LabNode>>, wire: Link) {
    this.lab = lab;
    this.place = place;
    this.names = Object.keys(nodes);
    this.wire = wire;
    this.traffic = new Traffic(lab);
    this.#nodes = nodes;
    this.#addresses = new Map(this.names.map((name) => [name, addressOf(place, numberOf(name))]));
  }

  /** Makes nodes and wire; nothing speaks IKE yet. */
  static async create(
    lab: Lab,
    place: RowPlace,
    count: number,
    settings: (node: string) => NodeSettings,
  ): Promise<LifecycleMesh> {
    const names = NAMES.slice(0, count);
    const { nodes, links } = await lab.topology({
      nodes: Object.fromEntries(
        names.map((name) => {
          const loopback = bothFamilies.map((family) => `${behind({ family }, numberOf(name))}${HOST_LENGTH[family]}`);
          return [name, { loopback, routes: routesOf(name, names), sysctls: SYSCTLS }];
        }),
      ),
      links: {
        wire: {
          ends: names.map((node) => ({
            node,
            interface: 'eth0',
            addresses: bothFamilies.map((family) => `${addressOf({ family }, numberOf(node))}${LINK_LENGTH[family]}`),
          })),
        },
      },
    });
    const mesh = new LifecycleMesh(lab, place, nodes, links.wire);
    for (const name of names) {
      mesh.#settings.set(name, settings(name));
      await mesh.#addForeignObjects(name);
    }
    return mesh;
  }

  node(name: string): LabNode {
    const node = this.#nodes[name];
    assert.ok(node, `there is no node ${name}`);
    return node;
  }

  /** The agent that was started last on a node. */
  agent(name: string): AgentProcess {
    const agent = this.#agents.get(name);
    assert.ok(agent, `no agent has been started on ${name}`);
    return agent;
  }

  /** The other nodes. */
  others(name: string): readonly string[] {
    return this.names.filter((other) => other !== name);
  }

  /** Starts all agents and waits until every pair encrypts. */
  async connect(): Promise<void> {
    this.lab.step('all agents start');
    for (const name of this.names) {
      this.writeBundle(name, [this.#authority]);
      this.writeCertificate(name);
    }
    await Promise.all(this.names.map((name) => this.start(name)));
    await this.settled();
  }

  /** Starts the agent of a node; it takes over what an earlier one has left. */
  async start(name: string, options: NodeStart = {}): Promise<void> {
    const agent = await this.lab.agent(this.node(name), this.#configuration(name), {
      arguments: ['--log-level', 'debug'],
      ...(options.earlier === true ? { earlier: true } : {}),
      ...(options.rebooted === true ? { under: this.#anotherBootId() } : {}),
    });
    this.#agents.set(name, agent);
    // Three agents that start at once on one busy processor take their time; packets are counted all the while.
    await agent.ready(60_000);
  }

  /** Changes what the configuration of a node has, and has its agent read it. */
  async change(name: string, settings: NodeSettings): Promise<void> {
    this.#settings.set(name, { ...this.#settings.get(name), ...settings });
    await this.reload(name);
  }

  /** Has the agent of a node read its configuration, and waits until that is what it goes by. */
  async reload(name: string): Promise<void> {
    const agent = this.agent(name);
    agent.reload(this.#configuration(name));
    await delay(RELOAD_MS);
    const refusals = agent
      .log()
      .split('\n')
      .filter((line) => line.includes('configuration not applied'));
    assert.deepEqual(refusals, [], `the agent of ${name} refuses its configuration`);
  }

  /** Gives a node another address in place of the one it has; whoever is to know of it must be told. */
  moveAddress(name: string): string {
    const address = addressOf(this.place, numberOf(name) + 100);
    this.#addresses.set(name, address);
    return address;
  }

  /** The address that a node has, with the length of its network. */
  addressOnLink(name: string): string {
    return `${this.#addressOf(name)}${LINK_LENGTH[this.place.family]}`;
  }

  /** The words of `ip` for the way from anywhere to the network behind a node. */
  routeTo(name: string): string {
    return `${this.placeOf(name).network} via ${this.#addressOf(name)}`;
  }

  /** Has another authority issue from now on. */
  rollAuthority(): { readonly old: TestAuthority; readonly young: TestAuthority } {
    const old = this.#authority;
    const young = labRoot('Lifecycle, rolled');
    this.#authority = young;
    return { old, young };
  }

  /** Gives a node authorities to trust. */
  writeBundle(name: string, authorities: readonly TestAuthority[]): void {
    const text = authorities.map(({ der }) => pem('CERTIFICATE', der)).join('');
    this.#write(certificateFileNames(name).bundle, text);
  }

  /** Gives a node a new key and a new certificate. */
  writeCertificate(name: string): void {
    const { der, key } = this.#authority.node(nodeIdentity(name), validNow());
    this.#write(certificateFileNames(name).certificate, pem('CERTIFICATE', der));
    this.#write(certificateFileNames(name).key, keyPem(key));
  }

  /** What the agent of a node says of its peers. */
  async peers(name: string): Promise<readonly PeerReport[]> {
    return (await this.agent(name).status()).peers;
  }

  /** Waits until each node has one IKE SA with one pair of SAs for each peer and Child, and nothing of what these replaced. */
  async settled(children = 1, timeoutMs = 60_000): Promise<void> {
    for (const name of this.names) {
      let seen: string | undefined;
      try {
        await waitUntil(
          `${name} to have one IKE SA and one pair of SAs for each peer, in its status and in its kernel`,
          async () => {
            seen = await this.#unsettled(name, children);
            return seen === undefined;
          },
          { timeoutMs, intervalMs: 250 },
        );
      } catch (error) {
        throw new Error(`${error instanceof Error ? error.message : String(error)}: ${seen ?? 'it did not answer'}`);
      }
    }
  }

  async #unsettled(name: string, children: number): Promise<string | undefined> {
    const agent = this.agent(name);
    assert.equal(agent.end, undefined, `the agent of ${name} ended`);
    const report = await agent.status();
    const { length: peers } = report.peers;
    if (peers !== this.names.length - 1) return `it has ${peers} peers`;
    const states = await daemonStates(this.node(name));
    if (states.length === 2 * children * peers) return unsettledText(report, children);
    return `its kernel has ${states.length} SAs: ${states.map(({ spi }) => spi).join(', ')}`;
  }

  /** The ends of the streams: the nodes, by their own addresses or by those of the networks behind them. */
  ends(): readonly StreamEnd[] {
    return this.names.map((name) => this.#end(name));
  }

  /** What is done in here cuts nodes off; that packets are lost meanwhile cannot be helped. */
  async withoutNodes(cutOff: () => Promise<unknown>): Promise<void> {
    const started = performance.now();
    await cutOff();
    this.#outageSeconds += (performance.now() - started) / 1000;
  }

  /** For how long nodes were cut off. */
  get outageSeconds(): number {
    return this.#outageSeconds;
  }

  /** While this goes on, nobody has asked for encryption. */
  async unencrypted(run: () => Promise<unknown>): Promise<void> {
    const span = { from: Date.now() / 1000, until: Number.POSITIVE_INFINITY };
    this.#unencrypted.push(span);
    await run();
    span.until = Date.now() / 1000;
  }

  /** Whether encryption was asked for at a time, in seconds since 1970. */
  wasToBeEncrypted(at: number): boolean {
    return !this.#unencrypted.some(({ from, until }) => at >= from && at <= until);
  }

  /** A node loses all that its kernel had, what is not ours included, which is put there again as at every boot. */
  async forgetKernel(name: string): Promise<void> {
    await this.node(name).ip('xfrm state flush', 'xfrm policy flush');
    await this.#addForeignObjects(name);
  }

  /** What is not the agents' is as it was in the beginning, byte for byte. */
  async expectForeignUntouched(): Promise<void> {
    for (const name of this.names) {
      assert.deepEqual(await foreignText(this.node(name)), this.#foreign.get(name), `foreign on ${name}`);
    }
  }

  async #addForeignObjects(name: string): Promise<void> {
    const [other = ''] = this.others(name);
    const ends = ([one]: readonly string[]) => ({
      ipv4: addressOf({ family: 'IPv4' }, numberOf(one ?? '')),
      ipv6: addressOf({ family: 'IPv6' }, numberOf(one ?? '')),
    });
    await addForeignObjects(this.node(name), { local: ends([name]), remote: ends([other]) });
    this.#foreign.set(name, await foreignText(this.node(name)));
  }

  #configuration(name: string): string {
    const others = this.others(name).map((other) => this.placeOf(other));
    return nodeConfiguration(this.place.mode, this.placeOf(name), others, this.#settings.get(name) ?? {});
  }

  /** Where a node is by now. */
  placeOf(name: string): NodePlace {
    const { family } = this.place;
    const number = numberOf(name);
    return {
      name,
      address: this.#addressOf(name),
      network: networkBehind({ family }, number),
      further: [networkBehind({ family }, number + 16), networkBehind({ family }, number + 32)],
    };
  }

  #addressOf(name: string): string {
    return this.#addresses.get(name) ?? '';
  }

  #end(name: string): StreamEnd {
    const address = this.place.mode === 'transport' ? this.#addressOf(name) : behind(this.place, numberOf(name));
    return { node: this.node(name), address };
  }

  #write(name: string, text: string): void {
    writeFileSync(join(this.lab.folder, name), text, { mode: 0o600 });
  }

  /** What makes the agent see another boot id; it has mounts of its own. */
  #anotherBootId(): readonly string[] {
    const file = join(this.lab.folder, 'boot-id');
    writeFileSync(file, `${crypto.randomUUID()}\n`);
    return ['sh', '-c', 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"', file];
  }
}

type OfFamily = Pick<RowPlace, 'family'>;

function numberOf(name: string): number {
  return NAMES.indexOf(name) + 1;
}

function addressOf({ family }: OfFamily, number: number): string {
  return family === 'IPv4' ? `192.0.2.${number}` : `2001:db8::${number}`;
}

/** A host in the network behind a node. */
function behind({ family }: OfFamily, number: number): string {
  return family === 'IPv4' ? `10.244.${number}.1` : `fd00:244:${number}::1`;
}

function networkBehind({ family }: OfFamily, number: number): string {
  return family === 'IPv4' ? `10.244.${number}.0/24` : `fd00:244:${number}::/64`;
}

function routesOf(name: string, names: readonly string[]): readonly string[] {
  const others = names.filter((other) => other !== name).map(numberOf);
  return others.flatMap((number) =>
    bothFamilies.map((family) => `${networkBehind({ family }, number)} via ${addressOf({ family }, number)}`),
  );
}

const NAMES: readonly string[] = ['a', 'b', 'c'];
/** An address that stays does not go with the one that was there before it. */
const SYSCTLS = ['net.ipv4.conf.all.promote_secondaries=1', 'net.ipv4.conf.default.promote_secondaries=1'];
const bothFamilies = ['IPv4', 'IPv6'] as const;
const LINK_LENGTH = { IPv4: '/24', IPv6: '/64' } as const;
const HOST_LENGTH = { IPv4: '/32', IPv6: '/128' } as const;
/** An agent reads a small file and orders policies in a fraction of it. */
const RELOAD_MS = 1_500;
