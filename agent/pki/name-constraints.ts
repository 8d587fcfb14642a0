import type { Certificate, NameConstraints } from './certificate.ts';
import { isWithin } from './distinguished-name.ts';
import { type GeneralName, generalNameText } from './general-name.ts';

/**
 * Why the names of a certificate are none that an authority above it may issue for (RFC 5280 §4.2.1.10, §6.1.4); undefined
 * where they are.
 */
export function violatedConstraint(certificate: Certificate, constraints: NameConstraints): string | undefined {
  const { permitted, excluded } = constraints;
  const odd = [...permitted, ...excluded].find(({ kind }) => kind === 'other');
  // What cannot be compared must not be taken for harmless.
  if (odd !== undefined) return `constrains ${generalNameText(odd)}, which is not supported`;
  for (const name of namesOf(certificate)) {
    const forbidding = excluded.find((base) => base.kind === name.kind && isInSubtree(name, base) !== false);
    if (forbidding !== undefined) return `excludes ${generalNameText(name)}`;
    const allowing = permitted.filter((base) => base.kind === name.kind);
    if (allowing.length > 0 && !allowing.some((base) => isInSubtree(name, base) === true)) {
      return `does not permit ${generalNameText(name)}`;
    }
  }
  return undefined;
}

/** Everything that a certificate names its owner by. */
function namesOf({ names, subject }: Certificate): readonly GeneralName[] {
  const own: GeneralName[] = [...names];
  if (subject.parts.length > 0) own.push({ kind: 'directory', name: subject });
  own.push(...subject.emails.map((address): GeneralName => ({ kind: 'email', address })));
  return own;
}

/** Whether a name lies in a subtree; undefined where that cannot be said, which then counts against the name. */
function isInSubtree(name: GeneralName, base: GeneralName): boolean | undefined {
  if (name.kind === 'dns' && base.kind === 'dns') return isInDomain(name.name, base.name);
  if (name.kind === 'ip' && base.kind === 'ip') return isInNetwork(name.bytes, base.bytes);
  if (name.kind === 'email' && base.kind === 'email') return isInMailDomain(name.address, base.address);
  if (name.kind === 'directory' && base.kind === 'directory') return isWithin(name.name, base.name);
  if (name.kind === 'uri' && base.kind === 'uri') {
    const host = URI_HOST.exec(name.uri)?.[1];
    return host === undefined || IP_LITERAL.test(host) ? undefined : isAtHost(host, base.uri);
  }
  return undefined;
}

/** `mesh.test` stands for itself and all names below it; so does, in many certificates, `.mesh.test` for the latter. */
function isInDomain(name: string, base: string): boolean {
  const [domain, wanted] = [name.toLowerCase(), base.toLowerCase()];
  if (wanted === '' || domain === wanted) return true;
  return domain.endsWith(wanted.startsWith('.') ? wanted : `.${wanted}`);
}

/** A mailbox, all mailboxes at one host, or with a leading dot those at the hosts below it. */
function isInMailDomain(address: string, base: string): boolean | undefined {
  const at = address.lastIndexOf('@');
  if (at < 0) return undefined;
  const host = address.slice(at + 1);
  const baseAt = base.lastIndexOf('@');
  if (baseAt < 0) return isAtHost(host, base);
  return address.slice(0, at) === base.slice(0, baseAt) && host.toLowerCase() === base.slice(baseAt + 1).toLowerCase();
}

/** One host, or with a leading dot those below it. */
function isAtHost(host: string, base: string): boolean {
  const [wanted, found] = [base.toLowerCase(), host.toLowerCase()];
  return wanted.startsWith('.') ? found.endsWith(wanted) : found === wanted;
}

/** Address and mask; undefined where either has a length that is none. */
function isInNetwork(address: Uint8Array, network: Uint8Array): boolean | undefined {
  if (network.length !== 8 && network.length !== 32) return undefined;
  if (address.length !== 4 && address.length !== 16) return undefined;
  const { length } = address;
  if (network.length !== 2 * length) return false;
  return address.every(
    (byte, index) =>
      (byte & (network[length + index] ?? 0)) === ((network[index] ?? 0) & (network[length + index] ?? 0)),
  );
}

const URI_HOST = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:[\]]+|\[[^\]]*\])(?::\d*)?(?:[/?#]|$)/;
const IP_LITERAL = /^(?:\[.*|[\d.]+)$/;
