/** Bounds of what is read from certificates and revocation lists, which strangers may have made, each with its reason. */

/** A certificate with a 8192-bit RSA key, a hundred names and policies has 6 kB. */
export const MAX_CERTIFICATE_BYTES = 16 * 1024;

/** Extensions of one certificate; real ones have about ten. */
export const MAX_EXTENSIONS = 32;

/** Names of one certificate, and subtrees of one list of name constraints. */
export const MAX_NAMES = 256;

/** Parts of a distinguished name, and attributes in one of them. */
export const MAX_NAME_PARTS = 32;

/** Extended key usages of one certificate. */
export const MAX_USAGES = 32;

/** Certificates of a path, both ends included: deeper hierarchies are an oversight, or an attack. */
export const MAX_PATH_LENGTH = 8;

/**
 * Bytes of our own certificate with its intermediates: seven with RSA keys of 8192 bits have less. With the rest of
 * IKE_AUTH it fits into the 64 fragments of 576 bytes that an agent takes from a stranger, and into one datagram for peers
 * that take none.
 */
export const MAX_CHAIN_BYTES = 20_000;

/** How often the search for paths may go on from a certificate to a possible issuer: cross-signed loops end here. */
export const MAX_PATH_STEPS = 128;

/** Paths whose signatures are looked at; two authorities and their cross-certificates make four. */
export const MAX_PATHS = 8;

/** Signatures of certificates and revocation lists that one proof may cost, besides its own. */
export const MAX_SIGNATURE_CHECKS = 16;

/** Entries of a revocation list: the largest in public use have some ten thousand. */
export const MAX_REVOCATIONS = 200_000;

/** RSA keys below can be broken, those above only cost time; a small exponent has cost others their signatures. */
export const MIN_RSA_BITS = 2_048;
export const MAX_RSA_BITS = 8_192;
export const MIN_RSA_EXPONENT = 65_537n;
/** An exponent of more bits makes a check as slow as a signature. */
export const MAX_RSA_EXPONENT = 2n ** 33n;
