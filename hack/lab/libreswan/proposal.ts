/*
 * Algorithms in libreswan's words. The lab speaks of algorithms in strongSwan's proposal syntax, which our configuration
 * files have too.
 */

/** A proposal of strongSwan's syntax as a value of ipsec.conf's `ike` or `esp`; `esn` and `noesn` are no part of it. */
export function libreswanProposal(proposal: string): string {
  const words = proposal.split('-').filter((word) => word !== 'esn' && word !== 'noesn');
  const groups = words.flatMap((word) => groupWords[word] ?? (word.startsWith('modp') ? [word] : []));
  const prfs = words.filter((word) => word.startsWith('prf')).map((word) => hashWord(word.slice('prf'.length)));
  const hashes = words.filter((word) => /^sha\d/.test(word)).map(hashWord);
  const ciphers = words.flatMap(cipherWord);
  const protection = [ciphers, hashes.length > 0 ? hashes : prfs].filter((each) => each.length > 0);
  return [protection.map((each) => each.join('+')).join('-'), ...(groups.length > 0 ? [groups.join('+')] : [])].join(
    ';',
  );
}

/** The value of ipsec.conf's `esn` for an ESP proposal. */
export function libreswanEsn(proposal: string): 'yes' | 'no' {
  return proposal.split('-').includes('esn') ? 'yes' : 'no';
}

/** The value of ipsec.conf's `pfs` for an ESP proposal: whether it names a group. */
export function libreswanPfs(proposal: string): 'yes' | 'no' {
  return libreswanProposal(proposal).includes(';') ? 'yes' : 'no';
}

/** Pluto's names of algorithms, as its log has them, in strongSwan's proposal syntax; `NONE` and `n/a` are nothing. */
export function suiteOf(names: {
  readonly cipher: string;
  readonly integrity?: string;
  readonly prf?: string;
  readonly group?: string;
}): string {
  const integrity = /^HMAC_SHA(?:2_)?(\d+)_\d+$/.exec(names.integrity ?? '')?.[1];
  const prf = /^HMAC_SHA(?:2_)?(\d+)$/.exec(names.prf ?? '')?.[1];
  const words = [
    names.cipher
      .replace(/^AES_GCM_(\d+)_(\d+)$/, 'aes$2gcm$1')
      .replace(/^AES_CBC_(\d+)$/, 'aes$1')
      .replace(/^CHACHA20_POLY1305.*$/, 'chacha20poly1305'),
    integrity === undefined ? undefined : `sha${integrity}`,
    prf === undefined ? undefined : `prfsha${prf}`,
    names.group === undefined ? undefined : (wordOfGroup.get(names.group) ?? names.group.toLowerCase()),
  ];
  return words.filter((word) => word !== undefined).join('-');
}

function cipherWord(word: string): readonly string[] {
  const gcm = /^aes(\d+)gcm(\d+)$/.exec(word);
  if (gcm !== null) return [`${gcmWords[gcm[2] ?? ''] ?? ''}${gcm[1]}`];
  if (word === 'chacha20poly1305') return ['chacha20_poly1305'];
  return /^aes\d+$/.test(word) ? [word] : [];
}

function hashWord(word: string): string {
  return word === 'sha1' ? 'sha1' : word.replace(/^sha/, 'sha2_');
}

/** By the length of the integrity check value in bytes. */
const gcmWords: Readonly<Record<string, string>> = { 8: 'aes_gcm_a', 12: 'aes_gcm_b', 16: 'aes_gcm' };
/** Their numbers in the IANA registry. */
const groupWords: Readonly<Record<string, readonly string[]>> = {
  ecp256: ['dh19'],
  ecp384: ['dh20'],
  ecp521: ['dh21'],
  x25519: ['dh31'],
};
const wordOfGroup = new Map(
  Object.entries(groupWords).map(([word, [group = '']]) => [group.toUpperCase(), word] as const),
);
