import {
  changed,
  gatewayManifest,
  type Manifest,
  meshManifest,
  nodeConfigManifest,
  sliceManifest,
  slicePeer,
} from './manifests.ts';

/** A manifest with one fault. */
export interface BadManifest {
  readonly title: string;
  readonly manifest: Manifest;
  /** The field that the message must name. */
  readonly field: string;
  /** What our own rule says; absent where types and bounds alone refuse it and the server has words of its own. */
  readonly says?: string;
}

const gateway = 'spec.remote.gateway';
const selector = `${gateway}.selectors[0]`;
const certificate = 'spec.authentication.certificate';
const byCertificate = { certificate: { issuerRef: { name: 'mesh-ca' } } };
const byKey = { preSharedKey: { secretRef: { name: 'psk' } } };
const requirement = 'spec.nodes.selector.matchExpressions[0]';

/** Each with one fault that people make or attackers try. */
export const badManifests: readonly BadManifest[] = [
  // Who and with whom.
  mesh('metadata.name', 'a'.repeat(64), 'at most 63', ''),
  mesh('metadata.name', 'office.berlin', 'the value of a label', ''),
  mesh('spec', undefined),
  mesh('spec.priority', 1_001),
  mesh('spec.priority', 'high'),
  mesh('spec.nodes.addressType', 'Hostname'),
  mesh('spec.nodes.selector.matchLabels', { 'a b': 'c' }, 'must be labels'),
  mesh('spec.nodes.selector.matchLabels', { a: 'b c' }, 'must be labels'),
  mesh('spec.nodes.selector.matchLabels', { a: 'b'.repeat(64) }, undefined, 'spec.nodes.selector.matchLabels.a'),
  mesh('spec.nodes.selector.matchLabels', Object.fromEntries(numbers(17).map((n) => [`label-${n}`, 'x']))),
  mesh(
    'spec.nodes.selector.matchExpressions',
    [{ key: 'a', operator: 'In' }],
    'need at least one',
    `${requirement}.values`,
  ),
  mesh(
    'spec.nodes.selector.matchExpressions',
    [{ key: 'a', operator: 'Exists', values: ['b'] }],
    'take none',
    `${requirement}.values`,
  ),
  mesh(
    'spec.nodes.selector.matchExpressions',
    [{ key: 'a', operator: 'Gt', values: ['1'] }],
    undefined,
    `${requirement}.operator`,
  ),
  mesh(
    'spec.nodes.selector.matchExpressions',
    [{ key: '-a', operator: 'Exists' }],
    'key of a label',
    `${requirement}.key`,
  ),
  mesh('spec.remote', undefined),
  mesh('spec.remote', {}, 'exactly one of mesh and gateway'),
  change(
    'both a mesh and a gateway',
    gatewayManifest,
    'spec.remote.mesh',
    {},
    'spec.remote',
    'exactly one of mesh and gateway',
  ),
  // The gateway.
  office(`${gateway}.address`, undefined),
  office(`${gateway}.address`, '', 'IP address of one host'),
  office(`${gateway}.address`, 'vpn_1.example.com', 'IP address of one host'),
  office(`${gateway}.address`, 'VPN.example.com', 'lower-case DNS name'),
  office(`${gateway}.address`, '192.0.2.256', 'IP address of one host'),
  office(`${gateway}.address`, '192.0.2.010', 'IP address of one host'),
  office(`${gateway}.address`, '127.0.0.1', 'IP address of one host'),
  office(`${gateway}.address`, 'fe80::1', 'IP address of one host'),
  office(`${gateway}.address`, '192.0.2.1:500', 'IP address of one host'),
  office(`${gateway}.address`, 'a'.repeat(254)),
  office(`${gateway}.identity`, {}, 'exactly one of fqdn, email, ip, dn and keyId'),
  office(`${gateway}.identity`, { fqdn: 'a.example', ip: '192.0.2.1' }, 'exactly one of fqdn'),
  office(`${gateway}.identity`, { fqdn: '192.0.2.1' }, 'must be a lower-case DNS name', `${gateway}.identity.fqdn`),
  office(`${gateway}.identity`, { ip: 'vpn.example.com' }, 'must be an IP address', `${gateway}.identity.ip`),
  office(`${gateway}.identity`, { ip: '::ffff:192.0.2.1' }, 'must be an IP address', `${gateway}.identity.ip`),
  office(`${gateway}.identity`, { email: 'nobody' }, 'must be a mail address', `${gateway}.identity.email`),
  office(`${gateway}.identity`, { dn: 'vpn' }, 'must be a distinguished name', `${gateway}.identity.dn`),
  office(`${gateway}.identity`, { keyId: '' }, 'must be text', `${gateway}.identity.keyId`),
  office(`${gateway}.selectors`, []),
  office(
    `${gateway}.selectors`,
    numbers(33).map((n) => ({ local: 'PodCIDRs', remote: `10.${n}.0.0/16` })),
  ),
  office(`${selector}.local`, 'nodes', 'NodeAddresses, PodCIDRs or a CIDR'),
  office(`${selector}.local`, '10.1.0.1/16', 'write 10.1.0.0/16'),
  office(`${selector}.remote`, 'NodeAddresses', 'must be a CIDR such as'),
  office(`${selector}.remote`, '192.0.2.1', 'must be a CIDR such as'),
  office(`${selector}.remote`, '192.0.2.0/33', 'must be a CIDR such as'),
  office(`${selector}.remote`, '2001:db8::1/64', 'write 2001:db8::/64'),
  office(selector, { local: '10.0.0.0/8', remote: '2001:db8::/32' }, 'must be of one IP family', `${selector}.local`),
  office(`${selector}.protocol`, 'tcp'),
  office(`${selector}.ports`, [{ from: 80 }], 'set protocol to TCP, UDP or SCTP'),
  office(selector, protocolPorts('ICMP', { from: 8 }), 'set protocol to TCP, UDP or SCTP', `${selector}.ports`),
  office(selector, protocolPorts('TCP', { from: 90, to: 80 }), 'must not be below from', `${selector}.ports[0].to`),
  office(selector, protocolPorts('TCP', { from: 0 }), undefined, `${selector}.ports[0].from`),
  office(selector, protocolPorts('TCP', { from: 65_536 }), undefined, `${selector}.ports[0].from`),
  office(selector, protocolPorts('TCP', { from: 1.5 }), undefined, `${selector}.ports[0].from`),
  // Which packets.
  mesh('spec.traffic.scope', 'All'),
  mesh('spec.traffic', { scope: 'Pods', mode: 'Transport' }, "pods' packets need tunnel mode", 'spec.traffic.mode'),
  office('spec.traffic.scope', 'Pods', 'scope is for a mesh'),
  change(
    'transport mode for pods behind a gateway',
    changed(gatewayManifest, `${selector}.local`, 'PodCIDRs'),
    'spec.traffic.mode',
    'Transport',
    'spec.traffic.mode',
    'set local of each selector to NodeAddresses',
  ),
  mesh('spec.traffic.exempt', [{ cidr: '0.0.0.0/0' }], 'exempts all addresses', 'spec.traffic.exempt[0].cidr'),
  mesh('spec.traffic.exempt', [{ cidr: '10.0.0.1/8' }], 'write 10.0.0.0/8', 'spec.traffic.exempt[0].cidr'),
  mesh('spec.traffic.exempt', [{ protocol: 'TCP' }], undefined, 'spec.traffic.exempt[0].cidr'),
  mesh(
    'spec.traffic.exempt',
    numbers(33).map((n) => ({ cidr: `10.${n}.0.0/16` })),
  ),
  mesh('spec.enforcement', undefined),
  mesh('spec.enforcement', 'required'),
  mesh('spec.enforcment', 'Required'),
  // Proof.
  mesh('spec.authentication', {}, 'exactly one of certificate and preSharedKey'),
  mesh('spec.authentication', { ...byCertificate, ...byKey }, 'exactly one of certificate and preSharedKey'),
  mesh('spec.authentication', byKey, 'a mesh needs authentication.certificate'),
  mesh(`${certificate}.issuerRef`, undefined),
  mesh(`${certificate}.issuerRef.name`, 'Mesh CA', 'must be the name of an object'),
  mesh(`${certificate}.issuerRef.kind`, 'issuer', 'must be a kind'),
  mesh(`${certificate}.keyLocation`, 'Node', 'write Secret'),
  mesh(`${certificate}.duration`, '1d', 'written with h, m and s'),
  mesh(`${certificate}.duration`, '4 hours', 'written with h, m and s'),
  mesh(`${certificate}.duration`, '59m', 'must be a duration from 1h'),
  mesh(`${certificate}.renewBefore`, '24h', 'must be shorter than duration'),
  mesh(`${certificate}.renewBefore`, '1m', 'must be a duration from 5m'),
  mesh(`${certificate}.privateKey`, { algorithm: 'DSA' }, undefined, `${certificate}.privateKey.algorithm`),
  mesh(`${certificate}.privateKey`, { size: 2048 }, 'must be 256, 384 or 521', `${certificate}.privateKey.size`),
  mesh(
    `${certificate}.privateKey`,
    { algorithm: 'Ed25519', size: 256 },
    'leave it out',
    `${certificate}.privateKey.size`,
  ),
  mesh(`${certificate}.usages`, ['encrypt everything'], undefined, `${certificate}.usages[0]`),
  mesh(`${certificate}.usages`, []),
  mesh(
    `${certificate}.trust`,
    { configMapRef: { name: 'Bundle' } },
    'must be the name',
    `${certificate}.trust.configMapRef.name`,
  ),
  office('spec.authentication.preSharedKey.secretRef.name', undefined),
  office('spec.authentication.preSharedKey.secretRef.key', 'a/b', 'must be a key of the data'),
  // What is negotiated.
  ike('aes256gcm61-prfsha384-ecp384', 'has ["aes256gcm61"]'),
  ike('aes256gcm16-prfsha384-modp1024', 'has ["modp1024"]'),
  ike('aes256gcm16 prfsha384 ecp384', 'join words such as'),
  ike('', 'has [""]'),
  ike('aes256gcm16-prfsha384-ecp384-esn', 'has ["esn"]'),
  ike('aes256gcm16-prfsha384', 'names no key exchange'),
  ike('aes256gcm16-ecp384', 'names no PRF'),
  ike('prfsha384-ecp384', 'names no cipher'),
  ike('aes256gcm16-aes256-sha256-ecp384', 'write two proposals'),
  esp('aes256', 'names no hash for its cipher'),
  esp('aes256gcm16-prfsha384', 'has ["prfsha384"]'),
  esp('aes256gcm16-sha256', 'leave the hash out'),
  mesh('spec.proposals', { ike: [] }, undefined, 'spec.proposals.ike'),
  mesh('spec.proposals', { esp: numbers(9).map(() => 'aes256gcm16') }, undefined, 'spec.proposals.esp'),
  mesh('spec.proposals', { esp: 'aes256gcm16' }, undefined, 'spec.proposals.esp'),
  mesh('spec.lifetimes', { ike: '30m' }, 'must be shorter than ike', 'spec.lifetimes.child'),
  mesh('spec.lifetimes', { child: '-1h' }, 'must be a duration', 'spec.lifetimes.child'),
  mesh('spec.lifetimes', { ike: '99999h' }, 'must be a duration from 60s to 168h', 'spec.lifetimes.ike'),
  mesh('spec.lifetimes', { ike: '999999999999999h' }, 'must be a duration', 'spec.lifetimes.ike'),
  mesh('spec.lifetimes', { childBytes: '64GB' }, 'such as 64Gi', 'spec.lifetimes.childBytes'),
  mesh('spec.lifetimes', { childBytes: 1000 }, 'a number of bytes from 1Mi', 'spec.lifetimes.childBytes'),
  mesh('spec.lifetimes', { childBytes: '1Ei' }, 'such as 64Gi', 'spec.lifetimes.childBytes'),
  mesh('spec.liveness', { interval: '10m' }, 'must be no longer than timeout', 'spec.liveness.interval'),
  mesh('spec.natTraversal', 'auto'),
  mesh('spec.mssClamp', 'auto', 'must be Disabled, Auto, or a number'),
  mesh('spec.mssClamp', 535, 'from 536 to 65495'),
  mesh('spec.mssClamp', 65_496, 'from 536 to 65495'),
  mesh('spec.initiation', 'Never'),
  // What the operator writes, should anybody else write it.
  slice('peering', undefined),
  slice('peering', 'a'.repeat(64)),
  slice('peers', numbers(101).map(slicePeer)),
  slice('peers', [slicePeer(1), slicePeer(1)], undefined, 'peers[1]'),
  slice('peers', [changed(slicePeer(1), 'addresses', ['nowhere'])], 'must be an IP address', 'peers[0].addresses[0]'),
  slice('peers', [changed(slicePeer(1), 'addresses', [])], undefined, 'peers[0].addresses'),
  slice('peers', [changed(slicePeer(1), 'podCIDRs', ['10.0.0.1/8'])], 'write 10.0.0.0/8', 'peers[0].podCIDRs[0]'),
  slice('peers', [changed(slicePeer(1), 'identity', { fqdn: 'A' })], 'DNS name', 'peers[0].identity.fqdn'),
  node('spec.nodeUID', undefined),
  node('spec.nodeUID', 'x'.repeat(37)),
  node(
    'spec.peerings[0].enforcement',
    { outbound: 'Always', inbound: 'Optional' },
    'spec.peerings[0].enforcement.outbound',
  ),
  node('spec.peerings[0].addresses', ['192.0.2.1', '192.0.2.2', '192.0.2.3']),
];

