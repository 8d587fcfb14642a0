import {
  algorithmOf,
  encryptionOf,
  integrityOf,
  keyExchangeOf,
  noIntegrity,
  prfOf,
  transformTypes,
} from '../../crypto/suites.ts';
import type { CryptoProvider, KeyExchange, MessageProtection, Prf } from '../../crypto/types.ts';
import type { Algorithm, SuiteText } from '../types.ts';

/** One algorithm of each type, as two peers agreed on them: one object for all SAs; `integrity` is 0 for AEADs. */
export interface Suite {
  readonly encryption: number;
  readonly keyBits: number;
  readonly integrity: number;
  /** 0 in an ESP suite. */
  readonly prf: number;
  /** 0 where an ESP suite is without key exchange of its own. */
  readonly keyExchange: number;
  /** Extended sequence numbers; false in an IKE suite. */
  readonly esn: boolean;
  readonly text: SuiteText;
}

/** The primitives of an IKE suite. One object serves every SA with that suite. */
export interface IkeCryptography {
  readonly suite: Suite;
  readonly prf: Prf;
  readonly protection: MessageProtection;
  readonly keyExchange: KeyExchange;
}

/**
 * Makes a suite of one algorithm of each type; undefined where a type that `protocol` demands is missing or an
 * algorithm is not in the table. An AEAD needs no integrity algorithm (RFC 5282 §8) and a cipher needs one.
 */
export function suiteOf(protocol: 'ike' | 'esp', chosen: readonly Algorithm[]): Suite | undefined {
  const encryption = ofType(chosen, transformTypes.encryption);
  if (encryption === undefined) return undefined;
  const row = encryptionOf(encryption.id, encryption.keyBits);
  const integrity = ofType(chosen, transformTypes.integrity)?.id ?? 0;
  if (row === undefined || (row.kind === 'cipher') === (integrity === noIntegrity)) return undefined;
  const prf = ofType(chosen, transformTypes.prf)?.id ?? 0;
  const keyExchange = ofType(chosen, transformTypes.keyExchange)?.id ?? 0;
  if (protocol === 'ike' && (prf === 0 || keyExchange === 0)) return undefined;
  const esn = protocol === 'esp' && ofType(chosen, transformTypes.sequenceNumbers)?.id === EXTENDED;
  return sharedSuite({
    encryption: encryption.id,
    keyBits: encryption.keyBits,
    integrity,
    prf: protocol === 'ike' ? prf : 0,
    keyExchange,
    esn,
  });
}

function ofType(algorithms: readonly Algorithm[], type: number): Algorithm | undefined {
  for (const algorithm of algorithms) if (algorithm.type === type) return algorithm;
  return undefined;
}

/** The one object of a suite. There are never more than the table has combinations. */
function sharedSuite(numbers: Omit<Suite, 'text'>): Suite {
  for (const suite of suites) {
    if (
      suite.encryption === numbers.encryption &&
      suite.keyBits === numbers.keyBits &&
      suite.integrity === numbers.integrity &&
      suite.prf === numbers.prf &&
      suite.keyExchange === numbers.keyExchange &&
      suite.esn === numbers.esn
    ) {
      return suite;
    }
  }
  const suite = { ...numbers, text: suiteText(numbers) };
  suites.push(suite);
  return suite;
}

/** Looks up the primitives of an IKE suite; undefined where the provider lacks one. */
export function ikeCryptography(provider: CryptoProvider, suite: Suite): IkeCryptography | undefined {
  const known = cryptographies.get(suite);
  if (known?.provider === provider) return known.cryptography;
  const prf = provider.prf(suite.prf);
  const protection = provider.messageProtection(suite.encryption, suite.keyBits, suite.integrity);
  const keyExchange = provider.keyExchange(suite.keyExchange);
  if (prf === undefined || protection === undefined || keyExchange === undefined) return undefined;
  const cryptography = { suite, prf, protection, keyExchange };
  cryptographies.set(suite, { provider, cryptography });
  return cryptography;
}

/** Lengths of the two keys of one direction of an ESP SA, the AEAD salt included. */
export function espKeyBytes(suite: Suite): { readonly encryption: number; readonly integrity: number } {
  const row = encryptionOf(suite.encryption, suite.keyBits);
  if (row === undefined) throw new Error(`no such encryption algorithm: ${suite.encryption}`);
  return { encryption: row.keyBytes + row.saltBytes, integrity: integrityOf(suite.integrity)?.keyBytes ?? 0 };
}

/** The word of strongSwan's syntax for an algorithm, or its numbers. */
export function algorithmText(algorithm: Algorithm): string {
  return (
    algorithmOf(algorithm.type, algorithm.id, algorithm.keyBits)?.keywords[0] ?? `${algorithm.type}/${algorithm.id}`
  );
}

function suiteText(suite: Omit<Suite, 'text'>): SuiteText {
  const words = [
    encryptionOf(suite.encryption, suite.keyBits)?.keywords[0],
    integrityOf(suite.integrity)?.keywords[0],
    prfOf(suite.prf)?.keywords[0],
    keyExchangeOf(suite.keyExchange)?.keywords[0],
    suite.esn ? 'esn' : undefined,
  ];
  return words.filter((word) => word !== undefined).join('-');
}

/** Transform ID of 64-bit sequence numbers (RFC 7296 §3.3.2, type 5). */
const EXTENDED = 1;
const suites: Suite[] = [];
/** With the provider that was asked last; a process uses one of them. */
const cryptographies = new WeakMap<
  Suite,
  { readonly provider: CryptoProvider; readonly cryptography: IkeCryptography }
>();
