import { stringify } from 'yaml';

import type { IpsecOptions } from '../libreswan/ipsec-conf.ts';
import type { PlutoCredentials } from '../libreswan/nss-database.ts';
import type { IkedConfiguration } from '../openiked/iked-conf.ts';
import type { Section } from '../strongswan/settings.ts';

/** Whose IKE daemon is at the other end; also the name of the root folder that has it. */
export type PeerKind = 'strongswan' | 'libreswan' | 'openiked';

/** Which side begins, seen from our agent. */
export type Role = 'initiator' | 'responder';

/**
 * How a link differs from the plain one: IPv4, one Child SA in transport mode, AES-256-GCM and X25519. What all
 * daemons can be asked for is said once; `strongswan`, `libreswan` and `openiked` are for the rest.
 */
export interface LinkSettings {
  /** Family of the addresses that IKE uses. Default 4. */
  readonly family?: Family;
  /** Family of the payload. Default that of IKE. */
  readonly payloadFamily?: Family;
  /** Puts a network with a host in it behind each end, of both families. */
  readonly networks?: boolean;
  /** IKE proposals, in strongSwan's syntax; one text is that of both sides. */
  readonly ike?: string | Sides<string>;
  readonly esp?: string | Sides<string>;
  /** Pre-shared keys. */
  readonly secret?: Sides<string>;
  readonly children?: readonly ChildSettings[];
  readonly ours?: OurSettings;
  readonly strongswan?: StrongswanSettings;
  readonly libreswan?: LibreswanSettings;
  readonly openiked?: OpenikedSettings;
}

/** What is OpenIKED's alone; with files it shows a certificate. */
export type OpenikedSettings = Pick<IkedConfiguration, 'childLifetimeSeconds' | 'livenessSeconds' | 'files'>;

/** What is our agent's alone. */
export interface OurSettings {
  /** More fields of the node in our configuration file. */
  readonly node?: Readonly<Record<string, unknown>>;
  /** More fields of the peer. */
  readonly peer?: Readonly<Record<string, unknown>>;
  /** Files beside the configuration file, by name. */
  readonly files?: Readonly<Record<string, string>>;
}

/** What is strongSwan's alone. */
export interface StrongswanSettings {
  /** More settings of the connection in swanctl.conf. */
  readonly connection?: Section;
  /** Policies for what passes beside the connection, as children with `mode: pass`. */
  readonly shunts?: Section;
  /** More settings of strongswan.conf's section charon. */
  readonly charon?: Section;
  /** Files below the swanctl folder, such as `x509ca/ca.pem`. */
  readonly files?: Readonly<Record<string, string>>;
}

/** What is libreswan's alone. */
export interface LibreswanSettings {
  /** More options of each connection in ipsec.conf. */
  readonly connection?: IpsecOptions;
  /** Options of `config setup`. */
  readonly setup?: IpsecOptions;
  /** Brings back what it has initiated and we have deleted. Default no. */
  readonly revives?: boolean;
  readonly credentials?: PlutoCredentials;
}

/** A Child SA as both sides are configured for it. */
export interface ChildSettings {
  readonly name: string;
  /** Default Transport. */
  readonly mode?: 'Transport' | 'Tunnel';
  /** What is to be protected; one value is what both sides say. Default everything between the two addresses. */
  readonly traffic?: Traffic | Sides<Traffic>;
  /** More fields of the child in our configuration file. */
  readonly ours?: Readonly<Record<string, unknown>>;
  /** More settings of the child in swanctl.conf. */
  readonly strongswan?: Section;
  /** More options of its connection in ipsec.conf. */
  readonly libreswan?: IpsecOptions;
}

/** Packets that a Child SA is for. */
export interface Traffic {
  /** Between these networks. Default between the addresses that IKE uses. */
  readonly networks?: Sides<string>;
  readonly protocol?: 'UDP' | 'ICMP';
  /** The UDP port at both ends. */
  readonly port?: number;
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

/** Identities; ours is the lower one, so that by default our agent begins. */
export const identities: Sides<string> = { ours: 'agent.lab.test', theirs: 'peer.lab.test' };

/** A Child SA in tunnel mode between the networks of a family behind both ends. */
export function tunnelChild(family: Family): ChildSettings {
  return { name: 'data', mode: 'Tunnel', traffic: { networks: addresses[family].network } };
}

/** Our configuration file; the other end is called what it is. */
export function ourConfiguration(
  kind: PeerKind,
  settings: LinkSettings,
  initiates: boolean,
  secretFile: string,
): string {
  const { ours, theirs } = addresses[settings.family ?? 4].wire;
  return stringify({
    node: {
      name: 'ours',
      identity: { fqdn: identities.ours },
      addresses: [addresses[4].wire.ours, addresses[6].wire.ours],
      ...settings.ours?.node,
    },
    peers: [
      {
        name: kind,
        address: theirs,
        localAddress: ours,
        identity: { fqdn: identities.theirs },
        authentication: { preSharedKey: { file: secretFile } },
        initiation: initiates ? 'Always' : 'Never',
        proposals: { ike: [proposals(settings, 'ours').ike], esp: [proposals(settings, 'ours').esp] },
        children: childrenOf(settings).map(ourChild),
        ...settings.ours?.peer,
      },
    ],
  });
}

function ourChild(child: ChildSettings): Readonly<Record<string, unknown>> {
  const { networks, protocol, port } = traffic(child, 'ours');
  const ports = port === undefined ? undefined : [{ from: port }];
  const selector = {
    ...(networks === undefined ? {} : { local: networks.ours, remote: networks.theirs }),
    ...(protocol === undefined ? {} : { protocol }),
    ...(ports === undefined ? {} : { ports, localPorts: ports }),
  };
  return {
    name: child.name,
    ...(child.mode === undefined ? {} : { mode: child.mode }),
    ...(Object.keys(selector).length === 0 ? {} : { selectors: [selector] }),
    ...child.ours,
  };
}

/** One side's pre-shared key. */
export function secretOf(settings: LinkSettings, which: keyof Sides<string>): string {
  return side(settings.secret ?? secret, which);
}

/** One side's proposals in strongSwan's syntax. */
export function proposals(
  settings: LinkSettings,
  which: keyof Sides<string>,
): { readonly ike: string; readonly esp: string } {
  return { ike: side(settings.ike ?? ikeProposal, which), esp: side(settings.esp ?? espProposal, which) };
}

/** All Child SAs. */
export function childrenOf(settings: LinkSettings): readonly ChildSettings[] {
  return settings.children ?? [{ name: 'data' }];
}

/** What one side wants a Child SA to protect. */
export function traffic(child: ChildSettings, which: keyof Sides<string>): Traffic {
  const { traffic: wanted = {} } = child;
  return 'ours' in wanted ? wanted[which] : wanted;
}

function side(value: string | Sides<string>, which: keyof Sides<string>): string {
  return typeof value === 'string' ? value : value[which];
}

const ikeProposal = 'aes256gcm16-prfsha384-x25519';
const espProposal = 'aes256gcm16-esn';
const secret = 'the secret of the laboratory, long enough';
