import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';

import { keyFault } from '../../pki/certificate-rules.ts';
import type { SigningKey } from '../../pki/credential.ts';
import { err, ok, type Result } from '../../result.ts';
import { describeKey, hashName, parameters } from './public-key.ts';

/** A private key of this host with the public one that belongs to it. */
export interface PrivateKey {
  readonly signing: SigningKey;
  readonly object: KeyObject;
}

/** Reads a private key in PEM (PKCS #8, PKCS #1 or SEC 1, not encrypted); the error is a sentence without the key. */
export function readPrivateKey(pem: string): Result<PrivateKey, string> {
  let object: KeyObject;
  try {
    object = createPrivateKey(pem);
  } catch {
    if (pem.includes('ENCRYPTED')) return err('is encrypted: the agent has nobody to ask for its password');
    return err('is no private key in PEM: PKCS #8, PKCS #1 or SEC 1');
  }
  const description = describeKey(createPublicKey(object));
  const fault = keyFault(description);
  if (description.kind === 'unsupported' || fault !== undefined) return err(fault ?? 'has a key that is not supported');
  const signing: SigningKey = {
    kind: description.kind,
    sign: (scheme, octets) => sign(hashName(scheme), octets, { key: object, ...parameters(scheme) }),
  };
  return ok({ signing, object });
}
