import { SecretBytes } from '../../../agent/crypto/secret.ts';
import type { PlainPacket } from '../../../agent/dataplane/memory/packet.ts';
import { ownIndex, ownReqid } from '../../../agent/dataplane/ownership.ts';
import { ANY_PORT, keyBytes, prefix } from '../../../agent/dataplane/testing/builders.ts';
import type {
  DataplaneCommand,
  IpsecMode,
  PolicyDirection,
  PolicyKey,
  PolicySpec,
  PolicyTemplate,
  PortMatch,
  SaId,
  SaLifetime,
  SaSpec,
  Selector,
} from '../../../agent/dataplane/types.ts';
import { type IpAddress, ipFamily } from '../../../agent/wire/ip-address.ts';
import { addressesOf, type IpsecNode, type NodeName, ports } from './world.ts';

/** A command, made anew for each world: keys are wiped by the world that uses them. */
export interface CommandStep {
  readonly kind: 'command';
  readonly node: IpsecNode;
  readonly text: string;
  readonly make: () => DataplaneCommand;
}

/** One thing that happens, in both worlds alike. */
export type Step = CommandStep | { readonly kind: 'packet'; readonly packet: PlainPacket };

/** Numbers that follow from a seed (mulberry32). */
export class SeededNumbers {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }
}

/**
 * A random life of two nodes: SAs that fit and some that do not, policies of every kind that overlap, are replaced and
 * deleted, and many packets between all of it.
 */
export class RandomLife {
  readonly #random: SeededNumbers;
  /** Keys of policies and names of SAs that were ordered, so that later orders meet them. */
  readonly #keys: { readonly node: IpsecNode; readonly key: PolicyKey }[] = [];
  readonly #ids: { readonly node: IpsecNode; readonly id: SaId }[] = [];
  /** What was installed to carry packets. */
  readonly #flows: SaPair[] = [];
  #policies = 0;

  constructor(seed: number) {
    this.#random = new SeededNumbers(seed);
  }

