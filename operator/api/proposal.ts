import * as z from 'zod';

import { MAX_PROPOSAL } from './limits.ts';
import { type Rule, ruled } from './rule.ts';

/** The words of strongSwan's proposal syntax that agents know, by what they name. */
export const proposalKeywords = {
  aead: [
    ...['128', '192', '256'].flatMap((bits) =>
      ['16', '128', '12', '96', '8', '64'].map((icv) => `aes${bits}gcm${icv}`),
    ),
    'chacha20poly1305',
  ],
  cipher: ['aes', 'aes128', 'aes192', 'aes256'],
  integrity: ['sha', 'sha1', 'sha256', 'sha2_256', 'sha384', 'sha2_384', 'sha512', 'sha2_512'],
  prf: ['prfsha1', 'prfsha256', 'prfsha384', 'prfsha512'],
  keyExchange: [
    ...['x25519', 'curve25519', 'x448', 'curve448'],
    ...['ecp256', 'ecp384', 'ecp521', 'modp2048', 'modp3072', 'modp4096'],
  ],
  sequenceNumbers: ['esn', 'noesn'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** A proposal for IKE SAs: a cipher, a PRF or a hash, and a key exchange. */
export function ikeProposal() {
  const { aead, cipher, integrity, prf, keyExchange } = proposalKeywords;
  return ruled(
    z.string().max(MAX_PROPOSAL),
    onlyKnown('IKE', [...aead, ...cipher, ...integrity, ...prf, ...keyExchange]),
    needs([...aead, ...cipher], 'names no cipher: begin with one, such as aes256gcm16'),
    needs([...integrity, ...prf], 'names no PRF: add one, such as prfsha384'),
    needs(keyExchange, 'names no key exchange: add one, such as ecp384 or x25519'),
    ...cipherRules(),
  );
}

/** A proposal for Child SAs: a cipher and what it needs; with a key exchange each rekey has one of its own. */
export function espProposal() {
  const { aead, cipher, integrity, keyExchange, sequenceNumbers } = proposalKeywords;
  return ruled(
    z.string().max(MAX_PROPOSAL),
    onlyKnown('ESP', [...aead, ...cipher, ...integrity, ...keyExchange, ...sequenceNumbers]),
    needs([...aead, ...cipher], 'names no cipher: begin with one, such as aes256gcm16'),
    ...cipherRules(),
    {
      cel: `!(${celHasOne(aead)} && ${celHasOne(integrity)})`,
      holds: (text) => !(hasOne(text, aead) && hasOne(text, integrity)),
      message: 'names a hash beside a cipher that authenticates by itself: leave the hash out',
    },
  );
}

function cipherRules(): readonly Rule<string>[] {
  const { aead, cipher, integrity } = proposalKeywords;
  return [
    {
      cel: `!(${celHasOne(aead)} && ${celHasOne(cipher)})`,
      holds: (text) => !(hasOne(text, aead) && hasOne(text, cipher)),
      message:
        'mixes a cipher that authenticates by itself with one that needs a hash: write two proposals (RFC 5282 section 8)',
    },
    {
      cel: `!${celHasOne(cipher)} || ${celHasOne(integrity)}`,
      holds: (text) => !hasOne(text, cipher) || hasOne(text, integrity),
      message: 'names no hash for its cipher: add one, such as sha256',
    },
  ];
}

function onlyKnown(protocol: 'IKE' | 'ESP', words: readonly string[]): Rule<string> {
  const remedy = `which no agent can use for ${protocol}: join words such as aes256gcm16, prfsha384 and ecp384 by "-"`;
  return {
    cel: `self.split('-').all(w, w in ${celList(words)})`,
    holds: (text) => unknown(text, words).length === 0,
    message: `has a word ${remedy}`,
    explained: {
      // The server estimates what a message costs: texts of unknown length may be formatted, but not joined.
      cel: `'has %s, ${remedy}'.format([self.split('-').filter(w, !(w in ${celList(words)}))])`,
      text: (text) =>
        `has [${unknown(text, words)
          .map((word) => JSON.stringify(word))
          .join(', ')}], ${remedy}`,
    },
  };
}

function needs(words: readonly string[], message: string): Rule<string> {
  return { cel: celHasOne(words), holds: (text) => hasOne(text, words), message };
}

function unknown(text: string, words: readonly string[]): readonly string[] {
  return text.split('-').filter((word) => !words.includes(word));
}

function hasOne(text: string, words: readonly string[]): boolean {
  return text.split('-').some((word) => words.includes(word));
}

function celHasOne(words: readonly string[]): string {
  return `self.split('-').exists(w, w in ${celList(words)})`;
}

function celList(words: readonly string[]): string {
  return `[${words.map((word) => `'${word}'`).join(',')}]`;
}