/** A change of an object that must be refused; only the API server sees both sides of it. */
export const badChanges = [
  {
    title: 'a mesh becomes a gateway',
    from: meshManifest,
    to: changed(changed(gatewayManifest, 'metadata.name', 'cluster'), 'spec.authentication', byCertificate),
    field: 'spec.remote',
    says: 'create another peering, then delete this one',
  },
  {
    title: 'a slice changes hands',
    from: sliceManifest,
    to: changed(sliceManifest, 'peering', 'other'),
    field: 'peering',
    says: 'create another slice',
  },
] as const;

function mesh(path: string, value: unknown, says?: string, field = path): BadManifest {
  return change('a mesh', meshManifest, path, value, field, says);
}

function office(path: string, value: unknown, says?: string, field = path): BadManifest {
  return change('a gateway', gatewayManifest, path, value, field, says);
}

function slice(path: string, value: unknown, says?: string, field = path): BadManifest {
  return change('a slice', sliceManifest, path, value, field, says);
}

function node(path: string, value: unknown, field = path): BadManifest {
  return change('a node', nodeConfigManifest, path, value, field);
}

function ike(proposal: string, says: string): BadManifest {
  return mesh('spec.proposals', { ike: [proposal] }, says, 'spec.proposals.ike[0]');
}

function esp(proposal: string, says: string): BadManifest {
  return mesh('spec.proposals', { esp: [proposal] }, says, 'spec.proposals.esp[0]');
}

function change(
  title: string,
  base: Manifest,
  path: string,
  value: unknown,
  field: string,
  says?: string,
): BadManifest {
  const text = value === undefined ? 'left out' : JSON.stringify(value);
  const shown = text.length > 150 ? `${text.slice(0, 150)}…` : text;
  const manifest = changed(base, path, value);
  const place = field === path ? '' : ` (${field})`;
  return { title: `${title}, ${path} ${shown}${place}`, manifest, field, ...(says === undefined ? {} : { says }) };
}

function protocolPorts(protocol: string, range: Manifest): Manifest {
  return { local: 'NodeAddresses', remote: '192.0.2.0/24', protocol, ports: [range] };
}

function numbers(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index);
}
