import * as z from 'zod';

import { MAX_NAME, MAX_USAGES, MAX_WORD } from './limits.ts';
import { oneOf } from './one-of.ts';
import { ruled } from './rule.ts';
import { atomicList, duration, objectName, shorter } from './scalars.ts';

const DATA_KEY = /^[-._a-zA-Z0-9]+$/;

/** Which issuer of cert-manager signs. */
const issuerRef = z.object({
  name: objectName().describe('Name of the issuer.'),
  kind: ruled(z.string().max(MAX_WORD), {
    cel: "self.matches('^[A-Z][A-Za-z0-9]*$')",
    holds: (text) => /^[A-Z][A-Za-z0-9]*$/.test(text),
    message: 'must be a kind, such as Issuer or ClusterIssuer',
  })
    .default('Issuer')
    .describe(
      'Kind of the issuer. With an `Issuer` in the namespace of the nodes nobody else can ask for a certificate of a node; ' +
        'with a `ClusterIssuer` everybody who may create Certificates can.',
    ),
  group: objectName().default('cert-manager.io').describe('API group of the issuer.'),
});

/** Key of each node's certificate. */
const privateKey = ruled(
  z.object({
    algorithm: z.enum(['ECDSA', 'RSA', 'Ed25519']).default('ECDSA').describe('Algorithm of the key.'),
    size: z
      .int()
      .min(256)
      .max(4_096)
      .meta({ format: 'int32' })
      .optional()
      .describe('Bits: 256 (the default), 384 or 521 for ECDSA; 2048, 3072 (the default) or 4096 for RSA.'),
  }),
  {
    cel: "!has(self.size) || (self.algorithm == 'ECDSA' ? self.size in [256, 384, 521] : self.algorithm == 'RSA' && self.size in [2048, 3072, 4096])",
    holds: ({ algorithm, size }) => size === undefined || (KEY_SIZES[algorithm] ?? []).includes(size),
    message: 'must be 256, 384 or 521 for ECDSA, 2048, 3072 or 4096 for RSA; leave it out for Ed25519',
    path: ['size'],
  },
);

const trust = z.object({
  configMapRef: z
    .object({
      name: objectName().describe('Name of the ConfigMap, in the namespace of the nodes.'),
      key: dataKey('ca.crt').describe('Key with the certificates, in PEM.'),
    })
    .describe(
      'Certificates of authorities, the old and the new one while a CA is rolled; trust-manager can keep them.',
    ),
});

const certificate = ruled(
  z.object({
    issuerRef: issuerRef.describe("Issuer of the nodes' certificates, in the namespace of the nodes."),
    keyLocation: ruled(z.enum(['Secret', 'Node']), {
      cel: "self == 'Secret'",
      holds: (location) => location === 'Secret',
      message: 'Node is reserved: keys that never leave their node are not there yet; write Secret',
    })
      .default('Secret')
      .describe('Where the private key is kept; `Node` is reserved.'),
    duration: duration('1h', '87600h', '24h').default('24h').describe('How long a certificate is valid.'),
    renewBefore: duration('5m', '87600h', '8h')
      .optional()
      .describe('How long before its end a certificate is renewed; left out: a third of its duration.'),
    privateKey: privateKey.prefault({}).describe("The key of each node's certificate; renewed with it."),
    usages: atomicList(usage(), MAX_USAGES)
      .min(1)
      .default(['digital signature', 'ipsec tunnel'])
      .describe('Key usages in the certificate; some gateways want `server auth` and `client auth` as well.'),
    trust: trust
      .optional()
      .describe('Whom the nodes believe; left out: the authority that comes with the certificate (`ca.crt`).'),
  }),
  shorter(
    { path: ['renewBefore'], of: (value) => value.renewBefore },
    { path: ['duration'], of: (value) => value.duration },
  ),
);

const preSharedKey = z.object({
  secretRef: z
    .object({
      name: objectName().describe('Name of a Secret of type ikemesh.io/pre-shared-key, in the namespace of the nodes.'),
      key: dataKey('psk').describe('Key of the Secret that holds it.'),
    })
    .describe('Where the key is.'),
});

/** How both sides prove who they are. */
export const authentication = oneOf({
  certificate: certificate.optional().describe('By a certificate for each node, from cert-manager.'),
  preSharedKey: preSharedKey.optional().describe('By a secret that both sides know; for gateways only.'),
});

/** Words of cert-manager that an IPsec certificate may want. */
function usage() {
  return z.enum([
    'digital signature',
    'content commitment',
    'key encipherment',
    'key agreement',
    'server auth',
    'client auth',
    'ipsec end system',
    'ipsec tunnel',
    'ipsec user',
    'any',
  ]);
}

/** A key of the data of a Secret or ConfigMap. */
function dataKey(preset: string) {
  return ruled(z.string().max(MAX_NAME), {
    cel: `self.matches('${DATA_KEY.source}')`,
    holds: (text) => DATA_KEY.test(text),
    message: 'must be a key of the data: letters, digits, "-", "_" and "."',
  }).default(preset);
}

const KEY_SIZES: Readonly<Record<string, readonly number[]>> = { ECDSA: [256, 384, 521], RSA: [2_048, 3_072, 4_096] };
