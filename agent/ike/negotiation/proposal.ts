import { noIntegrity, transformTypes } from '../../crypto/suites.ts';
import type { Proposal, Transform } from '../../wire/payloads/sa.ts';
import { Protocol } from '../../wire/registry.ts';
import type { Limits } from '../limits.ts';
import type { Algorithm, ProposalConfig } from '../types.ts';
import { type Suite, suiteOf } from './suite.ts';

/** What a responder picked from an offer. */
export interface Choice {
  readonly suite: Suite;
  /** The accepted proposal as it goes back: the offered number, one transform of each type, the responder's own SPI. */
  readonly answer: Proposal;
  /** SPI that the initiator put into the proposal; empty in IKE_SA_INIT. */
  readonly peerSpi: Uint8Array;
}

/** Builds the SA payload's proposals, numbered from 1, in order of preference (RFC 7296 §3.3.1). */
export function offer(
  protocol: 'ike' | 'esp',
  configured: readonly ProposalConfig[],
  spi: Uint8Array,
  withKeyExchange: boolean,
): readonly Proposal[] {
  return configured.map((proposal, index) => ({
    number: index + 1,
    protocol: PROTOCOL[protocol],
    spi,
    transforms: transformsOf(proposal, withKeyExchange),
  }));
}

function transformsOf({ algorithms }: ProposalConfig, withKeyExchange: boolean): readonly Transform[] {
  if (withKeyExchange) return algorithms.map(transformOf);
  return algorithms.filter(({ type }) => type !== transformTypes.keyExchange).map(transformOf);
}

/**
 * Picks the first of our proposals that one of the offered ones can satisfy, and of each type our most preferred
 * algorithm that it offers. Undefined: nothing in common (NO_PROPOSAL_CHOSEN). With `withKeyExchange` false, key
 * exchanges are passed over on both sides: the first Child SA has none of its own (RFC 7296 §1.2).
 */
export function choose(
  protocol: 'ike' | 'esp',
  offered: readonly Proposal[],
  configured: readonly ProposalConfig[],
  ownSpi: Uint8Array,
  withKeyExchange: boolean,
  limits: Limits,
): Choice | undefined {
  const considered = Math.min(offered.length, limits.proposalsConsidered);
  for (const own of configured) {
    for (let index = 0; index < considered; index++) {
      const proposal = offered[index] as Proposal;
      if (proposal.protocol !== PROTOCOL[protocol] || proposal.transforms.length > limits.transformsConsidered)
        continue;
      const chosen = match(protocol, proposal, own, withKeyExchange);
      const suite = chosen && suiteOf(protocol, chosen);
      if (chosen === undefined || suite === undefined) continue;
      const answer: Proposal = {
        number: proposal.number,
        protocol: proposal.protocol,
        spi: ownSpi,
        transforms: chosen.map(transformOf),
      };
      return { suite, answer, peerSpi: proposal.spi };
    }
  }
  return undefined;
}

/**
 * Reads the responder's answer: exactly one proposal, with a number that we offered and one transform of each type,
 * each of them offered under that number (RFC 7296 §2.7). Undefined: the answer is not a choice from our offer.
 */
export function chosenSuite(
  protocol: 'ike' | 'esp',
  answer: readonly Proposal[],
  configured: readonly ProposalConfig[],
  withKeyExchange: boolean,
): { readonly suite: Suite; readonly peerSpi: Uint8Array } | undefined {
  const [proposal] = answer;
  if (answer.length !== 1 || proposal === undefined || proposal.protocol !== PROTOCOL[protocol]) return undefined;
  const offeredUnderNumber = configured[proposal.number - 1];
  if (offeredUnderNumber === undefined) return undefined;
  const chosen = match(protocol, proposal, offeredUnderNumber, withKeyExchange);
  const suite = chosen && suiteOf(protocol, chosen);
  if (chosen === undefined || suite === undefined || chosen.length !== proposal.transforms.length) return undefined;
  return { suite, peerSpi: proposal.spi };
}

