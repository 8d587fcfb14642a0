import type { SecretBytes } from '../../../agent/crypto/secret.ts';
import { encryptionOf, integrityOf } from '../../../agent/crypto/suites.ts';
import type { PolicySpec, PortMatch, SaSpec, Selector } from '../../../agent/dataplane/types.ts';

/** The words of `ip` that install the same SA. Reads the keys, so it comes before the SA is given to a dataplane. */
export function addStateLine(sa: SaSpec): string {
  const words = [`xfrm state add src ${sa.source} dst ${sa.id.destination} proto esp spi ${sa.id.spi}`];
  words.push(`reqid ${sa.reqid} mode ${sa.mode} dir ${sa.direction}`);
  if (sa.direction === 'in') words.push(`replay-window ${sa.replayWindow}`);
  const flags = [...(sa.esn ? ['esn'] : []), ...(sa.mode === 'tunnel' ? ['af-unspec'] : [])];
  if (flags.length > 0) words.push(`flag ${flags.join(' ')}`);
  words.push(algorithmWords(sa));
  if (sa.udpEncapsulation !== undefined) {
    words.push(`encap espinudp ${sa.udpEncapsulation.sourcePort} ${sa.udpEncapsulation.destinationPort} 0.0.0.0`);
  }
  words.push(...markWords(sa));
  if (sa.selector !== undefined) words.push(`sel ${selectorWords(sa.selector)}`);
  for (const [name, limit] of Object.entries(limitNames)) {
    const value = sa.lifetime[limit];
    if (value !== undefined) words.push(`limit ${name} ${value}`);
  }
  return words.join(' ');
}

/** The words of `ip` that install the same policy. */
export function updatePolicyLine(policy: PolicySpec): string {
  const words = [`xfrm policy update ${selectorWords(policy.selector)} dir ${policy.direction}`];
  words.push(...markWords(policy), `index ${policy.index} priority ${policy.priority} action ${policy.action}`);
  const { template } = policy;
  if (template !== undefined) {
    const outer = template.mode === 'tunnel' ? `src ${template.source} dst ${template.destination} ` : '';
    const spi = template.spi === 0 ? '' : `spi ${template.spi} `;
    const level = template.level === 'optional' ? 'use' : 'required';
    words.push(`tmpl ${outer}proto esp ${spi}reqid ${template.reqid} mode ${template.mode} level ${level}`);
  }
  return words.join(' ');
}

function algorithmWords(sa: SaSpec): string {
  const encryption = encryptionOf(sa.algorithms.encryption, sa.algorithms.keyBits);
  const integrity = integrityOf(sa.algorithms.integrity);
  if (encryption?.kind === 'aead') {
    return `aead ${encryption.xfrm.name} ${hex(sa.encryptionKey)} ${encryption.xfrm.icvBits}`;
  }
  if (encryption === undefined || integrity === undefined) throw new Error('the suite is not in the table');
  const auth = `auth-trunc ${integrity.xfrm.name} ${hex(sa.integrityKey)} ${integrity.xfrm.icvBits}`;
  return `${auth} enc ${encryption.xfrm.name} ${hex(sa.encryptionKey)}`;
}

function markWords({ mark, ifId }: Pick<PolicySpec, 'mark' | 'ifId'>): readonly string[] {
  return [
    ...(mark === undefined ? [] : [`mark ${mark.value} mask ${mark.mask}`]),
    ...(ifId === undefined ? [] : [`if_id ${ifId}`]),
  ];
}

/** `ip` has no masks of ports. */
function selectorWords({ source, destination, protocol, sourcePort, destinationPort }: Selector): string {
  const words = [`src ${source.address}/${source.length} dst ${destination.address}/${destination.length}`];
  if (protocol !== 0) words.push(`proto ${protocol}`);
  const [first, second] = protocol === 1 || protocol === 58 ? ['type', 'code'] : ['sport', 'dport'];
  if (isExact(sourcePort)) words.push(`${first} ${sourcePort.value}`);
  if (isExact(destinationPort)) words.push(`${second} ${destinationPort.value}`);
  return words.join(' ');
}

function isExact(port: PortMatch): boolean {
  return port.mask === 0xffff;
}

function hex(key: SecretBytes): string {
  return key.use((bytes) => `0x${Buffer.from(bytes).toString('hex')}`);
}

const limitNames = {
  'time-soft': 'softSeconds',
  'time-hard': 'hardSeconds',
  'byte-soft': 'softBytes',
  'byte-hard': 'hardBytes',
  'packet-soft': 'softPackets',
  'packet-hard': 'hardPackets',
} as const;
