import { describe, expect, it } from 'vitest';

import { opensslProvider } from '../crypto/openssl/openssl-provider.ts';
import type { InboundFate, PlainPacket } from '../dataplane/memory/packet.ts';
import { BYPASS_SEQUENCES, OWN_SEQUENCES, ownIndex, ownIndexSequence } from '../dataplane/ownership.ts';
import { ip, policy, selector } from '../dataplane/testing/builders.ts';
import { policyKeyText } from '../dataplane/texts.ts';
import type { InstalledPolicy, PolicySpec } from '../dataplane/types.ts';
import type { Path } from '../ike/types.ts';
import type { IpAddress } from '../wire/ip-address.ts';
import { type Agent, type IkeTransport, nextPolicySequence } from './agent.ts';
import { block } from './block.ts';
import { bypassPolicies, isBypass, withFreeIndexes } from './bypass.ts';
import type { AgentConfig } from './config/agent-config.ts';
import { TestHost, TestWorld, testConfig } from './testing/agents.ts';

const PORTS = { ike: 500, natTraversal: 4500 };
const IKE_PORTS = [500, 4500];
const NODES = {
  'node-a': { address: '10.78.0.1', second: '10.79.0.1', pods: '10.244.1', bridge: '10.244.1.1' },
  'node-b': { address: '10.78.0.2', second: '10.79.0.2', pods: '10.244.2', bridge: '10.244.2.1' },
} as const;
type Name = keyof typeof NODES;

/** A node that forwards for pods, with a peer; all traffic of pods and nodes is Required to be encrypted. */
class Node {
  readonly name: Name;
  readonly host: TestHost;
  /** IKE that the kernel's policies held back, or would have before some command of the agent. */
  readonly heldBack: string[] = [];
  readonly #world: TestWorld;
  #watched: readonly (readonly [string, string])[] = [];

  constructor(world: TestWorld, name: Name) {
    const { address, second, bridge } = NODES[name];
    this.name = name;
    const local: readonly string[] = [address, second, bridge];
    this.host = new TestHost(world, opensslProvider, (each) => local.includes(each));
    this.host.fault = () => {
      this.look();
      return undefined;
    };
    this.#world = world;
  }

  /** With `second` the node has another address, which is listed before the first one, and the peer one there. */
  config({ second = false } = {}): AgentConfig {
    const [own, peer] = this.#ends();
    const config = testConfig(opensslProvider, this.name, own.address, { [peer.name]: peer.address });
    const connections = config.connections.map((each) => ({
      ...each,
      children: each.children.flatMap((child) => [
        child,
        { ...child, name: 'pods', mode: 'tunnel' as const, local: [network(own.pods)], remote: [network(peer.pods)] },
      ]),
    }));
    if (!second) return { ...config, connections };
    const other = testConfig(opensslProvider, this.name, own.second, { [peer.name]: peer.second }).connections;
    return {
      ...config,
      addresses: [ip(own.second), ip(own.address)],
      connections: [...other.map((each) => ({ ...each, name: `${each.name}-second` })), ...connections],
    };
  }

  /** From here on IKE is to pass between these addresses. */
  watch(...among: readonly ('address' | 'second')[]): void {
    const [own, peer] = this.#ends();
    this.#watched = among.map((which) => [own[which], peer[which]]);
  }

