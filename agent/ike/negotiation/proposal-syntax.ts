import { algorithmByKeyword, algorithms, type Algorithm as Row } from '../../crypto/suites.ts';
import { err, ok, type Result } from '../../result.ts';
import type { Algorithm, ProposalConfig } from '../types.ts';

/**
 * Reads one proposal in strongSwan's syntax: keywords joined by `-`, in order of preference within each type, such as
 * `aes256gcm16-prfsha384-ecp384` or `aes256-sha256-modp2048-esn`. The error is one sentence for the person who wrote it.
 *
 * What is left out is filled in as strongSwan does: the PRFs of an IKE proposal are the HMACs of its hashes, which is
 * all that a hash means beside an AEAD; an ESP proposal without `esn` and `noesn` offers both, `esn` first.
 */
export function parseProposal(protocol: 'ike' | 'esp', text: string): Result<ProposalConfig, string> {
  const words = text.split('-');
  if (words.length > MAX_KEYWORDS) return err(`has more than ${MAX_KEYWORDS} keywords`);
  const rows: Row[] = [];
  for (const word of words) {
    const row = algorithmByKeyword(word);
    if (row === undefined) return err(unknownKeyword(word));
    const misplaced = misplacedKeyword(protocol, word, row);
    if (misplaced !== undefined) return err(misplaced);
    if (!rows.includes(row)) rows.push(row);
  }
  return complete(protocol, rows);
}

function complete(protocol: 'ike' | 'esp', rows: readonly Row[]): Result<ProposalConfig, string> {
  const aeads = rows.filter((row) => row.kind === 'aead');
  const ciphers = rows.filter((row) => row.kind === 'cipher');
  const hashes = rows.filter((row) => row.kind === 'integrity');
  const [aead] = aeads;
  const [cipher] = ciphers;
  if (aead === undefined && cipher === undefined) return err('names no cipher: begin it with one, such as aes256gcm16');
  if (aead !== undefined && cipher !== undefined) {
    return err(
      `mixes ${word(aead)}, which authenticates by itself, with ${word(cipher)}, which needs a hash: ` +
        'write them as two proposals (RFC 5282 §8)',
    );
  }
  if (cipher !== undefined && hashes.length === 0) {
    return err(`names no hash for ${word(cipher)}: add one, such as sha256`);
  }
  return protocol === 'ike' ? completeIke(rows, hashes, aead) : completeEsp(rows, hashes, aead);
}

function completeIke(
  rows: readonly Row[],
  hashes: readonly Row[],
  aead: Row | undefined,
): Result<ProposalConfig, string> {
  if (!rows.some((row) => row.kind === 'keyExchange')) {
    return err('names no key exchange: add one, such as x25519 or ecp384');
  }
  const derived = rows.some((row) => row.kind === 'prf') ? [] : hashes.flatMap(prfOfHash);
  if (aead !== undefined && derived.length === 0 && !rows.some((row) => row.kind === 'prf')) {
    return err('names no PRF: add one, such as prfsha384');
  }
  // Beside an AEAD a hash only chose the PRF: as integrity transform it would mix two kinds of suite.
  const kept = aead === undefined ? rows : rows.filter((row) => row.kind !== 'integrity');
  return ok(proposalOf([...kept, ...derived]));
}

function completeEsp(
  rows: readonly Row[],
  hashes: readonly Row[],
  aead: Row | undefined,
): Result<ProposalConfig, string> {
  const [hash] = hashes;
  if (aead !== undefined && hash !== undefined) {
    return err(`has no use for ${word(hash)} beside ${word(aead)}, which authenticates by itself: leave it out`);
  }
  const sequenceNumbers = rows.some((row) => row.kind === 'sequenceNumbers') ? [] : BOTH_SEQUENCE_NUMBERS;
  return ok(proposalOf([...rows, ...sequenceNumbers]));
}

function prfOfHash(row: Row): readonly Row[] {
  const prf = row.kind === 'integrity' ? algorithmByKeyword(`prf${row.hash}`) : undefined;
  return prf === undefined ? [] : [prf];
}

/** Sorted by transform type, as SA payloads usually are; the order within a type is the preference and stays. */
function proposalOf(rows: readonly Row[]): ProposalConfig {
  const chosen: Algorithm[] = rows.map((row) => ({
    type: row.transformType,
    id: row.transformId,
    keyBits: row.keyBits,
  }));
  return { algorithms: chosen.sort((left, right) => left.type - right.type) };
}

function misplacedKeyword(protocol: 'ike' | 'esp', keyword: string, row: Row): string | undefined {
  if (row[protocol]) return undefined;
  if (row.kind === 'sequenceNumbers') return `has ${keyword}, which is about ESP packets: move it to an esp proposal`;
  if (row.kind === 'prf') return `has ${keyword}, but ESP has no PRF: move it to an ike proposal`;
  return `has ${keyword}, which cannot protect ${protocol === 'ike' ? 'IKE' : 'ESP'}`;
}

function unknownKeyword(keyword: string): string {
  if (keyword === '') return 'has an empty keyword: join keywords with a single "-"';
  const weak = REFUSED[keyword];
  return weak === undefined ? `has "${keyword}", which is no algorithm known here` : `has ${keyword}, ${weak}`;
}

function word(row: Row): string {
  return row.keywords[0] ?? row.name;
}

/** Words that other implementations know and that RFC 8247 and RFC 8221 rule out, so that the message can say so. */
const BROKEN = 'which RFC 8247 and RFC 8221 rule out: choose another';
const REFUSED: Readonly<Record<string, string>> = {
  des: BROKEN,
  '3des': BROKEN,
  md5: BROKEN,
  prfmd5: BROKEN,
  null: BROKEN,
  modp768: BROKEN,
  modp1024: BROKEN,
  modp1536: BROKEN,
};
/** Every algorithm of the table once and some aliases; more says nothing. */
const MAX_KEYWORDS = 64;
const BOTH_SEQUENCE_NUMBERS: readonly Row[] = algorithms.filter((row) => row.kind === 'sequenceNumbers').toReversed();
