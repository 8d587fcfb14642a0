import { describe, expect, it } from 'vitest';

import { toyProvider } from '../../crypto/toy/toy-provider.ts';
import type { Random } from '../../crypto/types.ts';
import { type IkeSpi, spiFromBytes } from '../../wire/header.ts';
import { notifyOf } from '../../wire/notify-data.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { ExchangeType, NotifyType } from '../../wire/registry.ts';
import { peerHashes } from '../exchange/certificate-payloads.ts';
import type { Limits } from '../limits.ts';
import { notify } from '../message/notify.ts';
import { TRUSTING } from '../testing/certificates.ts';
import { address, fqdn, Pair, present, proposal } from '../testing/pair.ts';
import { notifyTypes, parsed, ScriptedPeer, waiting } from '../testing/scripted-peer.ts';
import type { ConnectionConfig, Path } from '../types.ts';

/** Where a stranger seems to be, seen from the left side. */
function pathFrom(remoteAddress: string, remotePort = 500): Path {
  return { localAddress: address('192.0.2.1'), localPort: 500, remoteAddress: address(remoteAddress), remotePort };
}

function spiOf(number: number): IkeSpi {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setUint32(4, number);
  bytes[0] = 0xaa;
  return spiFromBytes(bytes);
}

/** A peer for which `flood` others come first. */
class Flooded extends ScriptedPeer {
  static under(limits: Partial<Limits>, changes: Partial<ConnectionConfig> = {}): Flooded {
    const pair = new Pair({ limits });
    pair.configureLeft({ initiation: 'respond', remoteAddress: 'any', ...changes });
    return new Flooded(pair);
  }

  /** So many requests of which each comes from another address. */
  flood(count: number): this {
    for (let number = 1; number <= count; number += 1) {
      this.from(pathFrom(`198.51.${number >> 8}.${number & 255}`), this.requestWith(spiOf(number)));
    }
    this.pair.wire.length = 0;
    return this;
  }

  from(path: Path, bytes: Uint8Array): void {
    this.pair.handle(this.subject, { kind: 'datagram', path, bytes });
  }

  requestWith(spi: IkeSpi, payloads?: readonly Payload[]): Uint8Array {
    this.localSpi = spi;
    return this.initRequest(payloads);
  }

  /** The COOKIE that the subject has just asked for. */
  takeCookie(): Payload {
    const [payload] = parsed(this.take()).payloads;
    if (payload?.kind !== 'notify' || payload.notifyType !== NotifyType.COOKIE) throw new Error('no COOKIE');
    return payload;
  }

  get halfOpen(): number {
    return this.subject.endpoint.status(this.pair.at).halfOpen;
  }

  /** Why datagrams were dropped, and how many for each reason. */
  get drops(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const fact of this.subject.facts) {
      if (fact.kind === 'datagramDropped') counts[fact.reason] = (counts[fact.reason] ?? 0) + 1;
    }
    return counts;
  }

  get demandsNow(): boolean {
    return this.subject.endpoint.status(this.pair.at).demandsCookies;
  }

  get demands(): readonly boolean[] {
    return this.subject.facts.flatMap((fact) => (fact.kind === 'cookiesDemanded' ? [fact.demanded] : []));
  }
}

describe('what a stranger sends', () => {
  it('is not kept as long as he likes: a request beyond all reason is dropped unread', () => {
    const peer = Flooded.under({ initRequestBytes: 2_000 });
    const padding = (bytes: number) => notify(40_000, new Uint8Array(bytes));
    peer.send(peer.requestWith(spiOf(1), [peer.sa, peer.ke, peer.ni, padding(2_000)]));
    expect(peer.drops).toEqual({ malformed: 1 });
    expect(peer.halfOpen).toBe(0);
    peer.send(peer.requestWith(spiOf(2), [peer.sa, peer.ke, peer.ni, padding(500)]));
    expect(peer.halfOpen).toBe(1);
  });

  it('is remembered of the hashes that he names by those that we know, each once', () => {
    const algorithms = Array.from({ length: 3_000 }, (_, index) => index % 7);
    const hashes = notifyOf({ kind: 'signatureHashAlgorithms', algorithms });
    expect(peerHashes([hashes])).toEqual([2, 3, 4, 5]);
    expect(peerHashes([notifyOf({ kind: 'signatureHashAlgorithms', algorithms: [1, 99] })])).toEqual([]);
  });
});

