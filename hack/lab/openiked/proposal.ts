/*
 * Algorithms in OpenIKED's words. The lab speaks of algorithms in strongSwan's proposal syntax, which our configuration
 * files have too.
 */

/** A proposal of strongSwan's syntax as words of iked.conf, behind `ikesa` or `childsa`. */
export function openikedProposal(proposal: string): string {
  return proposal.split('-').map(transform).join(' ');
}

/** `(enc aes-256-gcm group curve25519 prf hmac-sha2-384)`, as iked logs what was agreed on, in strongSwan's syntax. */
export function suiteOf(agreed: string): string {
  const named = new Map(
    [...agreed.matchAll(/(enc|auth|prf|group) ([\w-]+)/g)].map(([, type = '', word = '']) => [type, word]),
  );
  const hash = (word: string | undefined) => word?.replace(/^hmac-sha[12]?-?(\d+)$/, 'sha$1');
  const prf = hash(named.get('prf'));
  return [
    named
      .get('enc')
      ?.replace(/^aes-(\d+)-gcm$/, 'aes$1gcm16')
      .replace(/^aes-(\d+)$/, 'aes$1'),
    hash(named.get('auth')),
    prf === undefined ? undefined : `prf${prf}`,
    named.get('group')?.replace('curve25519', 'x25519'),
  ]
    .filter((word) => word !== undefined)
    .join('-');
}

function transform(word: string): string {
  const gcm = /^aes(\d+)gcm16$/.exec(word);
  if (gcm !== null) return `enc aes-${gcm[1]}-gcm`;
  const cbc = /^aes(\d+)$/.exec(word);
  if (cbc !== null) return `enc aes-${cbc[1]}`;
  const prf = /^prfsha(\d+)$/.exec(word);
  if (prf !== null) return `prf hmac-sha2-${prf[1]}`;
  const integrity = /^sha(\d+)$/.exec(word);
  if (integrity !== null) return `auth hmac-sha2-${integrity[1]}`;
  if (word === 'esn' || word === 'noesn') return word;
  return `group ${word === 'x25519' ? 'curve25519' : word}`;
}
