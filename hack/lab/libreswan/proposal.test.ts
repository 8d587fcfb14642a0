import { describe, expect, it } from 'vitest';

import { ipsecConfText } from './ipsec-conf.ts';
import { libreswanEsn, libreswanPfs, libreswanProposal } from './proposal.ts';

describe('libreswanProposal', () => {
  it.each([
    ['aes256gcm16-prfsha384-x25519', 'aes_gcm256-sha2_384;dh31'],
    ['aes256gcm16-prfsha384-x25519-ecp384', 'aes_gcm256-sha2_384;dh31+dh20'],
    ['aes256-sha256-modp2048', 'aes256-sha2_256;modp2048'],
    ['aes128-sha1', 'aes128-sha1'],
    ['chacha20poly1305-prfsha256-ecp256', 'chacha20_poly1305-sha2_256;dh19'],
    ['aes256gcm16-esn', 'aes_gcm256'],
  ])('says %s as %s', (proposal, words) => {
    expect(libreswanProposal(proposal)).toBe(words);
  });

  it('leaves extended sequence numbers and perfect forward secrecy to options of their own', () => {
    expect([libreswanEsn('aes256gcm16-esn'), libreswanEsn('aes256gcm16')]).toEqual(['yes', 'no']);
    expect([libreswanPfs('aes256gcm16-x25519-esn'), libreswanPfs('aes256gcm16-esn')]).toEqual(['yes', 'no']);
  });
});

describe('ipsecConfText', () => {
  it('writes sections whose values may hold blanks and marks', () => {
    const text = ipsecConfText({
      setup: { logtime: 'no' },
      connections: { data: { leftid: 'CN=a #1, O=x', mtu: 1400 } },
    });
    expect(text).toBe('config setup\n  logtime="no"\n\nconn data\n  leftid="CN=a #1, O=x"\n  mtu=1400\n');
  });
});
