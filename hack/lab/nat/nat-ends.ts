import { stringify } from 'yaml';

import type { IpsecConfiguration, IpsecOptions } from '../libreswan/ipsec-conf.ts';
import { libreswanEsn, libreswanProposal } from '../libreswan/proposal.ts';
import type { Section } from '../strongswan/settings.ts';
import { inner, type NatSide, ownAddress, places } from './nat-machines.ts';

/** What speaks IKE at an end. */
export type EndKind = 'agent' | 'charon' | 'pluto';

/** How a scenario differs from the plain one. */
export interface NatSettings {
  readonly client: EndKind;
  /** Another client behind the same NAT. */
  readonly second?: EndKind;
  readonly server: EndKind;
  /** The server is behind a NAT of its own, which passes the ports of IKE on to it. */
  readonly serverBehindNat?: boolean;
  readonly mode: 'transport' | 'tunnel';
  /** More fields of the peer in an agent's configuration file. */
  readonly agentPeer?: Readonly<Record<string, unknown>>;
}

/** All who speak IKE, the server last. */
export function sidesOf(settings: NatSettings): readonly NatSide[] {
  return settings.second === undefined ? ['client', 'server'] : ['client', 'second', 'server'];
}

/** Whom a side speaks with: a client with the server, the server with every client. */
export function othersOf(side: NatSide, settings: NatSettings): readonly NatSide[] {
  return side === 'server' ? sidesOf(settings).filter((each) => each !== 'server') : ['server'];
}

/** The agent's configuration file. A server does not know where its clients are, and waits for them. */
export function agentConfiguration(side: NatSide, settings: NatSettings): string {
  return stringify({
    node: { name: side, identity: { fqdn: identity(side) }, addresses: [ownAddress(side, settings)] },
    peers: othersOf(side, settings).map((other) => agentPeer(side, other, settings)),
  });
}

function agentPeer(side: NatSide, other: NatSide, settings: NatSettings): Readonly<Record<string, unknown>> {
  const selectors = [{ local: inner[side].network, remote: inner[other].network }];
  return {
    name: other,
    address: side === 'server' ? 'any' : places.server,
    identity: { fqdn: identity(other) },
    authentication: { preSharedKey: { file: secretFile } },
    proposals: { ike: [ikeProposal], esp: [espProposal] },
    // Quiet, so that only keepalives break the silence of a scenario that waits for them.
    liveness: { interval: '60s', timeout: '120s' },
    children: [{ name: childName, ...(settings.mode === 'tunnel' ? { mode: 'Tunnel', selectors } : {}) }],
    ...settings.agentPeer,
  };
}

/** Charon's swanctl.conf. */
export function charonConfiguration(side: NatSide, settings: NatSettings): Section {
  const others = othersOf(side, settings);
  return {
    connections: Object.fromEntries(others.map((other) => [`nat-${other}`, charonConnection(side, other, settings)])),
    secrets: Object.fromEntries(
      others.map((other) => [`ike-${other}`, { 'id-1': identity(side), 'id-2': identity(other), secret }]),
    ),
  };
}

function charonConnection(side: NatSide, other: NatSide, settings: NatSettings): Section {
  const { mode } = settings;
  const selectors = { local_ts: inner[side].network, remote_ts: inner[other].network };
  return {
    version: 2,
    local_addrs: ownAddress(side, settings),
    remote_addrs: side === 'server' ? '%any' : places.server,
    proposals: ikeProposal,
    local: { auth: 'psk', id: identity(side) },
    remote: { auth: 'psk', id: identity(other) },
    children: { [childName]: { mode, esp_proposals: espProposal, ...(mode === 'tunnel' ? selectors : {}) } },
  };
}

/** Pluto's ipsec.conf and ipsec.secrets, of a side with one other. */
export function plutoConfiguration(side: NatSide, settings: NatSettings): IpsecConfiguration {
  const [other = 'server'] = othersOf(side, settings);
  const selectors = { leftsubnet: inner[side].network, rightsubnet: inner[other].network };
  const connection: IpsecOptions = {
    left: ownAddress(side, settings),
    leftid: `@${identity(side)}`,
    right: side === 'server' ? '%any' : places.server,
    rightid: `@${identity(other)}`,
    ikev2: 'insist',
    leftauth: 'secret',
    rightauth: 'secret',
    ike: libreswanProposal(ikeProposal),
    esp: libreswanProposal(espProposal),
    esn: libreswanEsn(espProposal),
    pfs: 'no',
    type: settings.mode,
    auto: 'add',
    // Its script would set routes, which the machines have already.
    leftupdown: '%disabled',
    ...(settings.mode === 'tunnel' ? selectors : {}),
  };
  return {
    setup: { logtime: 'no' },
    connections: { [childName]: connection },
    secrets: [`@${identity(side)} @${identity(other)} : PSK "${secret}"`],
  };
}

function identity(side: NatSide): string {
  return `${side}.lab.test`;
}

export const childName = 'data';
export const secretFile = 'nat.psk';
export const secret = 'the secret of client and server, long enough';
const ikeProposal = 'aes256gcm16-prfsha384-x25519';
const espProposal = 'aes256gcm16-esn';
