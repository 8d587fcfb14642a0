import { assertNever } from '../result.ts';
import type { Rotation } from './certificates/rotation.ts';
import type { Reconfiguration } from './connections.ts';
import { forge, impersonate, isInitRequest, strangersRequest } from './forgery.ts';
import type { Host } from './host.ts';
import type { Nat } from './nat.ts';
import type { Network } from './network.ts';
import type { Disturbance, PairPlan } from './scenario.ts';
import { nodeName, otherSide, type Side } from './topology.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** What disturbances act on. */
export interface Disturbable {
  readonly clock: VirtualClock;
  readonly network: Network;
  readonly nat: Nat | undefined;
  readonly rotation: Rotation | undefined;
  hostOf(node: number): Host;
  pairOf(pair: number): PairPlan;
  /** Milliseconds from the start at which everything must be in place again. */
  readonly calmAtMs: number;
  note(node: number, text: string): void;
  /** Says that SAs of a pair may end by order. */
  ordered(pair: number): void;
  /** Says that a node has no good reason to refuse its peers, but does. */
  distrusting(node: number): void;
  powerOff(node: number): void;
  /** Starts a node's agent, with all connections that it is to have; does nothing where one runs. */
  start(node: number): void;
  /** Puts a connection in, takes it out, or changes its timing, in a node's configuration and its running agent. */
  configure(pair: number, side: Side, how: Reconfiguration): void;
}

/** Lets something happen, and what ends it later. */
export function disturb(world: Disturbable, disturbance: Disturbance): void {
  switch (disturbance.kind) {
    case 'crash':
    case 'reboot':
      takeDown(world, disturbance);
      return;
    case 'partition':
      world.note(disturbance.nodes[0] ?? 0, `nodes ${disturbance.nodes.join(', ')} are cut off`);
      world.network.partition(disturbance.nodes);
      world.clock.after(disturbance.forMs, () => world.network.heal());
      return;
    case 'dropEsp':
      dropEsp(world, disturbance);
      return;
    case 'remap':
      world.note(world.nat?.node ?? 0, `the NAT forgets its mappings${disturbance.newAddress ? ' and address' : ''}`);
      world.nat?.remap(disturbance.newAddress);
      return;
    case 'impersonate':
      for (let count = 0; count < disturbance.count; count += 1) world.network.replayArrived(impersonate);
      return;
    case 'replay':
      for (let count = 0; count < disturbance.count; count += 1) world.network.replay();
      return;
    case 'forgery':
      for (let count = 0; count < disturbance.count; count += 1) world.network.forge(forge);
      return;
    case 'flood':
      flood(world, disturbance);
      return;
    case 'expire':
    case 'acquire':
      tellKernelEvent(world, disturbance);
      return;
    case 'order':
      order(world, disturbance);
      return;
    case 'remove': {
      const { pair, side, forMs, atMs } = disturbance;
      world.configure(pair, side, forMs === 'ever' ? 'removeForEver' : 'remove');
      if (forMs === 'ever') return;
      const backAtMs = Math.min(atMs + forMs, world.calmAtMs);
      world.clock.after(Math.max(0, backAtMs - atMs), () => world.configure(pair, side, 'add'));
      return;
    }
    case 'update':
      world.configure(disturbance.pair, disturbance.side, 'update');
      return;
    case 'renew':
      world.rotation?.renew(disturbance.node);
      return;
    case 'roll':
      world.rotation?.roll(disturbance.phaseMs);
      return;
    case 'expireCertificate':
    case 'steal':
      takeCertificate(world, disturbance);
      return;
    case 'verifier':
      breakVerifier(world, disturbance);
      return;
    case 'setClock':
      world.hostOf(disturbance.node).wallOffsetMs = disturbance.offsetMs;
      return;
    default:
      assertNever(disturbance);
  }
}

/** From now on, each way by itself. */
function dropEsp(world: Disturbable, { pair, from, forMs }: Extract<Disturbance, { kind: 'dropEsp' }>): void {
  const { nodes } = world.pairOf(pair);
  for (const side of from) {
    const [sender, receiver] = [nodes[side], nodes[otherSide(side)]];
    world.note(sender, `ESP to ${nodeName(receiver)} is dropped on the way`);
    const letPass = world.network.dropEsp(sender, receiver);
    if (forMs === 'ever') continue;
    world.clock.after(forMs, () => {
      world.note(sender, `ESP to ${nodeName(receiver)} passes again`);
      letPass();
    });
  }
}

