/** A node of the demo's mesh. */
export interface MeshNode {
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** A full mesh, every pair once for each IP family. */
export const meshNodes: readonly MeshNode[] = ['a', 'b', 'c'].map((letter, index) => ({
  name: `node-${letter}`,
  ipv4: `10.77.0.${index + 1}`,
  ipv6: `fd77::${index + 1}`,
}));

/** The configuration file of one node: every other one is a peer, by both of its addresses. */
export function nodeConfiguration(node: MeshNode): string {
  const peers = meshNodes.filter((other) => other.name !== node.name).flatMap((other) => peerEntries(node, other));
  return [
    'node:',
    `  name: ${node.name}`,
    `  identity: {fqdn: ${node.name}.demo.test}`,
    `  addresses: [${node.ipv4}, "${node.ipv6}"]`,
    'defaults:',
    '  enforcement: Required',
    'peers:',
    ...peers,
    '',
  ].join('\n');
}

/** Where the secret of a pair lies, beside the configuration; the same name at both ends. */
export function secretFile(one: MeshNode, other: MeshNode): string {
  return `${[one.name, other.name].sort().join('-')}.psk`;
}

function peerEntries(node: MeshNode, peer: MeshNode): readonly string[] {
  return [
    { name: `${peer.name}-ipv4`, address: peer.ipv4 },
    { name: `${peer.name}-ipv6`, address: peer.ipv6 },
  ].flatMap(({ name, address }) => [
    `- name: ${name}`,
    `  address: "${address}"`,
    `  identity: {fqdn: ${peer.name}.demo.test}`,
    `  authentication: {preSharedKey: {file: ${secretFile(node, peer)}}}`,
  ]);
}
