import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import type * as z from 'zod';

import { type IpsecNodeConfig, ipsecNodeConfig } from '../../operator/api/ipsec-node-config.ts';
import { type IpsecPeerSlice, ipsecPeerSlice } from '../../operator/api/ipsec-peer-slice.ts';
import { runOffline } from '../../operator/offline/run-offline.ts';

/** A node of the demo. */
export interface MeshNode {
  readonly name: string;
  readonly addresses: readonly string[];
  /** Who it is to its peers. */
  readonly fqdn: string;
  /** The Secret that its certificate is to be in. */
  readonly secretName: string;
}

/** A direction in which two nodes encrypt by one family: the addresses are those of the two ends. */
export interface Flow {
  readonly from: string;
  readonly to: string;
  readonly address: string;
}

/** What the operator has planned, and where its manifests are. */
export interface MeshPlan {
  /** The folder that the operator wrote. */
  readonly folder: string;
  readonly namespace: string;
  readonly nodes: readonly MeshNode[];
  readonly flows: readonly Flow[];
  /** What the operator said. */
  readonly lines: readonly string[];
}

/** Why the demo cannot show what the manifests say. */
export class CannotShowError extends Error {
  override readonly name = 'CannotShowError';
}

/**
 * Plans with the operator's own code, as `operator --manifests MANIFESTS --out FOLDER` does.
 * @throws CannotShowError where the manifests are wrong, or of what has no place in the demo.
 */
export async function planMesh(manifests: string, folder: string): Promise<MeshPlan> {
  const now = new Date();
  const at = { milliseconds: now.getTime(), timestamp: now.toISOString().replace(/\.\d+Z$/, 'Z') };
  const settings = { trustDomain: 'demo.ikemesh.internal', namespace: NAMESPACE, issuersRestricted: false };
  const readable = await readdir(manifests).catch((error: Error) => error.message);
  if (typeof readable === 'string') throw new CannotShowError(`${manifests} cannot be read: ${readable}`);
  const { code, lines } = await runOffline({ manifests, out: folder, settings, at });
  if (code !== 0) throw new CannotShowError(lines.join('\n'));
  const written = await readWritten(folder);
  const peersOf = (peering: string) =>
    written.slices.filter((slice) => slice.peering === peering).flatMap(({ peers }) => peers);
  const nodes = written.configs.map(meshNode);
  const flows = written.configs.flatMap((config) =>
    config.spec.peerings.flatMap(({ name, addresses }) =>
      peersOf(name)
        .filter((peer) => peer.name !== config.metadata.name)
        .flatMap((peer) => flowsBetween(config.metadata.name, addresses, peer)),
    ),
  );
  if (nodes.length < 2 || nodes.length > MAX_NODES) {
    throw new CannotShowError(
      `the demo shows 2 to ${MAX_NODES} nodes; these manifests have ${nodes.length} that take part`,
    );
  }
  return { folder, namespace: NAMESPACE, nodes, flows, lines };
}

/** One flow a family that both have: by the first address of each. */
function flowsBetween(
  from: string,
  own: readonly string[],
  peer: { readonly name: string; readonly addresses: readonly string[] },
): readonly Flow[] {
  return [isIpv4, isIpv6].flatMap((ofFamily) => {
    const address = peer.addresses.find(ofFamily);
    return address === undefined || !own.some(ofFamily) ? [] : [{ from, to: peer.name, address }];
  });
}

function meshNode({ metadata: { name }, spec }: IpsecNodeConfig): MeshNode {
  const [peering, another] = spec.peerings;
  const certificate = peering?.authentication.certificate;
  const isShown = peering?.remote.mesh !== undefined && peering.traffic.scope === 'Nodes' && another === undefined;
  if (!isShown || certificate === undefined || certificate.trust !== undefined) {
    throw new CannotShowError('the demo shows one mesh of nodes, by certificates of an issuer (scope Nodes, no trust)');
  }
  return { name, addresses: peering.addresses, fqdn: spec.identity.fqdn, secretName: certificate.secretName };
}

async function readWritten(
  folder: string,
): Promise<{ readonly configs: readonly IpsecNodeConfig[]; readonly slices: readonly IpsecPeerSlice[] }> {
  const objects: unknown[] = [];
  for (const name of (await readdir(folder)).sort()) objects.push(parse(await readFile(join(folder, name), 'utf8')));
  const ofKind = <T>(kind: string, schema: z.ZodType<T>): readonly T[] =>
    objects
      .filter((object) => (object as { readonly kind?: unknown }).kind === kind)
      .map((object) => schema.parse(object));
  return {
    configs: ofKind(ipsecNodeConfig.kind, ipsecNodeConfig.schema),
    slices: ofKind(ipsecPeerSlice.kind, ipsecPeerSlice.schema),
  };
}

function isIpv6(address: string): boolean {
  return address.includes(':');
}

function isIpv4(address: string): boolean {
  return !isIpv6(address);
}

const NAMESPACE = 'ikemesh-nodes';
/** Every one has an agent of its own, and the guest has one processor. */
const MAX_NODES = 6;