  start(config: AgentConfig = this.config()): Agent {
    const agent = this.host.start(config, [], { transport: this.#onWire(this.#world.transport()) });
    if (!agent.ok) throw new Error(agent.error.text);
    return agent.value;
  }

  get policies(): readonly InstalledPolicy[] {
    const dumped = this.host.kernel.dump();
    return dumped.ok ? dumped.value.policies : [];
  }

  /** Looks whether IKE passes at this moment. */
  look(): void {
    for (const [own, peer] of this.#watched) {
      for (const port of IKE_PORTS) {
        const path = { localAddress: ip(own), localPort: port, remoteAddress: ip(peer), remotePort: port };
        if (!this.#letsOut(path) || !this.#letsIn(path)) this.heldBack.push(`${own} port ${port}`);
      }
    }
  }

  #ends() {
    const peer = this.name === 'node-a' ? 'node-b' : 'node-a';
    return [NODES[this.name], { name: peer, ...NODES[peer] }] as const;
  }

  /** What is sent and received passes the kernel's policies. */
  #onWire(transport: IkeTransport): IkeTransport {
    return {
      ...transport,
      send: (path, bytes) => {
        if (this.#letsOut(path)) transport.send(path, bytes);
        else this.heldBack.push(`sent from ${path.localAddress} port ${path.localPort}`);
      },
      onDatagram: (receiver) =>
        transport.onDatagram((path, bytes) => {
          if (this.#letsIn(path)) receiver(path, bytes);
          else this.heldBack.push(`received at ${path.localAddress} port ${path.localPort}`);
        }),
    };
  }

  #letsOut({ localAddress, localPort, remoteAddress, remotePort }: Path): boolean {
    return this.host.kernel.outbound(udp(localAddress, localPort, remoteAddress, remotePort)).kind === 'plain';
  }

  #letsIn({ localAddress, localPort, remoteAddress, remotePort }: Path): boolean {
    return this.host.kernel.inbound(udp(remoteAddress, remotePort, localAddress, localPort)).kind === 'accepted';
  }
}

function network(pods: string) {
  return { prefix: { address: ip(`${pods}.0`), length: 24 }, protocol: 0, fromPort: 0, toPort: 65_535 };
}

function udp(source: string, sourcePort: number, destination: string, destinationPort: number): PlainPacket {
  return {
    kind: 'plain',
    source: ip(source),
    destination: ip(destination),
    protocol: 17,
    sourcePort,
    destinationPort,
    payloadBytes: 100,
  };
}

function nodes() {
  const world = new TestWorld();
  const [a, b] = [new Node(world, 'node-a'), new Node(world, 'node-b')];
  for (const node of [a, b]) node.watch('address');
  return { world, a, b };
}

function startedNodes() {
  const { world, a, b } = nodes();
  const agents = [a.start(), b.start()] as const;
  world.pass(3_000);
  return { world, a, b, agents };
}

/** What becomes of a datagram from a pod, or from another address of its node, to a pod of the other node. */
function fate(
  from: Node,
  to: Node,
  sourcePort: number,
  destinationPort: number,
  source = `${NODES[from.name].pods}.5`,
) {
  const packet = udp(source, sourcePort, `${NODES[to.name].pods}.5`, destinationPort);
  const { kernel } = from.host;
  const onward = source.endsWith('.1') ? kernel.outbound(packet) : forwardedBy(kernel.forward(packet));
  if (onward.kind === 'dropped') return 'blocked';
  const arrived = to.host.kernel.inbound(onward.kind === 'esp' ? onward.packet : packet);
  const word = onward.kind === 'esp' ? 'encrypted' : 'in plaintext';
  return arrived.kind === 'forwarded' && arrived.onward.kind === 'plain' ? word : `${word}, and lost`;
}

function forwardedBy(arrival: InboundFate) {
  if (arrival.kind !== 'forwarded') throw new Error(`the packet is ${arrival.kind}`);
  return arrival.onward;
}

/** Of datagrams from and to the ports of IKE, between pods of both nodes. */
function fates(a: Node, b: Node): ReadonlySet<string> {
  const ports = IKE_PORTS.flatMap((port) => [[port, port] as const, [port, 7_000] as const, [7_000, port] as const]);
  return new Set(ports.flatMap(([from, to]) => [fate(a, b, from, to), fate(b, a, from, to)]));
}

/** As versions before had them: for IKE of all addresses. */
function wildcards(): readonly PolicySpec[] {
  let position = 0;
  return ['0.0.0.0/0', '::/0'].flatMap((any) =>
    IKE_PORTS.flatMap((port) =>
      (['in', 'out'] as const).map((direction) => {
        const match = { [direction === 'in' ? 'destinationPort' : 'sourcePort']: { value: port, mask: 0xffff } };
        const index = ownIndex(OWN_SEQUENCES - BYPASS_SEQUENCES + position++, direction);
        return policy(direction, selector(any, any, { protocol: 17, ...match }), { priority: 1_000, index });
      }),
    ),
  );
}

function addressBypasses(node: Node, address: string): readonly InstalledPolicy[] {
  const keys = new Set(bypassPolicies(PORTS, [ip(address)]).map(policyKeyText));
  return node.policies.filter((each) => isIke(each) && keys.has(policyKeyText(each)));
}

function isIke(each: InstalledPolicy): boolean {
  return isBypass(each) && each.selector.protocol === 17;
}

describe('with everything Required', () => {
  it.each(IKE_PORTS)('what a pod sends from UDP port %i is encrypted and arrives, as its answer does', (port) => {
    const { a, b } = startedNodes();
    expect(fate(a, b, port, 7_000)).toBe('encrypted');
    expect(fate(b, a, 7_000, port)).toBe('encrypted');
    expect(fate(a, b, port, port)).toBe('encrypted');
  });

  it('what a node sends from port 4500 of an address at which it speaks no IKE is encrypted', () => {
    const { a, b } = startedNodes();
    expect(fate(a, b, 4500, 7_000, NODES['node-a'].bridge)).toBe('encrypted');
  });

  it('IKE passes from before the first policy on, and only at the addresses at which it is spoken', () => {
    const { a, b, agents } = startedNodes();
    expect([a.heldBack, b.heldBack]).toEqual([[], []]);
    expect(agents.map((agent) => agent.status().peers.map(({ state }) => state))).toEqual([
      ['encrypting'],
      ['encrypting'],
    ]);
    const ends = a.policies.filter(isIke).map(({ direction, selector: { source, destination } }) => {
      const own = direction === 'in' ? destination : source;
      return `${own.address}/${own.length}`;
    });
    expect(ends).toEqual(Array(4).fill('10.78.0.1/32'));
  });

  it('IKE passes at an address that a reload adds, listed first, before anything there is blocked', () => {
    const { world, a, b, agents } = startedNodes();
    for (const [index, node] of [a, b].entries()) {
      // At no moment in between is it to be held back.
      node.watch('address', 'second');
      expect(agents[index]?.reload(node.config({ second: true }))).toMatchObject({ ok: true });
    }
    world.pass(3_000);
    for (const node of [a, b]) node.look();
    expect([a.heldBack, b.heldBack]).toEqual([[], []]);
    expect(agents.map((agent) => agent.status().peers.map(({ state }) => state))).toEqual([
      ['encrypting', 'encrypting'],
      ['encrypting', 'encrypting'],
    ]);
    expect(addressBypasses(a, NODES['node-a'].second)).toHaveLength(4);
    expect(new Set(a.policies.map(({ index }) => index)).size).toBe(a.policies.length);
    expect(a.policies.every(({ ours }) => ours)).toBe(true);
    expect([...fates(a, b)]).toEqual(['encrypted']);
    expect(a.host.logLines.filter(({ msg }) => msg.startsWith('a policy was not in the kernel'))).toEqual([]);
  });

  it('IKE passes at an address that a reload takes away until the peer there has answered, and no longer', () => {
    const { world, a, b } = nodes();
    const agent = a.start(a.config({ second: true }));
    b.start(b.config({ second: true }));
    world.pass(3_000);
    expect(addressBypasses(a, NODES['node-a'].second)).toHaveLength(4);
    agent.reload(a.config());
    expect(addressBypasses(a, NODES['node-a'].second)).toHaveLength(4);
    world.pass(1_000);
    expect(addressBypasses(a, NODES['node-a'].second)).toEqual([]);
    expect(addressBypasses(a, NODES['node-a'].address)).toHaveLength(4);
    expect(a.heldBack).toEqual([]);
    expect([...fates(a, b)]).toEqual(['encrypted']);
  });

  it('IKE passes while no agent runs and when one takes over, and pods are encrypted all the time', () => {
    const { world, a, b, agents } = startedNodes();
    const before = a.policies;
    agents[0].stop();
    a.look();
    expect([...fates(a, b)]).toEqual(['encrypted']);
    const next = a.start();
    expect([...fates(a, b)]).toEqual(['encrypted']);
    world.pass(30_000);
    expect([a.heldBack, b.heldBack]).toEqual([[], []]);
    expect(next.status().peers.map(({ state }) => state)).toEqual(['encrypting']);
    expect(a.policies.filter(isBypass)).toEqual(before.filter(isBypass));
    expect([...fates(a, b)]).toEqual(['encrypted']);
  });

  it('an agent that takes over from a version that let pass IKE of all addresses ends that, and IKE passes at each moment', () => {
    const { world, a, b, agents } = startedNodes();
    agents[0].stop();
    for (const each of wildcards()) expect(a.host.kernel.execute({ kind: 'putPolicy', policy: each }).ok).toBe(true);
    for (const { direction, selector: where, index } of addressBypasses(a, NODES['node-a'].address))
      a.host.kernel.execute({ kind: 'deletePolicy', key: { direction, selector: where }, index });
    expect(fate(a, b, 4500, 7_000)).toBe('in plaintext, and lost');
    const next = a.start();
    expect([...fates(a, b)]).toEqual(['encrypted']);
    expect(a.policies.filter(isIke)).toEqual(addressBypasses(a, NODES['node-a'].address));
    world.pass(30_000);
    expect([a.heldBack, b.heldBack]).toEqual([[], []]);
    expect(next.status().peers.map(({ state }) => state)).toEqual(['encrypting']);
  });

  it('blocked before the first agent starts, pods are blocked on all ports, and IKE passes', () => {
    const { world, a, b } = nodes();
    for (const node of [a, b]) {
      expect(block(node.host.kernel, node.config().connections)).toMatchObject({ ok: true, value: { failed: [] } });
      node.look();
    }
    expect([...fates(a, b)]).toEqual(['blocked']);
    for (const node of [a, b]) node.start();
    world.pass(3_000);
    expect([a.heldBack, b.heldBack]).toEqual([[], []]);
    expect([...fates(a, b)]).toEqual(['encrypted']);
  });
});

describe('policies for IKE of an address', () => {
  it('leave a version before the indexes that it gives its own, and room above theirs', () => {
    const { a } = startedNodes();
    const indexes = new Set(a.policies.map(({ index }) => index));
    expect(wildcards().filter(({ index }) => indexes.has(index))).toEqual([]);
    // As that version knows a policy that belongs to no connection.
    const known = (each: InstalledPolicy) => (ownIndexSequence(each.index) ?? 0) >= OWN_SEQUENCES - BYPASS_SEQUENCES;
    const highest = Math.max(
      ...a.policies.filter((each) => !known(each)).map((each) => ownIndexSequence(each.index) ?? 0),
    );
    expect(OWN_SEQUENCES - BYPASS_SEQUENCES - highest).toBeGreaterThan(1_000_000);
  });

  it('do not have those of connections numbered above them', () => {
    const { a } = startedNodes();
    const next = nextPolicySequence({ policies: a.policies, sas: [] });
    expect(next).toBeLessThan(100);
    // What a version before has numbered there in the meantime is a connection's.
    const below = addressBypasses(a, NODES['node-a'].address).map(({ index }) => ownIndexSequence(index) ?? 0);
    const index = ownIndex(Math.min(...below) - 1, 'out');
    const theirs = { ...policy('out', selector('10.78.0.1', '10.78.0.9'), { index, priority: 130_000 }), ours: true };
    expect(isBypass(theirs)).toBe(false);
    const [free] = withFreeIndexes(bypassPolicies(PORTS, [ip('10.80.0.1')]), [...a.policies, theirs]);
    expect([...a.policies, theirs].map((each) => each.index)).not.toContain(free?.index);
  });

  it('are four for each address, whatever link it is on', () => {
    const count = (...addresses: readonly IpAddress[]) =>
      bypassPolicies(PORTS, addresses).length - bypassPolicies(PORTS, []).length;
    expect(count(ip('10.78.0.1'), ip('2001:db8::1'))).toBe(8);
    expect(count(ip('fe80::1%eth0'), ip('fe80::1%eth1'))).toBe(4);
    const all = Array.from({ length: 64 }, (_, each) => ip(`10.78.0.${each + 1}`));
    expect(new Set(bypassPolicies(PORTS, all).map(({ index }) => index)).size).toBe(64 * 4 + 12);
  });
});