describe('a COOKIE (RFC 7296 §2.6)', () => {
  it('is not demanded as long as few are half open', () => {
    const peer = Flooded.under({ cookieThreshold: 10 }).flood(9);
    expect(peer.halfOpen).toBe(9);
    expect(peer.drops).toEqual({});
  });

  it('is demanded from then on, with nothing kept for whoever cannot give it back', () => {
    const peer = Flooded.under({ cookieThreshold: 10 }).flood(500);
    expect(peer.halfOpen).toBe(10);
    expect(peer.drops).toEqual({ cookieRequired: 490 });
    expect(peer.subject.endpoint.status(peer.pair.at).tables.ikeSas).toBe(10);
    expect([peer.demands, peer.demandsNow]).toEqual([[true], true]);
  });

  it('comes without an SPI of ours and alone; with it the request is taken, and AUTH covers that request (RFC 7296 §2.15)', () => {
    const peer = Flooded.under({ cookieThreshold: 10 }).flood(20);
    peer.send(peer.initRequest());
    const challenge = parsed(peer.take());
    expect(challenge.header.responderSpi).toBe('0000000000000000');
    expect(notifyTypes(challenge.payloads)).toEqual([NotifyType.COOKIE]);
    peer.send(peer.initRequest([...challenge.payloads, peer.sa, peer.ke, peer.ni]));
    peer.takeInitResponse(peer.take());
    peer.send(peer.request(ExchangeType.IKE_AUTH, [...peer.proof(), ...peer.child()]));
    expect(peer.believes(peer.open(peer.take()))).toBe(true);
    expect(peer.pair.status(peer.subject).ikeSas).toMatchObject([{ state: 'established' }]);
  });

  it('of somebody else, or for another request, is answered by a demand for the right one', () => {
    const peer = Flooded.under({ cookieThreshold: 1 }).flood(1);
    peer.send(peer.requestWith(spiOf(7_000)));
    const cookie = peer.takeCookie();
    const rest = [peer.sa, peer.ke, peer.ni];
    peer.from(pathFrom('198.51.100.77'), peer.requestWith(spiOf(7_000), [cookie, ...rest]));
    peer.send(peer.requestWith(spiOf(7_001), [cookie, ...rest]));
    peer.send(peer.requestWith(spiOf(7_000), [cookie, peer.sa, peer.ke, { kind: 'nonce', data: new Uint8Array(200) }]));
    peer.send(peer.requestWith(spiOf(7_000), [notify(NotifyType.COOKIE, new Uint8Array(16)), ...rest]));
    expect(peer.drops).toEqual({ cookieRequired: 1, cookieInvalid: 4 });
    expect(peer.halfOpen).toBe(1);
    peer.pair.wire.length = 0;
    peer.send(peer.requestWith(spiOf(7_000), [cookie, ...rest]));
    expect(peer.halfOpen).toBe(2);
  });

  it('is demanded for a while after there are fewer again, so that no copy of one request gets another answer', () => {
    const peer = Flooded.under({ cookieThreshold: 5, halfOpenTimeoutMs: 1_000, cookieCalmMs: 10_000 }).flood(6);
    peer.pair.advanceLosing(2_000);
    expect(peer.halfOpen).toBe(0);
    peer.send(peer.requestWith(spiOf(9_000)));
    peer.takeCookie();
    peer.pair.advanceLosing(9_000);
    peer.send(peer.requestWith(spiOf(9_001)));
    parsed(peer.take());
    expect(peer.halfOpen).toBe(1);
    expect([peer.demands, peer.demandsNow]).toEqual([[true, false], false]);
  });

  it('is demanded once more of who was asked already, though the load is gone: a copy of its request is not taken', () => {
    const peer = Flooded.under({ cookieThreshold: 2, halfOpenTimeoutMs: 1_000, cookieCalmMs: 2_000 }).flood(2);
    const request = peer.requestWith(spiOf(9_000));
    peer.send(request);
    const cookie = peer.takeCookie();
    peer.pair.advanceLosing(4_000);
    peer.send(request);
    expect(peer.takeCookie()).toEqual(cookie);
    expect(peer.halfOpen).toBe(0);
    peer.send(peer.requestWith(spiOf(9_001)));
    expect(peer.halfOpen).toBe(1);
  });

  it('is not demanded of who repeats a request that was taken before the load: it gets its answer again', () => {
    const peer = Flooded.under({ cookieThreshold: 10 });
    const request = peer.requestWith(spiOf(8_000));
    peer.send(request);
    const answer = peer.take();
    peer.flood(20);
    peer.send(request);
    expect(peer.take()).toEqual(answer);
  });

  it('is demanded of one source with many, and while it lasts of all', () => {
    const peer = Flooded.under({ cookieThreshold: 1_000, cookieThresholdPerSource: 3 });
    for (let number = 1; number <= 5; number += 1) peer.send(peer.requestWith(spiOf(number)));
    expect(peer.halfOpen).toBe(3);
    expect(peer.drops).toEqual({ cookieRequired: 2 });
  });

  it.each(['cookie first', 'group first'])(
    'and another group may be asked for in either order; cookie and nonce stay good (%s, RFC 7296 §2.6.1)',
    (order) => {
      const ecp384 = proposal('aes256gcm16', 'prfsha384', 'ecp384');
      const pair = new Pair({ limits: { cookieThreshold: 1 } });
      pair.configureLeft({ initiation: 'respond', proposals: [ecp384] });
      const peer = new ScriptedPeer(pair, { ike: ecp384 });
      const guess = { kind: 'ke', group: 31, data: new Uint8Array(32).fill(9) } as const;
      const overload = (): void => {
        const other = new ScriptedPeer(pair, { ike: ecp384 });
        other.localSpi = spiOf(1);
        other.send(other.initRequest());
        pair.wire.length = 0;
      };
      const said: number[] = [];
      const ask = (payloads: readonly Payload[]): readonly Payload[] => {
        peer.send(peer.initRequest(payloads));
        const response = peer.take();
        const answer = parsed(response).payloads;
        said.push(...notifyTypes(answer).filter((type) => type < 16_384 || type === NotifyType.COOKIE));
        if (answer.some(({ kind }) => kind === 'sa')) peer.takeInitResponse(response);
        return answer;
      };
      if (order === 'cookie first') {
        overload();
        const cookie = ask([peer.sa, guess, peer.ni]);
        ask([...cookie, peer.sa, guess, peer.ni]);
        ask([...cookie, peer.sa, peer.ke, peer.ni]);
      } else {
        ask([peer.sa, guess, peer.ni]);
        overload();
        const cookie = ask([peer.sa, peer.ke, peer.ni]);
        ask([...cookie, peer.sa, peer.ke, peer.ni]);
      }
      const expected = [NotifyType.COOKIE, NotifyType.INVALID_KE_PAYLOAD];
      expect(said).toEqual(order === 'cookie first' ? expected : expected.toReversed());
      peer.send(peer.request(ExchangeType.IKE_AUTH, [...peer.proof(), ...peer.child()]));
      expect(pair.status(pair.left).ikeSas).toMatchObject([{ state: 'established' }]);
    },
  );

  it('between two agents costs one more round trip and nothing else, whichever of two groups is asked for', () => {
    const both = [proposal('aes256gcm16', 'prfsha384', 'x25519', 'ecp384')];
    const pair = new Pair({ limits: { cookieThreshold: 0 } });
    pair.configure({ proposals: both }, { proposals: [proposal('aes256gcm16', 'prfsha384', 'ecp384')] }).settle();
    expect(pair.encrypts()).toBe(true);
    expect(pair.sent.length).toBe(8);
  });
});

