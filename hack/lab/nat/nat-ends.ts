import { stringify } from 'yaml';

import type { Section } from '../strongswan/settings.ts';
import { inner, places } from './nat-machines.ts';

/** Client or server: behind the NAT, or in front of it. */
export type NatSide = 'client' | 'server';

/** What speaks IKE at an end. */
export type EndKind = 'agent' | 'charon';

/** How a scenario differs from the plain one. */
export interface NatSettings {
  readonly client: EndKind;
  readonly server: EndKind;
  readonly mode: 'transport' | 'tunnel';
  /** More fields of the peer in an agent's configuration file. */
  readonly agentPeer?: Readonly<Record<string, unknown>>;
}

/** The agent's configuration file. A server does not know where its client is, and waits for it. */
export function agentConfiguration(side: NatSide, settings: NatSettings): string {
  const other = otherSide(side);
  const selectors = [{ local: inner[side].network, remote: inner[other].network }];
  return stringify({
    node: { name: side, identity: { fqdn: identity(side) }, addresses: [places[side]] },
    peers: [
      {
        name: other,
        address: side === 'client' ? places.server : 'any',
        identity: { fqdn: identity(other) },
        authentication: { preSharedKey: { file: secretFile } },
        proposals: { ike: [ikeProposal], esp: [espProposal] },
        // Quiet, so that only keepalives break the silence of a scenario that waits for them.
        liveness: { interval: '60s', timeout: '120s' },
        children: [{ name: childName, ...(settings.mode === 'tunnel' ? { mode: 'Tunnel', selectors } : {}) }],
        ...settings.agentPeer,
      },
    ],
  });
}

/** Charon's swanctl.conf. */
export function charonConfiguration(side: NatSide, { mode }: NatSettings): Section {
  const other = otherSide(side);
  const selectors = { local_ts: inner[side].network, remote_ts: inner[other].network };
  return {
    connections: {
      [connectionName]: {
        version: 2,
        local_addrs: places[side],
        remote_addrs: side === 'client' ? places.server : '%any',
        proposals: ikeProposal,
        local: { auth: 'psk', id: identity(side) },
        remote: { auth: 'psk', id: identity(other) },
        children: { [childName]: { mode, esp_proposals: espProposal, ...(mode === 'tunnel' ? selectors : {}) } },
      },
    },
    secrets: { 'ike-nat': { 'id-1': identity(side), 'id-2': identity(other), secret } },
  };
}

/** The end of the other side. */
export function otherSide(side: NatSide): NatSide {
  return side === 'client' ? 'server' : 'client';
}

function identity(side: NatSide): string {
  return `${side}.lab.test`;
}

export const childName = 'data';
const connectionName = 'nat';
export const secretFile = 'nat.psk';
export const secret = 'the secret of client and server, long enough';
const ikeProposal = 'aes256gcm16-prfsha384-x25519';
const espProposal = 'aes256gcm16-esn';
