import { readFileSync } from 'node:fs';

/** Whole messages of testdata/ whose payloads are not protected. */
export const PLAIN_MESSAGES = [
  'ike-sa-init-request',
  'ike-sa-init-request-with-cookie',
  'ike-sa-init-response',
  'ike-sa-init-cookie',
  'ike-sa-init-invalid-ke',
  'unknown-payloads',
] as const;

/** Whole messages of testdata/ that end in SK or SKF. */
export const PROTECTED_MESSAGES = [
  'sealed-aes-cbc',
  'sealed-aes-gcm',
  'sealed-empty',
  'fragment-1',
  'fragment-3',
] as const;

/** Decrypted payloads of testdata/ with the type of the first. */
export const CHAINS = {
  'ike-auth-request': 35,
  'ike-auth-response': 36,
  'rekey-child-request': 41,
  'rekey-ike-request': 33,
  'informational-delete': 42,
  eap: 48,
} as const;

export type SampleName = (typeof PLAIN_MESSAGES)[number] | (typeof PROTECTED_MESSAGES)[number] | keyof typeof CHAINS;

/** The bytes of a file in testdata/: hexadecimal digits, with a comment from # to the end of each line. */
export function sample(name: SampleName): Uint8Array {
  const text = readFileSync(new URL(`../testdata/${name}.hex`, import.meta.url), 'utf8');
  return hex(text.replace(/#.*$/gm, ''));
}

/** The bytes that these hexadecimal digits write; white space between them is passed over. */
export function hex(digits: string): Uint8Array {
  const text = digits.replace(/\s+/g, '');
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

/** `count` bytes that count up from `start`. */
export function counting(start: number, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => start + i);
}
