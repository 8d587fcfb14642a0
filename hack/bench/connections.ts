import { SecretBytes } from '../../agent/crypto/secret.ts';
import { byPreSharedKey } from '../../agent/ike/negotiation/authentication.ts';
import { parseProposal } from '../../agent/ike/negotiation/proposal-syntax.ts';
import type { ConnectionConfig, Identity } from '../../agent/ike/types.ts';
import { ipAddressFromBytes } from '../../agent/wire/ip-address.ts';
import { IdType } from '../../agent/wire/registry.ts';

/** What all measured IKE SAs negotiate, in strongSwan's syntax; the first choice of the agent's own default. */
export const IKE_PROPOSAL = 'aes256gcm16-prfsha384-x25519';
export const ESP_PROPOSAL = 'aes256gcm16-esn-noesn';

/** What the left end calls its connection of pair `number`. */
export function leftConnectionName(number: number): string {
  return nodeName('right', number);
}

/** The two matching connections of pair `number`, 0 up: every pair has its own addresses, names and secret. */
export function connectionPair(number: number): { readonly left: ConnectionConfig; readonly right: ConnectionConfig } {
  const [left, right] = [endOf('left', 10, number), endOf('right', 11, number)];
  return { left: connectionBetween(left, right, number), right: connectionBetween(right, left, number) };
}

/** Who and where one side is. */
export interface End {
  readonly name: string;
  readonly address: ReturnType<typeof ipAddressFromBytes>;
  readonly identity: Identity;
}

function endOf(side: 'left' | 'right', network: number, number: number): End {
  const name = nodeName(side, number);
  return {
    name,
    address: ipAddressFromBytes(new Uint8Array([network, (number >> 16) & 0xff, (number >> 8) & 0xff, number & 0xff])),
    identity: { idType: IdType.ID_FQDN, data: new TextEncoder().encode(name) },
  };
}

function nodeName(side: 'left' | 'right', number: number): string {
  return `${side}-${number}.mesh.example`;
}

/** Neither side begins by itself: the bench says when. `number` tells pairs apart. */
export function connectionBetween(local: End, remote: End, number: number): ConnectionConfig {
  return {
    name: remote.name,
    localAddress: local.address,
    remoteAddress: remote.address,
    remotePort: 500,
    localIdentity: local.identity,
    remoteIdentity: remote.identity,
    ...byPreSharedKey(new SecretBytes(new TextEncoder().encode(`a shared secret of pair ${number}`))),
    proposals: [ikeProposal],
    children: [
      {
        name: 'hosts',
        mode: 'transport',
        local: [ANY_TRAFFIC],
        remote: [ANY_TRAFFIC],
        proposals: [espProposal],
        reqid: FIRST_REQID + number,
        enforcement: 'Required',
        replayWindow: 1024,
        lifetime: LIFETIME,
      },
    ],
    initiation: 'respond',
    natTraversal: 'Auto',
    liveness: LIVENESS,
    ikeLifetimeMs: 4 * 3_600_000,
  };
}

/** A proposal in strongSwan's syntax. */
export function proposalOf(protocol: 'ike' | 'esp', text: string) {
  const proposal = parseProposal(protocol, text);
  if (!proposal.ok) throw new Error(`${text} ${proposal.error}`);
  return proposal.value;
}

const ikeProposal = proposalOf('ike', IKE_PROPOSAL);
const espProposal = proposalOf('esp', ESP_PROPOSAL);
const ANY_TRAFFIC = { protocol: 0, fromPort: 0, toPort: 65535 };
const LIFETIME = { softSeconds: 3600, hardSeconds: 7200 };
const LIVENESS = { intervalMs: 30_000, timeoutMs: 120_000 };
/** In the range of reqids that are ours. */
const FIRST_REQID = 0x6000_0001;
