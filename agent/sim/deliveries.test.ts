import { expect, it } from 'vitest';

import type { EspPacket } from '../dataplane/memory/packet.ts';
import { parseIpAddress } from '../wire/ip-address.ts';
import { Deliveries } from './deliveries.ts';

const HERE = parseIpAddress('192.0.2.1');

function packet(sequence: number): EspPacket {
  if (HERE === undefined) throw new Error('that is an address');
  const ends = { source: HERE, destination: HERE };
  const inner = { kind: 'plain', ...ends, protocol: 6, sourcePort: 1, destinationPort: 1, payloadBytes: 1 } as const;
  const authenticator = { fingerprint: 1, sequence };
  return { kind: 'esp', ...ends, spi: 256, sequence, udp: undefined, authenticator, mode: 'transport', inner };
}

it('what was dropped since a packet was taken is what was dropped up to then, whoever has asked before', () => {
  const deliveries = new Deliveries();
  for (let second = 1; second <= 10; second += 1) {
    deliveries.noteSent(0, packet(second), second * 1_000);
    if (second === 2 || second === 10) deliveries.noteTaken(0, packet(second), second * 1_000 + 10);
    else deliveries.noteFiltered(0, packet(second));
  }
  expect(deliveries.of(0, 256, 11_000)).toEqual({ taken: 2, filteredAtMs: [] });
  const before = [3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 9_000];
  expect(deliveries.of(0, 256, 9_500)).toEqual({ taken: 2, filteredAtMs: before });
  expect(deliveries.of(0, 256, 1_500).filteredAtMs).toEqual([1_000, ...before]);
  expect(deliveries.of(1, 256, 9_500)).toEqual({ taken: 0, filteredAtMs: [] });
});
