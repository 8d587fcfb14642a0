import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { opensslProvider } from '../crypto/openssl/openssl-provider.ts';
import { ip } from '../dataplane/testing/builders.ts';
import type { Path } from '../ike/types.ts';
import { TestHost, TestWorld, testConfig } from './testing/agents.ts';

/** Where hostile datagrams arrive from: the peer's own address and a stranger's, at both ports. */
const PATHS: readonly Path[] = [
  { remoteAddress: ip('10.78.0.2'), remotePort: 500, localAddress: ip('10.78.0.1'), localPort: 500 },
  { remoteAddress: ip('10.78.0.2'), remotePort: 4500, localAddress: ip('10.78.0.1'), localPort: 4500 },
  { remoteAddress: ip('203.0.113.9'), remotePort: 31_337, localAddress: ip('10.78.0.1'), localPort: 500 },
  { remoteAddress: ip('203.0.113.9'), remotePort: 31_337, localAddress: ip('10.78.0.1'), localPort: 4500 },
];

/** Two agents that encrypt, and every message that the first of them has received. */
function established() {
  const world = new TestWorld();
  const hosts = [new TestHost(world, opensslProvider), new TestHost(world, opensslProvider)] as const;
  const a = hosts[0].start(testConfig(opensslProvider, 'node-a', '10.78.0.1', { 'node-b': '10.78.0.2' }));
  const b = hosts[1].start(testConfig(opensslProvider, 'node-b', '10.78.0.2', { 'node-a': '10.78.0.1' }));
  if (!a.ok || !b.ok) throw new Error('not started');
  world.pass(100_000);
  const real = world.sent.filter(({ path }) => path.localAddress === '10.78.0.1').map(({ bytes }) => bytes);
  return { world, host: hosts[0], agent: a.value, real };
}

/** A message of the peer that is cut off, has flipped bits or bytes of its own, or is no message at all. */
function hostile(real: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const message = fc.constantFrom(...real);
  const cut = fc.tuple(message, fc.nat()).map(([bytes, at]) => bytes.slice(0, at % bytes.length));
  const flipped = fc.tuple(message, fc.array(fc.nat(), { minLength: 1, maxLength: 4 })).map(([bytes, bits]) => {
    const changed = bytes.slice();
    for (const bit of new Set(bits.map((one) => one % (bytes.length * 8)))) {
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    }
    return changed;
  });
  const behindHeader = fc
    .tuple(message, fc.uint8Array({ maxLength: 400 }))
    .map(([bytes, rest]) => withLength(Uint8Array.from([...bytes.subarray(0, 28), ...rest])));
  const numbers = fc.tuple(fc.nat(300), fc.nat(300));
  const fragment = fc
    .tuple(message, numbers, fc.uint8Array({ maxLength: 400 }))
    .map(([bytes, [number, total], rest]) => {
      const start = bytes.slice(0, 28);
      start[16] = 53;
      const length = 8 + rest.length;
      const header = [0, 0, length >> 8, length & 255, number >> 8, number & 255, total >> 8, total & 255];
      return withLength(Uint8Array.from([...start, ...header, ...rest]));
    });
  return fc.oneof(cut, flipped, behindHeader, fragment, fc.uint8Array({ maxLength: 600 }));
}

/** So that random bytes are not all refused for the length in the header. */
function withLength(bytes: Uint8Array): Uint8Array {
  new DataView(bytes.buffer).setUint32(24, bytes.length);
  return bytes;
}

describe('hostile datagrams', () => {
  it('change nothing, are counted by reason, and are not remembered', () => {
    const { world, host, agent, real } = established();
    const before = agent.status();
    const spis = before.peers[0]?.ikeSas.map((sa) => [sa.initiatorSpi, sa.children[0]?.inbound.spi]);
    const commands = host.commands.length;
    const count = 6_000;
    const samples = fc.sample(fc.tuple(hostile(real), fc.constantFrom(...PATHS)), { numRuns: count, seed: 42 });
    let answers = 0;
    for (const [index, [bytes, path]] of samples.entries()) {
      const sent = world.sent.length;
      world.inject(path, bytes);
      if (index % 500 === 0) world.pass(10);
      answers += world.sent.length - sent;
    }
    const after = agent.status();
    expect(host.logLines.filter((line) => line.level === 'error')).toEqual([]);
    expect(after.peers[0]).toMatchObject({ state: 'encrypting' });
    expect(after.peers[0]?.ikeSas.map((sa) => [sa.initiatorSpi, sa.children[0]?.inbound.spi])).toEqual(spis);
    expect(host.commands.length).toBe(commands);
    const dropped = Object.values(after.dropped).reduce((sum, each) => sum + each, 0);
    expect(dropped).toBeGreaterThan(count * 0.9);
    expect(answers).toBeLessThan(100);
    expect(after.halfOpen).toBeLessThan(count / 10);
    world.pass(120_000);
    const calm = agent.status();
    expect(calm.halfOpen).toBe(0);
    expect(calm.peers[0]).toMatchObject({ state: 'encrypting' });
    expect(calm.remembered).toEqual(before.remembered);
  });
});
