import { describe, expect, it } from 'vitest';

import type { Payload } from '../../wire/payloads/payload.ts';
import { ExchangeType, Protocol } from '../../wire/registry.ts';
import { childConfig, Pair, present } from '../testing/pair.ts';
import { ScriptedPeer, waiting } from '../testing/scripted-peer.ts';

/** A peer that has begun one IKE SA after the other, each with a Child SA. */
function calls(count: number): readonly ScriptedPeer[] {
  const first = waiting();
  const { pair } = first;
  return Array.from({ length: count }, (_, index) => {
    const peer = index === 0 ? first : new ScriptedPeer(pair);
    peer.localSpi = `000000000000000${index + 1}` as never;
    peer.espSpi = 0x1001 + index;
    pair.at += 1_000;
    peer.establish();
    pair.wire.length = 0;
    return peer;
  });
}

/** The SPI that packets of the subject are sent on. */
function pin({ pair, subject }: ScriptedPeer): number | undefined {
  return present(pair.policies(subject).find(({ direction }) => direction === 'out')).template?.spi;
}

describe('a responder', () => {
  it('moves on to each newer pair when the peer shows that it has it, and not before', () => {
    const [first, second, third] = calls(3) as [ScriptedPeer, ScriptedPeer, ScriptedPeer];
    expect(pin(first)).toBe(first.espSpi);
    for (const peer of [second, third]) {
      peer.send(peer.request(ExchangeType.INFORMATIONAL, []));
      expect(pin(first)).toBe(peer.espSpi);
    }
  });

  it('sends on the newest of those that are left when the peer ends the one in use, and on none that waits longer', () => {
    const [first, second] = calls(2) as [ScriptedPeer, ScriptedPeer];
    second.send(second.request(ExchangeType.INFORMATIONAL, []));
    second.send(second.request(ExchangeType.INFORMATIONAL, [ENDED]));
    expect(pin(first)).toBe(first.espSpi);
  });

  it('sends on what the peer is known to have when it ends the one in use, not on what it has yet to be granted', () => {
    const [first, second, third] = calls(3) as [ScriptedPeer, ScriptedPeer, ScriptedPeer];
    for (const peer of [first, second]) peer.send(peer.request(ExchangeType.INFORMATIONAL, []));
    // The answer that grants the third is under way, or the certificate in it is being verified.
    second.send(second.request(ExchangeType.INFORMATIONAL, [ENDED]));
    expect(pin(first)).toBe(first.espSpi);
    first.send(first.request(ExchangeType.INFORMATIONAL, [ENDED]));
    expect(pin(first)).toBe(third.espSpi);
  });

  it('does not go back to an older pair that the peer shows later', () => {
    const [first, second, third] = calls(3) as [ScriptedPeer, ScriptedPeer, ScriptedPeer];
    third.send(third.request(ExchangeType.INFORMATIONAL, []));
    second.send(second.request(ExchangeType.INFORMATIONAL, []));
    expect(pin(first)).toBe(third.espSpi);
  });
});

describe('a pair that reaches its hard limit while the peer is being granted its successor', () => {
  it.each([
    ['Permissive', 'plain'],
    ['Required', 'lost'],
  ] as const)(
    'is not replaced by that one before the peer has it where plaintext would arrive: %s, %s',
    (enforcement, fate) => {
      const configuration = { children: [childConfig({ enforcement })] };
      const pair = new Pair().configure(configuration, configuration).settle().advance(10_000);
      pair.command(pair.left, { kind: 'rekeyChild', name: 'right', child: 'hosts' });
      pair.fire();
      const old = present(pair.status(pair.right).ikeSas[0]?.children[0]);
      pair.deliver();
      const id = { destination: pair.right.address, spi: old.inboundSpi };
      pair.right.kernel.execute({ kind: 'deleteSa', id });
      pair.handle(pair.right, { kind: 'kernel', event: { kind: 'expire', id, reqid: old.reqid, hard: true } });
      expect(pair.packet(pair.right)).toBe(fate);
      pair.settle();
      expect(pair.packet(pair.left), 'by which the peer shows that it has the successor').toBe('encrypted');
      pair.advance(2_000);
      expect(pair.encrypts()).toBe(true);
    },
  );
});

/** Ends the IKE SA that it stands in (RFC 7296 §1.4.1). */
const ENDED: Payload = { kind: 'delete', protocol: Protocol.IKE, spiSize: 0, spis: [] };
