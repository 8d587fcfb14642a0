import { algorithmByKeyword, transformTypes } from '../../crypto/suites.ts';
import { type EspShape, payloadMtu } from '../../dataplane/esp-overhead.ts';
import type { ConnectionStatus } from '../../ike/types.ts';
import { type IpAddress, ipFamily, zoneOf } from '../../wire/ip-address.ts';
import type { ChildSaReport } from './report.ts';

/** Where the length of packets to an address is asked for. */
export interface PathMtuSource {
  between(local: IpAddress, remote: IpAddress): { readonly link: number; readonly path: number } | undefined;
}

/** How long packets to a peer may be. */
export interface PathMtuReport {
  /** MTU of the interface by which they leave. */
  readonly link: number;
  /** The least of what the kernel knows of the way, by routes and routers, and of what was found to arrive. */
  readonly path: number;
  /** What was found to arrive, by packets to the peer; absent where nobody has tried. */
  readonly probed?: number;
  /** Of each Child SA what fits through it, as a whole IP packet before it is encrypted. */
  readonly children: readonly { readonly name: string; readonly payload: number; readonly overhead: number }[];
}

/** What the kernel says of the way to a peer, what was found out of it, and what its Child SAs make of it; undefined where it says nothing. */
export function pathMtuReport(
  source: PathMtuSource | undefined,
  {
    localAddress: local,
    remoteAddress: remote,
    pathMtu: probed,
  }: Pick<ConnectionStatus, 'localAddress' | 'remoteAddress' | 'pathMtu'>,
  ikeSas: readonly { readonly children: readonly ChildShape[] }[],
): PathMtuReport | undefined {
  // The way to a link-local address is another one on each link.
  if (source === undefined || remote === 'any' || zoneOf(local) !== undefined) return undefined;
  const known = source.between(local, remote);
  if (known === undefined) return undefined;
  const path = Math.min(known.path, probed ?? known.path);
  const children = ikeSas.flatMap((sa) => sa.children).filter(({ state }) => state === 'installed');
  return {
    link: known.link,
    path,
    ...(probed === undefined ? {} : { probed }),
    children: children.flatMap((child) => {
      const shape = shapeOf(child, ipFamily(remote));
      const payload = shape === undefined ? undefined : payloadMtu(path, shape);
      return payload === undefined ? [] : [{ name: child.name, payload, overhead: path - payload }];
    }),
  };
}

type ChildShape = Pick<ChildSaReport, 'name' | 'state' | 'mode' | 'suite' | 'udpEncapsulation'>;

function shapeOf({ suite, mode, udpEncapsulation }: ChildShape, family: 4 | 6): EspShape | undefined {
  const chosen = suite.split('-').map(algorithmByKeyword);
  const encryption = chosen.find((each) => each?.transformType === transformTypes.encryption);
  const integrity = chosen.find((each) => each?.transformType === transformTypes.integrity);
  if (encryption === undefined) return undefined;
  const { transformId, keyBits } = encryption;
  return { mode, family, udpEncapsulation, encryption: transformId, keyBits, integrity: integrity?.transformId ?? 0 };
}
