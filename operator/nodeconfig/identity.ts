import { digest } from './names.ts';

/**
 * The name in a node's certificate: `<node>.<trustDomain>`. A name that does not fit into DNS is hashed, and so is one
 * that looks hashed, so that no node can take a name that makes it another.
 */
export function nodeFqdn(nodeName: string, trustDomain: string): string {
  const plain = `${nodeName}.${trustDomain}`;
  const fits = plain.length <= MAX_DNS_NAME && plain.split('.').every((label) => label.length <= MAX_DNS_LABEL);
  if (fits && !HASHED.test(nodeName)) return plain;
  const beginning = nodeName
    .slice(0, KEPT)
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/-$/, '');
  return `${beginning}-${digest(DIGITS, nodeName)}.${trustDomain}`;
}

/** Why a text cannot be the trust domain of a cluster, or undefined. */
export function trustDomainFault(text: string): string | undefined {
  if (text.length > MAX_TRUST_DOMAIN) return `has more than ${MAX_TRUST_DOMAIN} characters`;
  const labels = text.split('.');
  if (labels.every((label) => DNS_LABEL.test(label)) && /[a-z]/.test(text)) return undefined;
  return 'is no lower-case DNS name such as ikemesh.internal';
}

const MAX_DNS_NAME = 253;
const MAX_DNS_LABEL = 63;
/** 160 bits: nobody finds a second name with the same. */
const DIGITS = 40;
/** With a dash and the digits this is a label. */
const KEPT = 20;
const HASHED = /(^|[-.])[0-9a-f]{40}$/;
/** The longest hashed name, a dot and this make a DNS name. */
export const MAX_TRUST_DOMAIN = MAX_DNS_NAME - KEPT - DIGITS - 2;
const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
