import * as z from 'zod';

import { isHostAddress } from './ip-text.ts';
import { MAX_DISTINGUISHED_NAME, MAX_EMAIL, MAX_KEY_ID, MAX_NAME, MAX_SELECTORS } from './limits.ts';
import { oneOf } from './one-of.ts';
import { ruled } from './rule.ts';
import { atomicList, CEL_IS_DNS_NAME, dnsName, ipAddress, isHostName } from './scalars.ts';
import { trafficSelector } from './traffic.ts';

/** How an IKE peer names itself (RFC 7296 §3.5). */
const identity = oneOf({
  fqdn: dnsName().optional().describe('A DNS name, which a certificate must have as subjectAltName.'),
  email: ruled(z.string().max(MAX_EMAIL), {
    cel: `self.matches('${/^[^@ ]+@[^@ ]+$/.source}')`,
    holds: (text) => /^[^@ ]+@[^@ ]+$/.test(text),
    message: 'must be a mail address such as vpn@example.com',
  })
    .optional()
    .describe('A mail address.'),
  ip: ipAddress().optional().describe('An IP address.'),
  dn: ruled(z.string().max(MAX_DISTINGUISHED_NAME), {
    cel: `self.matches('${/^[A-Za-z0-9.]+ *=.+$/.source}')`,
    holds: (text) => /^[A-Za-z0-9.]+ *=.+$/.test(text),
    message: 'must be a distinguished name, the most specific part first, such as CN=vpn, O=Example',
  })
    .optional()
    .describe("The certificate's subject, the most specific part first: `CN=vpn, O=Example`."),
  keyId: ruled(z.string().max(MAX_KEY_ID), {
    cel: 'size(self) > 0',
    holds: (text) => text.length > 0,
    message: 'must be text, or bytes written as 0x and hexadecimal digits',
  })
    .optional()
    .describe('Any text, or bytes as `0x` and hexadecimal digits.'),
});

/** An IKE peer outside of the cluster. */
export const gateway = z.object({
  address: ruled(z.string().max(MAX_NAME), {
    cel: `self == 'any' || (isIP(self) ? ip(self).isGlobalUnicast() : ${CEL_IS_DNS_NAME})`,
    holds: (text) => text === 'any' || isHostAddress(text) || isHostName(text),
    message: 'must be the IP address of one host, a lower-case DNS name, or any',
  }).describe('Where the peer is: an IP address, a DNS name, or `any`: it may be anywhere, and begins.'),
  identity: identity.describe('Who the peer must prove to be; exactly one kind.'),
  selectors: atomicList(trafficSelector, MAX_SELECTORS).min(1).describe('What is encrypted, seen from a node.'),
});