  /** What happens next; several steps at once where both ends get something. */
  next(): readonly Step[] {
    const kind = this.#random.below(30);
    if (kind < 1 || this.#flows.length === 0) return this.#flow();
    if (kind < 3) return this.#saPair(this.#randomPair());
    if (kind < 4) return [this.#random.oneIn(3) ? this.#updateEncapsulation() : this.#deleteSa()];
    if (kind < 8 && this.#keys.length > MANY_POLICIES) return [this.#deletePolicy(), this.#deletePolicy()];
    if (kind < 7) return [this.#putPolicy()];
    if (kind < 8) return [this.#deletePolicy()];
    const flow = this.#random.oneIn(2) ? this.#random.pick(this.#flows.slice(-RECENT_FLOWS)) : undefined;
    return [{ kind: 'packet', packet: randomPacket(this.#random, flow) }];
  }

  /** Everything that packets one way need: SAs at both ends, and policies that ask for them. */
  #flow(): readonly Step[] {
    const pair = this.#randomPair();
    this.#flows.push(pair);
    const selector = flowSelector(this.#random, pair);
    const outer = { source: pair.source, destination: pair.id.destination };
    const template: PolicyTemplate = {
      mode: pair.mode,
      ...(pair.mode === 'tunnel' ? outer : {}),
      reqid: pair.reqid,
      spi: 0,
      level: 'required',
    };
    const policy = (direction: PolicyDirection, node: IpsecNode) =>
      this.#put(node, { direction, selector, priority: 50, action: 'allow', template });
    const espInUdp = { ...ANY, protocol: 17, destinationPort: { value: 4500, mask: 0xffff } };
    const way = { ...espInUdp, source: prefix(pair.source), destination: prefix(pair.id.destination) };
    return [
      ...this.#saPair(pair),
      // What comes in UDP is judged as UDP first.
      ...(pair.inUdp ? [this.#put(pair.to, { direction: 'in', selector: way, priority: 10, action: 'allow' })] : []),
      policy('in', pair.to),
      ...(pair.to === 'west' ? [policy('fwd', pair.to)] : []),
      policy('out', pair.from),
    ];
  }

  #randomPair(): SaPair {
    const random = this.#random;
    const [from, to] = random.oneIn(2) ? (['east', 'west'] as const) : (['west', 'east'] as const);
    const family = random.pick([4, 4, 6] as const);
    const spi = FIRST_SPI + random.below(SPIS);
    // Ends that disagree about the mode make packets of protocol 4 and answers to them; that is not compared here.
    const mode = MODES[spi % 2] as IpsecMode;
    const anyAddress = mode === 'transport' && random.oneIn(4);
    const source = anyAddress ? randomAddress(random, from, family) : wireAddress(from, family);
    const destination = anyAddress ? randomAddress(random, to, family) : wireAddress(to, family);
    const restricted = random.oneIn(8) ? randomSelector(random, from, family) : {};
    return {
      from,
      to,
      family,
      id: { destination, spi },
      source,
      mode,
      reqid: mode === 'tunnel' ? ownReqid(random.pick(REQIDS)) : transportReqid(source),
      esn: random.oneIn(2),
      inUdp: random.oneIn(3),
      selector:
        mode === 'tunnel'
          ? undefined
          : { ...ANY, ...restricted, source: prefix(source), destination: prefix(destination) },
    };
  }

  #saPair(pair: SaPair): readonly Step[] {
    const random = this.#random;
    const steps = [this.#addSa(pair, 'in', pair.to), this.#addSa(pair, 'out', pair.from)];
    return random.oneIn(12) ? [random.pick(steps)] : steps;
  }

  #addSa(pair: SaPair, direction: 'in' | 'out', node: IpsecNode): Step {
    const random = this.#random;
    const { id, source, mode, selector } = pair;
    // An inbound SA that expects another source port reports a mapping for each packet.
    const sourcePort = direction === 'in' ? random.pick([4500, 4500, 4501]) : 4500;
    const spec = {
      id,
      source,
      mode,
      direction,
      // Some pairs disagree, as after a mistake of one end.
      reqid: random.oneIn(15) ? ownReqid(random.pick(REQIDS)) : pair.reqid,
      esn: random.oneIn(15) ? !pair.esn : pair.esn,
      ...(pair.inUdp ? { udpEncapsulation: { sourcePort, destinationPort: 4500 } } : {}),
      ...(selector === undefined ? {} : { selector }),
      replayWindow: random.pick([32, 64, 1024]),
      lifetime: randomLifetime(random),
    };
    const keySeed = random.oneIn(15) ? 1 : id.spi;
    this.#ids.push({ node, id });
    return command(node, `addSa ${JSON.stringify(spec)} key ${keySeed}`, () => ({
      kind: 'addSa',
      sa: withKeys(spec, keySeed),
    }));
  }

  #deleteSa(): Step {
    const random = this.#random;
    const unknown = {
      node: random.pick(NODES),
      id: { destination: wireAddress(random.pick(NODES), 4), spi: FIRST_SPI + random.below(SPIS) },
    };
    const { node, id } = this.#ids.length === 0 || random.oneIn(6) ? unknown : random.pick(this.#ids);
    return command(node, `deleteSa ${JSON.stringify(id)}`, () => ({ kind: 'deleteSa', id }));
  }

  #updateEncapsulation(): Step {
    const random = this.#random;
    const { node, id } = random.pick(this.#ids);
    const udpEncapsulation = { sourcePort: random.pick([4500, 4501]), destinationPort: 4500 };
    const text = `updateEncapsulation ${JSON.stringify({ id, udpEncapsulation })}`;
    return command(node, text, () => ({ kind: 'updateEncapsulation', id, udpEncapsulation }));
  }

  #putPolicy(): Step {
    const random = this.#random;
    const again = this.#keys.length > 0 && random.oneIn(4) ? random.pick(this.#keys) : undefined;
    const node = again?.node ?? random.pick(NODES);
    const key = again?.key ?? this.#newKey(node);
    const kind = random.below(10);
    const template = kind < 2 ? undefined : randomTemplate(random, node, key);
    return this.#put(node, {
      ...key,
      // Few values, so that equal priorities occur.
      priority: 100 * (1 + random.below(3)),
      action: kind === 0 ? 'block' : 'allow',
      ...(template === undefined ? {} : { template }),
    });
  }

  #put(node: IpsecNode, demand: Omit<PolicySpec, 'index'>): Step {
    this.#policies += 1;
    // Now and then an index that is taken already.
    const sequence = this.#random.oneIn(20) ? this.#random.below(this.#policies) : this.#policies;
    const policy: PolicySpec = { ...demand, index: ownIndex(sequence, demand.direction) };
    this.#keys.push({ node, key: keyOf(policy) });
    return command(node, `putPolicy ${JSON.stringify(policy)}`, () => ({ kind: 'putPolicy', policy }));
  }

  #deletePolicy(): Step {
    const random = this.#random;
    const node = random.pick(NODES);
    const known =
      this.#keys.length === 0 || random.oneIn(6) ? { node, key: this.#newKey(node) } : random.pick(this.#keys);
    const { key } = known;
    this.#keys.splice(0, this.#keys.length, ...this.#keys.filter((other) => other !== known));
    const index = ownIndex(0, key.direction);
    return command(known.node, `deletePolicy ${JSON.stringify(key)}`, () => ({ kind: 'deletePolicy', key, index }));
  }

  #newKey(node: IpsecNode): PolicyKey {
    const random = this.#random;
    const direction = random.pick(DIRECTIONS);
    const family = random.pick([4, 4, 6] as const);
    const outward = direction === 'out' || (direction === 'fwd' && random.oneIn(2));
    const from = outward ? node : otherThan(node);
    return {
      direction,
      selector: randomSelector(random, from, family),
      ...(random.oneIn(25) ? { mark: { value: 1, mask: 1 } } : {}),
      ...(random.oneIn(25) ? { ifId: 9 } : {}),
    };
  }
}

/** What the two ends of a pair of SAs have in common. */
interface SaPair {
  readonly from: IpsecNode;
  readonly to: IpsecNode;
  readonly family: 4 | 6;
  readonly id: SaId;
  readonly source: IpAddress;
  readonly mode: IpsecMode;
  readonly reqid: number;
  readonly esn: boolean;
  readonly inUdp: boolean;
  /** Transport mode only. */
  readonly selector: Selector | undefined;
}

function withKeys(spec: Omit<SaSpec, 'algorithms' | 'encryptionKey' | 'integrityKey'>, keySeed: number): SaSpec {
  return {
    ...spec,
    algorithms: { encryption: 20, keyBits: 128, integrity: 0 },
    encryptionKey: new SecretBytes(keyBytes(20, keySeed)),
    integrityKey: new SecretBytes(new Uint8Array(0)),
  };
}

function randomTemplate(random: SeededNumbers, node: IpsecNode, { direction, selector }: PolicyKey): PolicyTemplate {
  const family = ipFamily(selector.source.address);
  const level = random.oneIn(3) ? 'optional' : 'required';
  const spi = direction === 'out' && random.oneIn(3) ? FIRST_SPI + random.below(SPIS) : 0;
  const hosts = addressesOf[direction === 'out' ? node : otherThan(node)];
  const transportSource = direction === 'out' ? hosts.find((host) => isHost(selector, host)) : random.pick(hosts);
  if (transportSource !== undefined && random.oneIn(2)) {
    return { mode: 'transport', reqid: transportReqid(transportSource), spi, level };
  }
  const [here, there] = [wireAddress(node, family), wireAddress(otherThan(node), family)];
  const [source, destination] = direction === 'out' ? [here, there] : [there, here];
  return { mode: 'tunnel', source, destination, reqid: ownReqid(random.pick(REQIDS)), spi, level };
}

function isHost({ source }: Selector, host: IpAddress): boolean {
  return source.address === host && source.length === (ipFamily(host) === 4 ? 32 : 128);
}

/**
 * In transport mode a reqid stands for one source: when two hashes collide, Linux takes an SA or a larval state for
 * packets with the same destination and another source, too, and no fake is to copy that.
 */
function transportReqid(source: IpAddress): number {
  const sources = Object.values(addressesOf).flat();
  return ownReqid(10 + sources.indexOf(source));
}

function keyOf({ direction, selector, mark, ifId }: PolicyKey): PolicyKey {
  return { direction, selector, ...(mark === undefined ? {} : { mark }), ...(ifId === undefined ? {} : { ifId }) };
}

function otherThan(node: IpsecNode): IpsecNode {
  return node === 'east' ? 'west' : 'east';
}

/** Of packets from a node to the other; prefixes from a host to everything, so that many overlap. */
function randomSelector(random: SeededNumbers, from: IpsecNode, family: 4 | 6): Selector {
  const to = otherThan(from);
  const protocol = random.pick([0, 0, 17, 17, 6]);
  const port = (): PortMatch => (protocol === 0 || random.oneIn(2) ? ANY_PORT : random.pick(PORT_MATCHES));
  return {
    source: prefix(random.pick(prefixesOf[from][family])),
    destination: prefix(random.pick(prefixesOf[to][family])),
    protocol,
    sourcePort: port(),
    destinationPort: port(),
  };
}

/** Of the packets of a flow and of more than those. */
function flowSelector(random: SeededNumbers, pair: SaPair): Selector {
  const wide = pair.family === 4 ? ['10.0.0.0/8', '0.0.0.0/0'] : ['fd00::/8', '::/0'];
  const source = pair.mode === 'tunnel' ? random.pick([...wide, ...prefixesOf[pair.from][pair.family]]) : pair.source;
  const destination = random.pick([...wide, pair.id.destination]);
  return { ...ANY, protocol: random.pick([0, 17]), source: prefix(source), destination: prefix(destination) };
}

/** No limits of time: Linux keeps them to within a second only, sooner or later as its timers happen to run. */
function randomLifetime(random: SeededNumbers): SaLifetime {
  const kind = random.below(16);
  if (kind === 0) return { softPackets: 1 + random.below(4) };
  if (kind === 1) return { softPackets: 1, hardPackets: 2 + random.below(4) };
  if (kind === 2) return { softBytes: 1 + random.below(400), hardBytes: 500 + random.below(500) };
  return {};
}

function randomPacket(random: SeededNumbers, flow: SaPair | undefined): PlainPacket {
  const family = flow?.family ?? random.pick([4, 4, 6] as const);
  const anyNodes: readonly (readonly [NodeName, NodeName])[] = [
    ['east', 'west'],
    ['west', 'east'],
    ['east', 'inner'],
    ['inner', 'east'],
  ];
  const [from, to] = flow === undefined ? random.pick(anyNodes) : [flow.from, flow.to];
  const ends = flow?.mode === 'transport' ? [flow.source, flow.id.destination] : undefined;
  return {
    kind: 'plain',
    source: ends?.[0] ?? randomAddress(random, from, family),
    destination: ends?.[1] ?? randomAddress(random, to, family),
    protocol: 17,
    sourcePort: random.pick(ports),
    destinationPort: random.pick(ports),
    payloadBytes: 12 + random.below(200),
  };
}

function randomAddress(random: SeededNumbers, node: NodeName, family: 4 | 6): IpAddress {
  return random.pick(addressesOf[node].filter((address) => ipFamily(address) === family));
}

function command(node: IpsecNode, text: string, make: () => DataplaneCommand): Step {
  return { kind: 'command', node, text, make };
}

function wireAddress(node: IpsecNode, family: 4 | 6): IpAddress {
  return addressesOf[node].find((address) => ipFamily(address) === family) as IpAddress;
}

const ANY = { protocol: 0, sourcePort: ANY_PORT, destinationPort: ANY_PORT } as const;
const NODES: readonly IpsecNode[] = ['east', 'west'];
/** Half of the packets belong to one of these. */
const RECENT_FLOWS = 4;
/** From here on more are deleted than added: under too many policies nothing passes any longer. */
const MANY_POLICIES = 20;
const MODES: readonly IpsecMode[] = ['transport', 'tunnel'];
const DIRECTIONS: readonly PolicyDirection[] = ['out', 'out', 'in', 'in', 'fwd'];
const REQIDS = [1, 1, 2] as const;
const FIRST_SPI = 0x1000;
const SPIS = 16;
const PORT_MATCHES: readonly PortMatch[] = [
  { value: 4000, mask: 0xffff },
  { value: 5000, mask: 0xffff },
  { value: 0x8000, mask: 0x8000 },
  { value: 0, mask: 0x8000 },
];

/** Inner's addresses are reached through west, so they count as west's here. */
const prefixesOf: Readonly<Record<IpsecNode, Readonly<Record<4 | 6, readonly string[]>>>> = {
  east: {
    4: ['10.0.0.1', '10.0.0.1', '10.1.0.1', '10.0.0.0/24', '10.1.0.0/16', '10.0.0.0/8', '0.0.0.0/0'],
    6: ['fd00::1', 'fd00::1', 'fd01::1', 'fd00::/64', 'fd01::/32', 'fd00::/8', '::/0'],
  },
  west: {
    4: ['10.0.0.2', '10.0.0.2', '10.1.5.2', '10.0.0.0/24', '10.2.0.0/16', '10.2.0.9', '10.0.0.0/8', '0.0.0.0/0'],
    6: ['fd00::2', 'fd00::2', 'fd01:5::2', 'fd00::/64', 'fd02::/32', 'fd02::9', 'fd00::/8', '::/0'],
  },
};