/** Made of what the one has once sent to the other, if it has; spread evenly over the time. */
function flood(world: Disturbable, { from, to, count, forMs }: Extract<Disturbance, { kind: 'flood' }>): void {
  world.note(to, `${count} requests from initiators that do not exist, in the name of ${nodeName(from)}`);
  for (let number = 0; number < count; number += 1) {
    world.clock.after((forMs * number) / count, () =>
      world.network.forge(strangersRequest, (recorded) => isInitRequest(recorded, from, to)),
    );
  }
}

/** A node has no certificate of its own that counts, until it gets one. */
function takeCertificate(
  world: Disturbable,
  disturbance: Extract<Disturbance, { kind: 'expireCertificate' | 'steal' }>,
): void {
  const { rotation } = world;
  const { node, forMs } = disturbance;
  if (rotation === undefined || rotation.isTroubled(node)) return;
  if (disturbance.kind === 'steal') rotation.steal(node, disturbance.from);
  else rotation.expire(node, disturbance.inMs);
  world.clock.after(forMs, () => rotation.recover(node));
}

function breakVerifier(world: Disturbable, disturbance: Extract<Disturbance, { kind: 'verifier' }>): void {
  const { node, fault, forMs, atMs } = disturbance;
  const host = world.hostOf(node);
  world.note(node, `its verifier is broken: ${fault.kind}`);
  host.verifierFault = fault;
  world.distrusting(node);
  const mendedAtMs = Math.min(atMs + forMs, world.calmAtMs);
  world.clock.after(Math.max(0, mendedAtMs - atMs), () => {
    if (host.verifierFault === fault) host.verifierFault = undefined;
    world.distrusting(node);
  });
}

function takeDown(world: Disturbable, disturbance: Extract<Disturbance, { kind: 'crash' | 'reboot' }>): void {
  const { node, kind, downMs, atMs } = disturbance;
  const host = world.hostOf(node);
  if (!host.running) return;
  world.note(node, kind === 'crash' ? 'the agent is killed' : 'the machine is switched off');
  if (kind === 'crash') host.crash();
  else world.powerOff(node);
  const backAtMs = Math.min(atMs + downMs, world.calmAtMs);
  world.clock.after(Math.max(0, backAtMs - atMs), () => world.start(node));
}

/** About one of the SAs that the pair has now, if it has any. */
function tellKernelEvent(world: Disturbable, disturbance: Extract<Disturbance, { kind: 'expire' | 'acquire' }>): void {
  const plan = world.pairOf(disturbance.pair);
  const host = world.hostOf(plan.nodes[disturbance.side]);
  const peer = nodeName(plan.nodes[otherSide(disturbance.side)]);
  const connection = host.status()?.connections.find(({ name }) => name === peer);
  const ikeSa = connection?.ikeSas.find(({ children }) => children.length > 0);
  const child = ikeSa?.children[0];
  if (connection === undefined || ikeSa === undefined || child === undefined) return;
  if (disturbance.kind === 'expire') {
    const spi = disturbance.direction === 'in' ? child.inboundSpi : child.outboundSpi;
    // Through a NAT the address of the IKE SA's path may have moved on from the one that the kernel calls the SA by.
    const sa = host.kernel.kernel.states.all().find(({ id }) => id.spi === spi);
    if (sa !== undefined) host.expire(sa.id, child.reqid, disturbance.hard);
    return;
  }
  const { reqid } = child;
  const whole = { address: connection.localAddress, length: connection.localAddress.includes(':') ? 128 : 32 };
  const port = { value: 0, mask: 0 };
  const selector = { source: whole, destination: whole, protocol: 0, sourcePort: port, destinationPort: port };
  host.tell({ kind: 'acquire', sequence: 1, policyIndex: 0, reqid, selector });
}

function order(world: Disturbable, disturbance: Extract<Disturbance, { kind: 'order' }>): void {
  const plan = world.pairOf(disturbance.pair);
  const node = plan.nodes[disturbance.side];
  const name = nodeName(plan.nodes[otherSide(disturbance.side)]);
  world.note(node, `${disturbance.order} ${name}`);
  if (disturbance.order.startsWith('terminate')) world.ordered(disturbance.pair);
  const child = plan.children[0]?.name ?? '';
  const { order: kind } = disturbance;
  world
    .hostOf(node)
    .command(kind === 'terminateChild' || kind === 'rekeyChild' ? { kind, name, child } : { kind, name });
}
