import { nobleProvider } from './noble/noble-provider.ts';
import { offers } from './offers.ts';
import { opensslProvider } from './openssl/openssl-provider.ts';
import { algorithms, type ProductionProvider } from './suites.ts';
import type { CryptoProvider } from './types.ts';

/** The providers that the self-test runs on at start, whichever is then used. */
export const productionProviders: readonly CryptoProvider[] = [opensslProvider, nobleProvider];

/**
 * The provider that was asked for; otherwise OpenSSL's where this host's OpenSSL has every algorithm that noble has,
 * since it is many times faster, and noble's where it has not (an older Node, a FIPS build).
 */
export function chooseProvider(wanted: ProductionProvider | undefined): CryptoProvider {
  switch (wanted) {
    case 'noble':
      return nobleProvider;
    case 'openssl':
      return opensslProvider;
    case undefined: {
      const complete = algorithms.every((row) => !row.providers.includes('noble') || offers(opensslProvider, row));
      return complete ? opensslProvider : nobleProvider;
    }
  }
}
