import { afterAll, describe, expect, it, vi } from 'vitest';

import type { EspPacket, PlainPacket } from '../../dataplane/memory/packet.ts';
import type { Pair as PairOfSides } from '../testing/pair.ts';

// Peers of another make: agents wait with a new SA until they know that it can be received on. Other tests have the
// modules already, which are loaded anew for these.
const maker = { isAgent: false };
vi.resetModules();
vi.doMock('../message/vendor-id.ts', async (importOriginal) => ({
  ...(await importOriginal<typeof import('../message/vendor-id.ts')>()),
  isAgent: () => maker.isAgent,
}));
const { SecretBytes } = await import('../../crypto/secret.ts');
const { byPreSharedKey } = await import('../negotiation/authentication.ts');
const { childConfig, Pair, present, proposal } = await import('../testing/pair.ts');

afterAll(() => {
  vi.doUnmock('../message/vendor-id.ts');
  vi.resetModules();
});

/** A packet that the right sends on the SA that it has installed last, as soon as it has it. */
function sentAtOnce(pair: PairOfSides): EspPacket {
  const { right, left } = pair;
  const [policy] = pair.policies(right).filter(({ direction }) => direction === 'out');
  const { template } = present(policy);
  const added = right.commands.flatMap((command) => (command.kind === 'addSa' ? [command.sa] : []));
  const { spi } = present(added.findLast(({ direction }) => direction === 'out')).id;
  right.kernel.kernel.putPolicy({ ...present(policy), template: { ...present(template), spi } });
  const packet: PlainPacket = {
    kind: 'plain',
    source: right.address,
    destination: left.address,
    protocol: 17,
    sourcePort: 4_000,
    destinationPort: 5_000,
    payloadBytes: 100,
  };
  const fate = right.kernel.outbound(packet);
  if (fate.kind !== 'esp') throw new Error(`the packet was not sent: ${fate.kind}`);
  return fate.packet;
}

/** SPIs for which packets are still kept. */
function awaited({ left }: PairOfSides): readonly number[] {
  return left.kernel.kernel.awaited;
}

describe('packets of a peer that sends on a new SA before its answer has been read', () => {
  it('are received when the first Child SA is there', () => {
    const pair = new Pair().configure();
    pair.fire();
    for (const _ of ['IKE_SA_INIT', 'its answer', 'IKE_AUTH']) pair.deliver();
    expect(pair.left.kernel.inbound(sentAtOnce(pair))).toMatchObject({ kind: 'dropped' });
    pair.settle();
    expect(pair.left.kernel.handedOver).toMatchObject([{ kind: 'accepted' }]);
    expect(awaited(pair)).toEqual([]);
  });

  it.each<readonly [string, readonly string[]]>([
    ['without a key exchange', ['aes256gcm16', 'esn']],
    ['with perfect forward secrecy', ['aes256gcm16', 'x25519', 'esn']],
  ])('are received when the Child SA has been rekeyed %s', (_, words) => {
    const child = { children: [childConfig({ proposals: [proposal(...words)] })] };
    const pair = new Pair().configure(child, child).settle().advance(10_000);
    pair.command(pair.left, { kind: 'rekeyChild', name: 'right', child: 'hosts' });
    pair.fire();
    pair.deliver();
    expect(pair.left.kernel.inbound(sentAtOnce(pair))).toMatchObject({ kind: 'dropped' });
    pair.settle();
    expect(pair.left.kernel.handedOver).toMatchObject([{ kind: 'accepted' }]);
    expect(awaited(pair)).toEqual([]);
  });

  it('are kept before the request leaves, so that none can come earlier', () => {
    const pair = new Pair().configure();
    pair.fire();
    for (const _ of ['IKE_SA_INIT', 'its answer']) pair.deliver();
    expect(awaited(pair)).toHaveLength(1);
    expect(pair.sas(pair.left)).toEqual([]);
  });
});

