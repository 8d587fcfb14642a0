import { stringify } from 'yaml';

import type { Section } from '../strongswan/settings.ts';

/** Which side begins, seen from our agent. */
export type Role = 'initiator' | 'responder';

/** How a link differs from the plain one: IPv4, one Child SA in transport mode, AES-256-GCM and X25519. */
export interface LinkSettings {
  /** Family of the addresses that IKE uses. Default 4. */
  readonly family?: Family;
  /** Family of the payload. Default that of IKE. */
  readonly payloadFamily?: Family;
  /** Puts a network with a host in it behind each end, of both families. */
  readonly networks?: boolean;
  /** IKE proposals; one text is that of both sides. */
  readonly ike?: string | Sides<string>;
  readonly esp?: string | Sides<string>;
  /** Pre-shared keys. */
  readonly secret?: Sides<string>;
  readonly children?: readonly ChildSettings[];
  /** More fields of the peer in our configuration file. */
  readonly ourPeer?: Readonly<Record<string, unknown>>;
  /** More settings of the connection in swanctl.conf. */
  readonly theirConnection?: Section;
  /** Charon's policies for what passes beside the connection, as children with `mode: pass`. */
  readonly theirShunts?: Section;
  /** More settings of strongswan.conf's section charon. */
  readonly charon?: Section;
}

/** A Child SA as each side is configured for it. */
export interface ChildSettings {
  readonly name: string;
  /** Fields of the child in our configuration file. */
  readonly ours: Readonly<Record<string, unknown>>;
  /** Settings of the child in swanctl.conf. */
  readonly theirs: Section;
}

/** A value for either side. */
export interface Sides<T> {
  readonly ours: T;
  readonly theirs: T;
}

export type Family = 4 | 6;

/** Addresses of both ends on the wire and of the hosts behind them, and their networks. */
export const addresses = {
  4: {
    wire: { ours: '192.0.2.1', theirs: '192.0.2.2' },
    network: { ours: '198.51.100.0/24', theirs: '203.0.113.0/24' },
    gateway: { ours: '198.51.100.1', theirs: '203.0.113.1' },
    host: { ours: '198.51.100.10', theirs: '203.0.113.10' },
  },
  6: {
    wire: { ours: '2001:db8::1', theirs: '2001:db8::2' },
    network: { ours: '2001:db8:a::/64', theirs: '2001:db8:b::/64' },
    gateway: { ours: '2001:db8:a::1', theirs: '2001:db8:b::1' },
    host: { ours: '2001:db8:a::10', theirs: '2001:db8:b::10' },
  },
} as const;

/** The name of the peer in our configuration file. */
export const peerName = 'strongswan';

/** Identities; ours is the lower one, so that by default our agent begins. */
const identities: Sides<string> = { ours: 'agent.lab.test', theirs: 'charon.lab.test' };

/** The one Child SA of a plain link. */
const transportChild: ChildSettings = { name: 'data', ours: {}, theirs: { mode: 'transport' } };

/** A Child SA in tunnel mode between the networks of a family behind both ends. */
export function tunnelChild(family: Family): ChildSettings {
  const { ours, theirs } = addresses[family].network;
  return {
    name: 'data',
    ours: { mode: 'Tunnel', selectors: [{ local: ours, remote: theirs }] },
    theirs: { mode: 'tunnel', local_ts: theirs, remote_ts: ours },
  };
}

/** Our configuration file. */
export function ourConfiguration(settings: LinkSettings, initiates: boolean, secretFile: string): string {
  const { ours, theirs } = addresses[settings.family ?? 4].wire;
  return stringify({
    node: {
      name: 'ours',
      identity: { fqdn: identities.ours },
      addresses: [addresses[4].wire.ours, addresses[6].wire.ours],
    },
    peers: [
      {
        name: peerName,
        address: theirs,
        localAddress: ours,
        identity: { fqdn: identities.theirs },
        authentication: { preSharedKey: { file: secretFile } },
        initiation: initiates ? 'Always' : 'Never',
        proposals: {
          ike: [side(settings.ike ?? ikeProposal, 'ours')],
          esp: [side(settings.esp ?? espProposal, 'ours')],
        },
        children: childrenOf(settings).map((child) => ({ name: child.name, ...child.ours })),
        ...settings.ourPeer,
      },
    ],
  });
}

/** The other side's swanctl.conf. */
export function theirConfiguration(settings: LinkSettings): Section {
  const { ours, theirs } = addresses[settings.family ?? 4].wire;
  const esp = side(settings.esp ?? espProposal, 'theirs');
  const children = childrenOf(settings).map(
    ({ name, theirs: child }) => [name, { esp_proposals: esp, ...child }] as const,
  );
  return {
    connections: {
      [connectionName]: {
        version: 2,
        local_addrs: theirs,
        remote_addrs: ours,
        proposals: side(settings.ike ?? ikeProposal, 'theirs'),
        local: { auth: 'psk', id: identities.theirs },
        remote: { auth: 'psk', id: identities.ours },
        children: Object.fromEntries(children),
        ...settings.theirConnection,
      },
      ...(settings.theirShunts === undefined ? {} : { shunts: { children: settings.theirShunts } }),
    },
    secrets: {
      'ike-ours': {
        'id-1': identities.theirs,
        'id-2': identities.ours,
        secret: side(settings.secret ?? secret, 'theirs'),
      },
    },
  };
}

/** The text of our pre-shared key's file. */
export function ourSecret(settings: LinkSettings): string {
  return side(settings.secret ?? secret, 'ours');
}

/** Names of all Child SAs. */
export function childNames(settings: LinkSettings): readonly string[] {
  return childrenOf(settings).map((child) => child.name);
}

/** The connection's name in swanctl.conf. */
export const connectionName = 'ours';

function childrenOf(settings: LinkSettings): readonly ChildSettings[] {
  return settings.children ?? [transportChild];
}

function side(value: string | Sides<string>, which: keyof Sides<string>): string {
  return typeof value === 'string' ? value : value[which];
}

const ikeProposal = 'aes256gcm16-prfsha384-x25519';
const espProposal = 'aes256gcm16-esn';
const secret = 'the secret of the laboratory, long enough';
