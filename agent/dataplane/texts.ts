import type { PolicyKey, PortMatch, Prefix, SaId } from './types.ts';

/** `SA 10.0.0.2 spi c0ffee01` */
export function describeSa(id: SaId): string {
  return `SA ${id.destination} spi ${id.spi.toString(16).padStart(8, '0')}`;
}

/** `out policy 10.0.0.0/24 to 10.1.0.0/24 protocol 6 ports any to 443` */
export function describeKey({ direction, selector, mark, ifId }: PolicyKey): string {
  const { source, destination, protocol, sourcePort, destinationPort } = selector;
  const parts = [`${direction} policy ${describePrefix(source)} to ${describePrefix(destination)}`];
  if (protocol !== 0) parts.push(`protocol ${protocol}`);
  if (sourcePort.mask !== 0 || destinationPort.mask !== 0) {
    parts.push(`ports ${describePort(sourcePort)} to ${describePort(destinationPort)}`);
  }
  if (selector.interface !== undefined) parts.push(`dev ${selector.interface}`);
  if (mark !== undefined) parts.push(`mark ${mark.value}/${mark.mask}`);
  if (ifId !== undefined) parts.push(`if_id ${ifId}`);
  return parts.join(' ');
}

/** What makes two policies the same one for the kernel. */
export function policyKeyText({ direction, selector, mark, ifId }: PolicyKey): string {
  const { source, destination, protocol, sourcePort, destinationPort } = selector;
  let text = `${direction} ${source.address}/${source.length} ${destination.address}/${destination.length}`;
  if (protocol !== 0) text += ` protocol ${protocol}`;
  if (sourcePort.mask !== 0) text += ` from ${sourcePort.value}/${sourcePort.mask}`;
  if (destinationPort.mask !== 0) text += ` to ${destinationPort.value}/${destinationPort.mask}`;
  if (selector.interface !== undefined) text += ` dev ${selector.interface}`;
  if (mark !== undefined && (mark.value !== 0 || mark.mask !== 0)) text += ` mark ${mark.value}/${mark.mask}`;
  return ifId === undefined || ifId === 0 ? text : `${text} if_id ${ifId}`;
}

/** What makes two SAs the same one for the kernel (all of ours are ESP). */
export function saIdText(id: SaId): string {
  return `${id.spi} ${id.destination}`;
}

/**
 * What a refusal means and what to do about it, in one sentence; `reason` is the kernel's own text, or empty. Texts
 * of the kernel that name a missing algorithm or type come with several error numbers.
 */
export function refusalText({ errno, reason }: { readonly errno: string; readonly reason: string }): string {
  const remedy = MISSING_IN_KERNEL.test(reason) ? MISSING_REMEDY : REMEDIES[errno];
  const said = reason === '' ? `the kernel refused it with ${errno}` : `the kernel says "${reason}" (${errno})`;
  return remedy === undefined ? said : `${said}: ${remedy}`;
}

const MISSING_IN_KERNEL = /not found|not supported by|unknown algorithm/i;
const MISSING_REMEDY =
  'this kernel lacks ESP or the algorithm; load the modules esp4, esp6 and those of the algorithm, or propose another';

const REMEDIES: Readonly<Record<string, string>> = {
  EPERM: 'CAP_NET_ADMIN is missing; grant it to the agent (in Kubernetes: securityContext.capabilities.add)',
  ENOSYS: MISSING_REMEDY,
  EPROTONOSUPPORT: MISSING_REMEDY,
  EAFNOSUPPORT: MISSING_REMEDY,
  ENOPROTOOPT: MISSING_REMEDY,
  EEXIST: 'there is one already; a new SA needs an SPI of its own',
  ESRCH: 'there is none; it expired or was deleted by another program',
  ENOENT: 'there is none; it was deleted by another program',
  ENOMEM: 'the kernel is out of memory',
  ENOBUFS: 'the kernel is out of buffers; free memory and try again',
  ENODEV: 'bring the interface up, or correct the address that names it',
  EINVAL: 'the request does not suit this kernel; report the kernel version with this message',
};

function describePrefix(prefix: Prefix): string {
  return `${prefix.address}/${prefix.length}`;
}

function describePort({ value, mask }: PortMatch): string {
  if (mask === 0) return 'any';
  return mask === 0xffff ? `${value}` : `${value}/0x${mask.toString(16)}`;
}
