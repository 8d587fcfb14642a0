import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { algorithms } from '../../crypto/suites.ts';
import type { Proposal, Transform } from '../../wire/payloads/sa.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { proposal } from '../testing/pair.ts';
import { transform } from '../testing/scripted-peer.ts';
import type { ProposalConfig } from '../types.ts';
import { choose, chosenSuite, offer } from './proposal.ts';

const NO_SPI = new Uint8Array(0);

function ike(...words: readonly string[]): ProposalConfig {
  return proposal(...words);
}

function pick(offered: readonly Proposal[], own: readonly ProposalConfig[], protocol: 'ike' | 'esp' = 'ike') {
  return choose(protocol, offered, own, NO_SPI, protocol === 'ike', DEFAULT_LIMITS);
}

function of(...transforms: readonly Transform[]): Proposal {
  return { number: 1, protocol: 1, spi: NO_SPI, transforms };
}

const ENCR = transform(1, 20, 256);
const PRF = transform(2, 6);
const KE = transform(4, 31);
const OWN = [ike('aes256gcm16', 'prfsha384', 'x25519')];

describe('an offer', () => {
  it('has proposals numbered from 1, key lengths where the algorithm has several, and the SPI in each (RFC 7296 §3.3)', () => {
    const spi = Uint8Array.of(1, 2, 3, 4);
    expect(offer('esp', [ike('aes256gcm16', 'esn'), ike('chacha20poly1305', 'x25519', 'esn')], spi, true)).toEqual([
      { number: 1, protocol: 3, spi, transforms: [transform(1, 20, 256), transform(5, 1)] },
      { number: 2, protocol: 3, spi, transforms: [transform(1, 28), transform(4, 31), transform(5, 1)] },
    ]);
  });

  it('leaves the key exchange out where there is no place for one (RFC 7296 §1.2)', () => {
    expect(offer('esp', [ike('aes256gcm16', 'x25519', 'esn')], NO_SPI, false)[0]?.transforms).toEqual([
      transform(1, 20, 256),
      transform(5, 1),
    ]);
  });
});

describe('a choice', () => {
  it('follows our preference, not that of the peer', () => {
    const own = [ike('aes128gcm16', 'prfsha256', 'ecp256'), ike('aes256gcm16', 'prfsha384', 'x25519')];
    const choice = pick(offer('ike', own.toReversed(), NO_SPI, true), own);
    expect(choice?.answer).toMatchObject({
      number: 2,
      transforms: [transform(1, 20, 128), transform(2, 5), transform(4, 19)],
    });
    expect(choice?.suite.text).toBe('aes128gcm16-prfsha256-ecp256');
  });

  it.each([
    ['no encryption', [PRF, KE]],
    ['no PRF', [ENCR, KE]],
    ['no key exchange (CVE-2016-5391)', [ENCR, PRF]],
    ['the key exchange NONE', [ENCR, PRF, transform(4, 0)]],
    ['a private group (CVE-2014-9221)', [ENCR, PRF, transform(4, 1025)]],
    ['a hash beside an AEAD (RFC 5282 §8)', [ENCR, PRF, transform(3, 12), KE]],
    ['a transform of unknown type', [ENCR, PRF, KE, transform(240, 1)]],
    ['an additional key exchange (RFC 9370)', [ENCR, PRF, KE, transform(6, 36)]],
    ['sequence numbers', [ENCR, PRF, KE, transform(5, 0)]],
    ['a key length where there is none', [ENCR, PRF, { ...KE, attributes: [{ type: 14, value: 256 }] }]],
    ['an attribute in the long form', [{ ...ENCR, attributes: [{ type: 14, bytes: Uint8Array.of(1, 0) }] }, PRF, KE]],
    ['nothing', []],
  ] as const)('is not made from an offer with %s', (_, transforms) => {
    expect(pick([of(...transforms)], OWN)).toBeUndefined();
  });

  it('is made past what is not known, from the first proposal that will do', () => {
    const offered = [
      of(transform(1, 999), PRF, KE),
      { ...of(transform(1, 999), ENCR, PRF, transform(2, 99), KE), number: 2 },
    ];
    expect(pick(offered, OWN)?.answer.number).toBe(2);
  });

  it('accepts the additional key exchange NONE nowhere that it was not configured (RFC 9370 §2.2.2)', () => {
    expect(pick([of(ENCR, PRF, KE, transform(6, 0))], OWN)).toBeUndefined();
  });

  it('looks at no more proposals and transforms than the limits', () => {
    const late = Array.from({ length: 40 }, (_, index) => ({ ...of(PRF), number: index + 1 }));
    expect(pick([...late, { ...of(ENCR, PRF, KE), number: 41 }], OWN)).toBeUndefined();
    const wide = of(...Array.from({ length: 200 }, () => ENCR), PRF, KE);
    expect(pick([wide], OWN)).toBeUndefined();
  });

  it('of another protocol is none', () => {
    expect(pick([{ ...of(ENCR, PRF, KE), protocol: 3 }], OWN)).toBeUndefined();
    expect(pick([of(ENCR, transform(5, 1))], [ike('aes256gcm16', 'esn')], 'esp')).toBeUndefined();
  });
});

describe('an answer', () => {
  it('to any offer of ours that a responder made by the rules is understood alike by both ends', () => {
    const words = (kinds: readonly string[]) => {
      const rows = algorithms.filter((row) => row.ike && kinds.includes(row.kind));
      return fc.subarray(
        rows.map((row) => row.keywords[0] ?? ''),
        { minLength: 1, maxLength: 3 },
      );
    };
    const aead = fc.tuple(words(['aead']), words(['prf']), words(['keyExchange']));
    const cipher = fc.tuple(words(['cipher']), words(['integrity']), words(['prf']), words(['keyExchange']));
    const config = fc.oneof(aead, cipher).map((groups) => ike(...groups.flat()));
    const configs = fc.array(config, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(configs, configs, (initiator, responder) => {
        const choice = pick(offer('ike', initiator, NO_SPI, true), responder);
        if (choice === undefined) return;
        expect(chosenSuite('ike', [choice.answer], initiator, true)?.suite).toEqual(choice.suite);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['of two proposals', [of(ENCR, PRF, KE), { ...of(ENCR, PRF, KE), number: 2 }]],
    ['of none', []],
    ['with a number that was not offered', [{ ...of(ENCR, PRF, KE), number: 2 }]],
    ['with the number 0', [{ ...of(ENCR, PRF, KE), number: 0 }]],
    ['of another protocol', [{ ...of(ENCR, PRF, KE), protocol: 3 }]],
    ['with two transforms of one type', [of(ENCR, PRF, KE, transform(4, 20))]],
    ['with a shorter key', [of(transform(1, 20, 128), PRF, KE)]],
    ['without a key exchange', [of(ENCR, PRF)]],
    ['with a hash in addition', [of(ENCR, PRF, transform(3, 12), KE)]],
  ] as const)('%s is none (RFC 7296 §2.7)', (_, answer) => {
    expect(chosenSuite('ike', answer, OWN, true)).toBeUndefined();
  });
});