describe('limits of half-open IKE SAs', () => {
  it('hold for one source even when it proves its address', () => {
    const peer = Flooded.under({ cookieThreshold: 0, halfOpenPerSource: 4 });
    for (let number = 1; number <= 8; number += 1) {
      peer.send(peer.requestWith(spiOf(number)));
      const cookie = peer.takeCookie();
      peer.send(peer.requestWith(spiOf(number), [cookie, peer.sa, peer.ke, peer.ni]));
      peer.pair.wire.length = 0;
    }
    expect(peer.halfOpen).toBe(4);
    expect(peer.drops['halfOpenLimit']).toBe(4);
  });

  it('count a network of 2^64 IPv6 addresses as one source, but the address of a configured peer for itself', () => {
    const pair = new Pair({
      limits: { halfOpenPerSource: 2, cookieThresholdPerSource: 100 },
      addresses: ['2001:db8::1', '2001:db8::2'],
    });
    pair.configureLeft({ initiation: 'respond', remoteAddress: 'any' });
    pair.configureLeft({ name: 'known', initiation: 'respond', remoteIdentity: fqdn('known') });
    const peer = new Flooded(pair);
    const send = (from: string, number: number): number => {
      const path = { ...pathFrom(from), localAddress: pair.left.address };
      peer.from(path, peer.requestWith(spiOf(number)));
      return peer.halfOpen;
    };
    expect([1, 2, 3, 4].map((number) => send(`2001:db8::aa:${number}`, number))).toEqual([1, 2, 2, 2]);
    expect(send('2001:db8::2', 5)).toBe(3);
    expect(send('2001:db8:0:1::aa:1', 6)).toBe(4);
  });

  it('are given back when an IKE SA is established, expires or is given up', () => {
    const peer = Flooded.under({ halfOpenPerSource: 1 });
    peer.send(peer.begin());
    peer.open(peer.take());
    expect(peer.halfOpen).toBe(0);
    peer.send(peer.requestWith(spiOf(1)));
    peer.take();
    peer.send(peer.requestWith(spiOf(2)));
    expect(peer.waiting).toBe(0);
    peer.pair.advanceLosing(31_000);
    peer.send(peer.requestWith(spiOf(3)));
    expect(peer.waiting).toBe(1);
  });
});

