import type { PlainPacket } from '../../../agent/dataplane/memory/packet.ts';
import { ip } from '../../../agent/dataplane/testing/builders.ts';
import type { DataplaneCommand, DataplaneEvent, KernelSnapshot } from '../../../agent/dataplane/types.ts';
import type { IpAddress } from '../../../agent/wire/ip-address.ts';

/** East and west speak IPsec with one another; inner stands behind west and speaks none. */
export const nodeNames = ['east', 'west', 'inner'] as const;
export type NodeName = (typeof nodeNames)[number];

/** The nodes that have SAs and policies. */
export const ipsecNodes = ['east', 'west'] as const satisfies readonly NodeName[];
export type IpsecNode = (typeof ipsecNodes)[number];

/** Every address of a node; the first of each family is on the wire, by which the other node reaches it. */
export const addressesOf: Readonly<Record<NodeName, readonly IpAddress[]>> = {
  east: ['10.0.0.1', '10.1.0.1', 'fd00::1', 'fd01::1'].map(ip),
  west: ['10.0.0.2', '10.1.5.2', 'fd00::2', 'fd01:5::2'].map(ip),
  inner: ['10.2.0.9', 'fd02::9'].map(ip),
};

/** The node that has an address. */
export function ownerOf(address: IpAddress): NodeName {
  const owner = nodeNames.find((name) => addressesOf[name].includes(address));
  if (owner === undefined) throw new Error(`nobody has ${address}`);
  return owner;
}

/** UDP ports that every node listens on, at each of its addresses. */
export const ports = [4000, 5000, 0x8001] as const;

/** Where a packet ended and what it left behind. */
export interface Outcome {
  /** Who received it: node, address and port; once for each time. */
  readonly arrivals: readonly string[];
  /** Counters of /proc/net/xfrm_stat that it raised, as `east XfrmOutNoStates 1`. */
  readonly statistics: readonly string[];
}

/** What there is to compare: nodes with SAs and policies, and a network between them. */
export interface World {
  /** Carries out a command at a node: `ok`, or the name of the error. */
  execute(node: IpsecNode, command: DataplaneCommand): string;
  /** Sends a UDP packet, the `number`th, and waits until it is somewhere; `expected` tells when there is nothing to wait for. */
  send(packet: PlainPacket, number: number, expected: Outcome): Promise<Outcome>;
  /** Whether every packet from east arrives at west twice: the second copy of ESP is a replay. */
  setDuplicating(duplicating: boolean): Promise<void>;
  dump(node: IpsecNode): KernelSnapshot;
  /** Events of a node since the last call; `expected` tells how many are worth waiting for. */
  events(node: IpsecNode, expected: number): Promise<readonly DataplaneEvent[]>;
}