it('a peer of another make, which lets in no plaintext once it has its SAs, is sent ESP at once where plaintext is allowed', () => {
  const permissive = { children: [childConfig({ enforcement: 'Permissive' })] };
  const pair = new Pair().configure(permissive, permissive);
  pair.fire();
  for (const _ of ['IKE_SA_INIT', 'its answer', 'IKE_AUTH']) pair.deliver();
  const { right, left } = pair;
  const addresses = { source: right.address, destination: left.address };
  const ports = { protocol: 17, sourcePort: 4_000, destinationPort: 5_000 };
  expect(right.kernel.outbound({ kind: 'plain', ...addresses, ...ports, payloadBytes: 100 }).kind).toBe('esp');
});

it('a host that can keep none has its Child SA all the same', () => {
  const pair = new Pair().configure();
  pair.left.refuse = (command) => (command.kind === 'awaitSa' ? 'CAP_NET_RAW is missing' : undefined);
  pair.settle();
  expect(pair.encrypts()).toBe(true);
});

describe('an SA that nobody has proved to be the peer’s', () => {
  it('is not in the kernel while the proof is awaited: whoever answered IKE_SA_INIT has its keys', () => {
    const pair = new Pair().configure({}, byPreSharedKey(new SecretBytes(new TextEncoder().encode('a wrong key'))));
    pair.fire();
    while (pair.wire.length > 0) {
      expect(pair.sas(pair.left)).toEqual([]);
      pair.deliver();
    }
    expect(pair.left.commands.filter(({ kind }) => kind === 'addSa')).toEqual([]);
    expect(pair.left.kernel.handedOver).toEqual([]);
  });
});

describe('nothing is kept any more for an SA that does not come', () => {
  it('because the peer does not believe us', () => {
    const wrong = byPreSharedKey(new SecretBytes(new TextEncoder().encode('a wrong key')));
    const pair = new Pair().configure({}, wrong).settle();
    expect(pair.left.commands.some(({ kind }) => kind === 'awaitSa')).toBe(true);
    expect(awaited(pair)).toEqual([]);
  });

  it('because the peer refuses the first Child SA', () => {
    const pair = new Pair().configure({}, { children: [childConfig({ proposals: [proposal('aes128gcm16', 'esn')] })] });
    pair.settle();
    expect(pair.left.commands.some(({ kind }) => kind === 'awaitSa')).toBe(true);
    expect(awaited(pair)).toEqual([]);
  });

  it('because the peer no longer answers', () => {
    const pair = new Pair().configure().settle().advance(10_000);
    pair.command(pair.left, { kind: 'rekeyChild', name: 'right', child: 'hosts' });
    pair.fire();
    expect(awaited(pair)).toHaveLength(1);
    pair.wire.length = 0;
    pair.advanceLosing(65_000);
    expect(pair.left.facts).toContainEqual(expect.objectContaining({ kind: 'ikeSaClosed', reason: 'peerDead' }));
    expect(awaited(pair)).toEqual([]);
  });

  it('because the connection is taken out meanwhile', () => {
    const pair = new Pair().configure().settle().advance(10_000);
    pair.command(pair.left, { kind: 'rekeyChild', name: 'right', child: 'hosts' });
    pair.fire();
    pair.command(pair.left, { kind: 'removeConnection', name: 'right' });
    pair.settle().advance(10_000);
    expect(awaited(pair)).toEqual([]);
  });

  it('because our kernel takes neither it nor what stands before it', () => {
    const pair = new Pair().configure();
    pair.left.refuse = (command) => (command.kind === 'addSa' ? 'out of memory' : undefined);
    pair.settle();
    expect(awaited(pair)).toEqual([]);
  });
});

it('an agent is trusted to wait: nothing is kept of what it sends', () => {
  maker.isAgent = true;
  const pair = new Pair().configure().settle().advance(10_000);
  pair.command(pair.left, { kind: 'rekeyChild', name: 'right', child: 'hosts' });
  pair.settle();
  expect(pair.left.commands.filter(({ kind }) => kind === 'awaitSa')).toEqual([]);
  maker.isAgent = false;
});