describe('dropping early', () => {
  it('nothing is computed with a key for whoever is unknown, has not proved its address, or is one too many', () => {
    let generated = 0;
    const counting = {
      ...toyProvider,
      keyExchange: (id: number) => {
        const keyExchange = toyProvider.keyExchange(id);
        return (
          keyExchange && {
            ...keyExchange,
            generate: (random: Random) => {
              generated += 1;
              return keyExchange.generate(random);
            },
          }
        );
      },
    };
    const pair = new Pair({ crypto: counting, limits: { cookieThreshold: 3 } });
    pair.configureLeft({ initiation: 'respond', remoteAddress: 'any' });
    const peer = new Flooded(pair);
    peer.flood(3);
    generated = 0;
    peer.flood(100);
    expect(generated).toBe(0);
    peer.from({ ...pathFrom('198.51.100.1'), localAddress: address('192.0.2.99') }, peer.initRequest());
    expect(peer.drops['unknownPeer']).toBe(1);
    expect(generated).toBe(0);
  });
});

describe('amplification', () => {
  it('a request that is shorter than its answer gets a COOKIE: no more bytes go to an unproved address than came from it', () => {
    const peer = Flooded.under({});
    const short: Payload = { kind: 'nonce', data: new Uint8Array(16).fill(3) };
    const request = peer.requestWith(spiOf(1), [peer.sa, peer.ke, short]);
    peer.send(request);
    const challenge = peer.take();
    expect(challenge.length).toBeLessThanOrEqual(request.length);
    const { payloads } = parsed(challenge);
    expect(notifyTypes(payloads)).toEqual([NotifyType.COOKIE]);
    expect(peer.halfOpen).toBe(0);
    peer.send(peer.requestWith(spiOf(1), [...payloads, peer.sa, peer.ke, short]));
    const answer = peer.take();
    expect(answer.length).toBeGreaterThan(request.length);
    expect(peer.halfOpen).toBe(1);
  });

  it('an answer leaves out that Child SAs may come later, exactly where only that would make it longer than the request', () => {
    const kinds = new Set<string>();
    for (let nonceBytes = 16; nonceBytes <= 256; nonceBytes += 1) {
      const peer = Flooded.under({});
      const nonce: Payload = { kind: 'nonce', data: new Uint8Array(nonceBytes).fill(3) };
      const request = peer.requestWith(spiOf(1), [peer.sa, peer.ke, nonce]);
      peer.send(request);
      const answer = peer.take();
      expect(answer.length).toBeLessThanOrEqual(request.length);
      const types = notifyTypes(parsed(answer).payloads);
      if (types.includes(NotifyType.COOKIE)) kinds.add('cookie');
      else if (types.includes(NotifyType.CHILDLESS_IKEV2_SUPPORTED)) kinds.add('whole');
      else {
        kinds.add('shortened');
        expect(answer.length + 8).toBeGreaterThan(request.length);
      }
    }
    expect([...kinds]).toEqual(['cookie', 'shortened', 'whole']);
  });

  it('whatever is sent and however often, an address that has proved nothing gets no more bytes than came from it', () => {
    const peer = Flooded.under({ cookieThreshold: 6, errorReplyIntervalMs: 0 });
    const requests = [
      peer.requestWith(spiOf(1)),
      peer.requestWith(spiOf(2), [peer.sa, peer.ke, { kind: 'nonce', data: new Uint8Array(16) }]),
      peer.requestWith(spiOf(3), [{ kind: 'nonce', data: new Uint8Array(16) }]),
      peer.requestWith(spiOf(4), [peer.sa, { kind: 'ke', group: 19, data: new Uint8Array(64) }, peer.ni]),
      peer.requestWith(spiOf(5), [{ kind: 'unknown', type: 200, critical: true, data: new Uint8Array(0) }, peer.ni]),
      ...Array.from({ length: 10 }, (_, number) => peer.requestWith(spiOf(100 + number))),
    ];
    peer.remoteSpi = spiOf(77);
    requests.push(peer.unprotected(ExchangeType.INFORMATIONAL, 0, false, []));
    requests.push(peer.unprotected(ExchangeType.IKE_AUTH, 1, false, [peer.ni]));
    for (const request of requests) {
      const otherVersion = request.slice();
      otherVersion[17] = 0x30;
      for (const bytes of [request, request, otherVersion]) {
        const before = peer.pair.sent.length;
        peer.send(bytes);
        const answered = peer.pair.sent.slice(before).reduce((sum, datagram) => sum + datagram.bytes.length, 0);
        expect(answered).toBeLessThanOrEqual(bytes.length);
      }
    }
    expect(peer.pair.sent.length).toBeGreaterThan(20);
  });

  it('between agents that trust one authority IKE_SA_INIT is not answered by more, so no COOKIE is needed', () => {
    const pair = new Pair().configure({ remoteAuthentication: TRUSTING }, { remoteAuthentication: TRUSTING });
    pair.fire();
    const request = pair.deliver().bytes;
    const response = present(pair.wire[0]).bytes;
    expect(parsed(response).payloads.map(({ kind }) => kind)).toContain('certreq');
    expect(response.length).toBeLessThanOrEqual(request.length);
  });

  it('a recorded request that is sent from another address gets no more than it is itself', () => {
    const peer = waiting();
    const auth = peer.begin();
    peer.send(auth);
    const answer = peer.take();
    const elsewhere = { kind: 'datagram', path: pathFrom('203.0.113.5'), bytes: auth } as const;
    peer.pair.handle(peer.subject, elsewhere);
    const sent = peer.waiting === 0 ? 0 : peer.take().length;
    expect(sent).toBeLessThanOrEqual(auth.length);
    const liveness = peer.request(ExchangeType.INFORMATIONAL, []);
    peer.send(liveness);
    peer.take();
    peer.pair.handle(peer.subject, { ...elsewhere, bytes: liveness });
    expect(peer.waiting).toBe(1);
    expect(answer.length).toBeGreaterThan(0);
  });

  it('a fragment recorded and sent from another address does not bring it all fragments of the answer', () => {
    const long = fqdn(`left.${'x'.repeat(3_000)}`);
    const pair = new Pair({ limits: {} });
    pair.configureLeft({ initiation: 'respond', localIdentity: long });
    const peer = new ScriptedPeer(pair, { fragmentation: true });
    peer.send(peer.initRequest());
    peer.takeInitResponse(peer.take());
    const request = peer.fragments(ExchangeType.IKE_AUTH, 1, false, [...peer.proof(), ...peer.child()], 100);
    for (const bytes of request) peer.send(bytes);
    expect(peer.waiting).toBeGreaterThan(1);
    pair.wire.length = 0;
    pair.handle(peer.subject, { kind: 'datagram', path: pathFrom('203.0.113.5'), bytes: present(request[0]) });
    expect(peer.waiting).toBe(0);
    expect(peer.subject.facts.at(-1)).toMatchObject({ kind: 'datagramDropped', reason: 'unprovedAddress' });
  });
});

