import type { Enforcement } from '../api/ipsec-node-config.ts';
import type { IpsecPeering } from '../api/ipsec-peering.ts';
import { certificatesReady } from '../policies/certificates-ready.ts';
import { encrypting, tunnelTotals } from '../policies/encrypting.ts';
import { programmed } from '../policies/programmed.ts';
import { ready } from '../policies/ready.ts';
import type { NodeStanding, PeeringStanding } from '../policies/standing.ts';
import { unreadable } from '../policies/unreadable.ts';
import type { Verdict } from '../policies/verdict.ts';
import { conditionsOf } from './conditions.ts';
import type { Moment, UnreadablePeering } from './observed.ts';

/** The status of a peering as the operator writes it. */
export type WantedStatus = NonNullable<IpsecPeering['status']>;

/** What all that is known of a peering comes to. */
export function peeringStatus(
  { status, metadata }: IpsecPeering,
  standing: PeeringStanding,
  acceptance: Verdict,
  told: Enforcement | undefined,
  at: Moment,
): WantedStatus {
  const parts = {
    Accepted: acceptance,
    CertificatesReady: certificatesReady(standing),
    Programmed: programmed(standing, acceptance),
    Encrypting: encrypting(standing),
  };
  const verdicts = { Ready: ready(Object.values(parts)), ...parts };
  return {
    ...(metadata.generation === undefined ? {} : { observedGeneration: metadata.generation }),
    conditions: conditionsOf(status?.conditions ?? [], verdicts, metadata.generation, at.timestamp),
    ...(told === undefined ? {} : { enforcement: told }),
    nodes: { selected: standing.nodes.length, ready: standing.nodes.filter(isReady).length },
    tunnels: tunnelTotals(standing),
  };
}

/** What is said of a peering that cannot be read: no count, for nobody knows which nodes it selects. */
export function unreadableStatus({ status, metadata, faults }: UnreadablePeering, at: Moment): WantedStatus {
  const parts = unreadable(faults);
  return {
    ...(metadata.generation === undefined ? {} : { observedGeneration: metadata.generation }),
    conditions: conditionsOf(
      status?.conditions ?? [],
      { Ready: ready(Object.values(parts)), ...parts },
      metadata.generation,
      at.timestamp,
    ),
    ...(status?.enforcement === undefined ? {} : { enforcement: status.enforcement }),
  };
}

function isReady({ obstacle, certificate, agent }: NodeStanding): boolean {
  const proven = certificate.kind === 'issued' || certificate.kind === 'notNeeded';
  return obstacle === undefined && proven && agent.kind === 'reporting' && agent.enforced;
}