/** One algorithm of each type from `offered` that `own` allows, in `own`'s order; undefined where a type has none. */
function match(
  protocol: 'ike' | 'esp',
  offered: Proposal,
  own: ProposalConfig,
  withKeyExchange: boolean,
): readonly Algorithm[] | undefined {
  const aead = !hasType(own.algorithms, transformTypes.integrity);
  const chosen: Algorithm[] = [];
  for (const { type } of offered.transforms) {
    if (hasType(chosen, type) || (type === transformTypes.keyExchange && !withKeyExchange)) continue;
    const algorithm =
      type === transformTypes.integrity && aead
        ? offeredNoIntegrity(offered)
        : preferred(own.algorithms, type, offered);
    // RFC 7296 §3.3.6: an offer with a type that we do not know, or nothing acceptable of one, is refused whole.
    if (algorithm === undefined) return undefined;
    chosen.push(algorithm);
  }
  for (const type of NEEDED[protocol]) {
    if (!hasType(chosen, type) && (withKeyExchange || type !== transformTypes.keyExchange)) return undefined;
  }
  // Who configures a key exchange for ESP wants perfect forward secrecy, and no peer takes it away by leaving it out.
  const wantsKeyExchange = withKeyExchange && hasType(own.algorithms, transformTypes.keyExchange);
  if (wantsKeyExchange && !hasType(chosen, transformTypes.keyExchange)) return undefined;
  return chosen;
}

function hasType(algorithms: readonly Algorithm[], type: number): boolean {
  for (const algorithm of algorithms) if (algorithm.type === type) return true;
  return false;
}

/** The first of ours of a type that is offered. */
function preferred(ours: readonly Algorithm[], type: number, offered: Proposal): Algorithm | undefined {
  for (const algorithm of ours) if (algorithm.type === type && isOffered(offered, algorithm)) return algorithm;
  return undefined;
}

function isOffered(proposal: Proposal, algorithm: Algorithm): boolean {
  for (const transform of proposal.transforms) {
    if (transform.type === algorithm.type && isAlgorithm(transform, algorithm)) return true;
  }
  return false;
}

function offeredNoIntegrity(proposal: Proposal): Algorithm | undefined {
  const offered = proposal.transforms.some(({ type, id }) => type === transformTypes.integrity && id === noIntegrity);
  return offered ? NO_INTEGRITY : undefined;
}

/** An attribute that is not the key length makes a transform unacceptable (RFC 7296 §3.3.6). */
function isAlgorithm(transform: Transform, algorithm: Algorithm): boolean {
  if (transform.id !== algorithm.id) return false;
  let keyBits = 0;
  for (const attribute of transform.attributes) {
    if (attribute.type !== KEY_LENGTH || !('value' in attribute) || keyBits !== 0) return false;
    keyBits = attribute.value;
  }
  return keyBits === algorithm.keyBits;
}

/** One object for all messages: there are as many as the table of algorithms has rows. */
function transformOf({ type, id, keyBits }: Algorithm): Transform {
  // Each of the three fits in 16 bits.
  const key = (type * 2 ** 16 + id) * 2 ** 16 + keyBits;
  const known = transforms.get(key);
  if (known !== undefined) return known;
  const transform = { type, id, attributes: keyBits === 0 ? [] : [{ type: KEY_LENGTH, value: keyBits }] };
  transforms.set(key, transform);
  return transform;
}

const PROTOCOL = { ike: Protocol.IKE, esp: Protocol.ESP } as const;
/** Types without which a proposal is no suite; integrity is decided by the cipher. */
const NEEDED = {
  ike: [transformTypes.encryption, transformTypes.prf, transformTypes.keyExchange],
  esp: [transformTypes.encryption, transformTypes.sequenceNumbers],
} as const;
const NO_INTEGRITY: Algorithm = { type: transformTypes.integrity, id: noIntegrity, keyBits: 0 };
/** Attribute type of the key length in bits (RFC 7296 §3.3.5). */
const KEY_LENGTH = 14;
const transforms = new Map<number, Transform>();
