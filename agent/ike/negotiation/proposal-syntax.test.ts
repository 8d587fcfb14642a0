import { describe, expect, it } from 'vitest';

import { transformTypes } from '../../crypto/suites.ts';
import { parseProposal } from './proposal-syntax.ts';

const { encryption, prf, integrity, keyExchange, sequenceNumbers } = transformTypes;

describe('a proposal in strongSwan’s syntax', () => {
  it('reads an AEAD suite for IKE without an integrity algorithm', () => {
    expect(parseProposal('ike', 'aes256gcm16-prfsha384-ecp384')).toEqual({
      ok: true,
      value: {
        algorithms: [
          { type: encryption, id: 20, keyBits: 256 },
          { type: prf, id: 6, keyBits: 0 },
          { type: keyExchange, id: 20, keyBits: 0 },
        ],
      },
    });
  });

  it('takes the PRF of an IKE suite from its hash', () => {
    expect(parseProposal('ike', 'aes128-sha256-modp2048')).toEqual({
      ok: true,
      value: {
        algorithms: [
          { type: encryption, id: 12, keyBits: 128 },
          { type: prf, id: 5, keyBits: 0 },
          { type: integrity, id: 12, keyBits: 0 },
          { type: keyExchange, id: 14, keyBits: 0 },
        ],
      },
    });
  });

  it('takes a hash beside an AEAD as the PRF alone', () => {
    expect(parseProposal('ike', 'aes128gcm16-sha384-x25519')).toEqual({
      ok: true,
      value: {
        algorithms: [
          { type: encryption, id: 20, keyBits: 128 },
          { type: prf, id: 6, keyBits: 0 },
          { type: keyExchange, id: 31, keyBits: 0 },
        ],
      },
    });
  });

  it('keeps the order of preference within a type and drops repetitions', () => {
    const parsed = parseProposal('ike', 'chacha20poly1305-aes256gcm16-chacha20poly1305-prfsha512-x448-x25519');
    expect(parsed.ok && parsed.value.algorithms.map((algorithm) => algorithm.id)).toEqual([28, 20, 7, 32, 31]);
  });

  it('offers extended and short sequence numbers where an ESP suite names neither', () => {
    const parsed = parseProposal('esp', 'aes256gcm16');
    expect(parsed.ok && parsed.value.algorithms).toEqual([
      { type: encryption, id: 20, keyBits: 256 },
      { type: sequenceNumbers, id: 1, keyBits: 0 },
      { type: sequenceNumbers, id: 0, keyBits: 0 },
    ]);
  });

  it('offers only what an ESP suite names, and keeps its key exchange for the Child SAs that have one', () => {
    const parsed = parseProposal('esp', 'aes128-sha256-x25519-noesn');
    expect(parsed.ok && parsed.value.algorithms).toEqual([
      { type: encryption, id: 12, keyBits: 128 },
      { type: integrity, id: 12, keyBits: 0 },
      { type: keyExchange, id: 31, keyBits: 0 },
      { type: sequenceNumbers, id: 0, keyBits: 0 },
    ]);
  });

  it.each([
    ['ike', 'aes256gcm16-aes256-sha256-x25519', /mixes aes256gcm16.*with aes256.*two proposals/],
    ['ike', 'aes256gcm16-prfsha384', /names no key exchange/],
    ['ike', 'aes256gcm16-x25519', /names no PRF/],
    ['ike', 'aes256-x25519', /names no hash for aes256/],
    ['ike', 'sha256-x25519', /names no cipher/],
    ['ike', 'aes256gcm16-prfsha384-x25519-esn', /has esn, which is about ESP/],
    ['ike', 'aes256gcm16-prfsha999-x25519', /has "prfsha999", which is no algorithm known here/],
    ['ike', '3des-sha1-modp1024', /has 3des, which RFC 8247/],
    ['esp', 'aes256gcm16-sha256', /no use for sha256 beside aes256gcm16/],
    ['esp', 'aes256gcm16-prfsha256', /ESP has no PRF/],
    ['esp', 'aes256', /names no hash for aes256/],
    ['esp', 'aes256gcm16--esn', /empty keyword/],
    ['esp', '', /empty keyword/],
    ['esp', Array(65).fill('aes256gcm16').join('-'), /more than 64 keywords/],
  ] as const)('refuses %s %s', (protocol, text, message) => {
    const parsed = parseProposal(protocol, text);
    expect(parsed.ok ? parsed.value : parsed.error).toMatch(message);
  });
});
