import { type Algorithm, noIntegrity } from './suites.ts';
import type { CryptoProvider, MessageProtection } from './types.ts';

/** Whether `provider` can do what a row stands for. What needs no computing, everyone can. */
export function offers(provider: CryptoProvider, row: Algorithm): boolean {
  switch (row.kind) {
    case 'aead':
    case 'cipher':
    case 'integrity':
      return protectionWith(provider, row) !== undefined;
    case 'prf':
      return provider.prf(row.transformId) !== undefined;
    case 'keyExchange':
      return provider.keyExchange(row.transformId) !== undefined;
    case 'sequenceNumbers':
      return true;
  }
}

/** A message protection that uses the row, with AES-CBC-128 or HMAC-SHA2-256 beside it where it needs another. */
export function protectionWith(
  provider: CryptoProvider,
  row: Extract<Algorithm, { kind: 'aead' | 'cipher' | 'integrity' }>,
): MessageProtection | undefined {
  switch (row.kind) {
    case 'aead':
      return provider.messageProtection(row.transformId, row.keyBits, noIntegrity);
    case 'cipher':
      return provider.messageProtection(row.transformId, row.keyBits, HMAC_SHA2_256_128);
    case 'integrity':
      return provider.messageProtection(AES_CBC, 128, row.transformId);
  }
}

const AES_CBC = 12;
const HMAC_SHA2_256_128 = 12;
