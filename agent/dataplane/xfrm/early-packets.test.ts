import { expect, it } from 'vitest';

import { err, ok } from '../../result.ts';
import { parseZonedAddress } from '../../wire/ip-address.ts';
import { EarlyPackets, type PacketSockets } from './early-packets.ts';

const destination =
  parseZonedAddress('192.0.2.1') ??
  (() => {
    throw new Error('no address');
  })();

/** Sockets on which `arrive` puts packets of one byte each. */
function sockets() {
  const waiting = new Map<number, Uint8Array[]>();
  const injected: number[] = [];
  let last = 0;
  const port: PacketSockets = {
    open: () => {
      last += 1;
      waiting.set(last, []);
      return ok(last);
    },
    read: (fd, most) => waiting.get(fd)?.splice(0, most) ?? [],
    close: (fd) => waiting.delete(fd),
    inject: (packets) => injected.push(...packets.map(([byte = 0]) => byte)),
  };
  const arrive = (...bytes: readonly number[]) => {
    for (const each of waiting.values()) each.push(...bytes.map((byte) => Uint8Array.of(byte)));
  };
  return { port, waiting, injected, arrive };
}

it('what came before the SA is sent to it, in the order that it came in', () => {
  const { port, injected, arrive, waiting } = sockets();
  const early = new EarlyPackets(port);
  early.await({ destination, spi: 0x1000 });
  arrive(1, 2, 3);
  early.handOver(
    0x1000,
    () => ok(undefined),
    () => 0,
    () => true,
  );
  expect(injected).toEqual([1, 2, 3]);
  expect(waiting.size).toBe(0);
});

it('what came while the SA was made is sent to it, save what it has received itself', () => {
  const { port, injected, arrive } = sockets();
  const early = new EarlyPackets(port);
  early.await({ destination, spi: 0x1000 });
  arrive(1);
  const install = () => {
    arrive(2, 3, 4, 5);
    return ok(undefined);
  };
  early.handOver(
    0x1000,
    install,
    () => 3,
    () => true,
  );
  expect(injected).toEqual([1, 2]);
});

it('what the SA is not for is not sent to it', () => {
  const { port, injected, arrive } = sockets();
  const early = new EarlyPackets(port);
  early.await({ destination, spi: 0x1000 });
  arrive(1, 2, 3);
  early.handOver(
    0x1000,
    () => ok(undefined),
    () => 0,
    ([first]) => first !== 2,
  );
  expect(injected).toEqual([1, 3]);
});

it('an SA that the kernel refuses gets nothing, and nothing is kept for it any more', () => {
  const { port, injected, arrive, waiting } = sockets();
  const early = new EarlyPackets(port);
  early.await({ destination, spi: 0x1000 });
  arrive(1);
  expect(
    early.handOver(
      0x1000,
      () => err('no'),
      () => 0,
      () => true,
    ),
  ).toEqual(err('no'));
  expect(injected).toEqual([]);
  expect(waiting.size).toBe(0);
});

it('what was forgotten is not sent, and an SA that was never awaited is made as it is', () => {
  const { port, injected, arrive, waiting } = sockets();
  const early = new EarlyPackets(port);
  early.await({ destination, spi: 0x1000 });
  arrive(1);
  early.forget(0x1000);
  expect(
    early.handOver(
      0x1000,
      () => ok(undefined),
      () => 0,
      () => true,
    ),
  ).toEqual(ok(undefined));
  expect(injected).toEqual([]);
  expect(waiting.size).toBe(0);
});

it('so many sockets at most are open: the oldest gives way', () => {
  const { port, waiting } = sockets();
  const early = new EarlyPackets(port);
  for (let spi = 0x1000; spi < 0x1100; spi += 1) early.await({ destination, spi });
  expect(waiting.size).toBe(32);
  expect(Math.min(...waiting.keys())).toBe(0x100 - 31);
  early.close();
  expect(waiting.size).toBe(0);
});