describe('errors for strangers', () => {
  it('are few to one address, and few in all', () => {
    const peer = Flooded.under({ errorRepliesPerSecond: 5, errorReplyIntervalMs: 1_000 });
    peer.requestWith(spiOf(1));
    peer.remoteSpi = spiOf(77);
    peer.pair.at = 100_000;
    const request = peer.unprotected(ExchangeType.INFORMATIONAL, 0, false, [peer.ni]);
    for (let copy = 0; copy < 10; copy += 1) peer.send(request);
    expect(peer.waiting).toBe(1);
    for (let number = 1; number <= 100; number += 1) peer.from(pathFrom(`198.51.100.${number}`), request);
    expect(peer.waiting).toBe(5);
    peer.pair.at += 1_000;
    for (let number = 1; number <= 100; number += 1) peer.from(pathFrom(`198.51.100.${number}`), request);
    expect(peer.waiting).toBe(10);
  });

  it('that belong to a negotiation are replaced by a COOKIE where there are too many, and told when it comes back', () => {
    const ecp384 = proposal('aes256gcm16', 'prfsha384', 'ecp384');
    const pair = new Pair({ limits: { errorRepliesPerSecond: 0 } });
    pair.configureLeft({ initiation: 'respond', proposals: [ecp384] });
    const peer = new Flooded(pair, { ike: ecp384 });
    const guess = { kind: 'ke', group: 31, data: new Uint8Array(32).fill(9) } as const;
    peer.send(peer.requestWith(spiOf(1), [peer.sa, guess, peer.ni]));
    const cookie = peer.takeCookie();
    peer.send(peer.requestWith(spiOf(1), [cookie, peer.sa, guess, peer.ni]));
    expect(notifyTypes(parsed(peer.take()).payloads)).toEqual([NotifyType.INVALID_KE_PAYLOAD]);
  });

  it('which a copy of a request got in place of the error do not leave its initiator with a proof of the wrong request', () => {
    const guessing = { proposals: [proposal('aes256gcm16', 'prfsha384', 'ecp384', 'x25519')] };
    const pair = new Pair().configure(guessing);
    pair.fire();
    const [first] = pair.wire;
    pair.deliver();
    pair.deliverCopy(present(first));
    pair.advance(20_000);
    expect(pair.left.facts.filter(({ kind }) => kind === 'negotiationFailed')).toEqual([]);
    expect(pair.encrypts()).toBe(true);
  });
});
