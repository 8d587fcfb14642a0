import { describe, expect, it } from 'vitest';

import { openikedProposal, suiteOf } from './proposal.ts';

describe('algorithms in the words of OpenIKED', () => {
  it.each([
    ['aes256gcm16-prfsha384-x25519', 'enc aes-256-gcm prf hmac-sha2-384 group curve25519'],
    ['aes256-sha384-noesn', 'enc aes-256 auth hmac-sha2-384 noesn'],
    ['aes128-sha256-prfsha256-ecp256', 'enc aes-128 auth hmac-sha2-256 prf hmac-sha2-256 group ecp256'],
  ])('%s is %s', (proposal, words) => {
    expect(openikedProposal(proposal)).toBe(words);
  });

  it.each([
    ['(enc aes-256-gcm group curve25519 prf hmac-sha2-384)', 'aes256gcm16-prfsha384-x25519'],
    ['(enc aes-256 auth hmac-sha2-384)', 'aes256-sha384'],
  ])('%s is read as %s', (agreed, suite) => {
    expect(suiteOf(agreed)).toBe(suite);
  });
});
