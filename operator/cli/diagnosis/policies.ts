import type { IpsecPeering } from '../../api/ipsec-peering.ts';
import type { Facts } from './facts.ts';
import { type Finding, finding, remedyIn } from './finding.ts';
import { currentCondition } from './judgement.ts';
import { memberOf } from './members.ts';
import { peerName } from './negotiation.ts';
import type { End, Pair } from './view.ts';

/** Whether the kernel's policies are as they should be. */
export function policyFault(facts: Facts, pair: Pair): Finding | undefined {
  const ends = [pair.own, ...(pair.peer.kind === 'node' ? [pair.peer.end] : [])];
  for (const end of ends) {
    const fault =
      foreignFault(end, pair) ??
      missingFault(end, pair) ??
      toldFault(end) ??
      enforcementFault(facts, end) ??
      shortfallFault(facts, end, pair.peerings);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/**
 * Whether a node has put into force what it was told, whoever the peer is. What a pair is not hindered by is told of the node
 * alone: for the pair it would stand in front of what is really wrong with it.
 */
export function nodePolicyFault(facts: Facts, end: End): Finding | undefined {
  return (
    toldFault(end) ??
    enforcementFault(facts, end) ??
    shortfallFault(facts, end, end.peerings) ??
    clampFault(end) ??
    programmedFault(end)
  );
}

/**
 * What keeps the enforcement of a peering back, or makes it dangerous, on all of its nodes alike, as the operator says it: no
 * pair is hindered by it.
 */
export function heldEnforcementFault(peerings: readonly IpsecPeering[]): Finding | undefined {
  for (const peering of peerings) {
    const programmed = currentCondition(peering, 'Programmed');
    if (programmed?.status !== 'False' || !OF_ENFORCEMENT.has(programmed.reason)) continue;
    const { reason, message } = programmed;
    return finding(
      reason,
      `IPsecPeering ${peering.metadata.name}: ${message}`,
      remedyIn(message, 'name networks that hold the servers in spec.traffic.essential.servers'),
    );
  }
  return undefined;
}

function foreignFault(end: End, pair: Pair): Finding | undefined {
  const connections = end === pair.own ? pair.connections : pair.mirror;
  const told = connections
    ?.flatMap(({ lastFailure }) => lastFailure?.text ?? [])
    .find((text) => /another program/.test(text));
  const said =
    told ??
    end.config?.status?.troubledPeers?.find(({ message }) => /belongs to another program/.test(message))?.message;
  if (said === undefined) return undefined;
  return finding(
    'ForeignPolicy',
    `another program on ${end.name} has an IPsec policy or SA where ours must be, towards ${peerName(pair)}: ${said}`,
    "stop the other IPsec program (strongSwan, libreswan, the CNI's own encryption) or change the selectors: ip xfrm policy shows it",
  );
}

function missingFault(end: End, pair: Pair): Finding | undefined {
  const connections = end === pair.own ? pair.connections : pair.mirror;
  const lacking = connections?.find(({ reason }) => reason === 'PolicyMissing');
  if (lacking === undefined) return undefined;
  return finding(
    'PolicyMissing',
    `the kernel of ${end.name} lacks a policy towards ${lacking.name}: ${lacking.message}`,
    '"ip xfrm policy flush" or another IPsec program does that: stop it; what was removed its agent puts back within seconds, and what was changed when its pod is made anew',
  );
}

/** What an agent itself says that its kernel lacks. */
function toldFault({ name, config }: End): Finding | undefined {
  for (const { fault } of config?.status?.peerings ?? []) {
    const what = fault === undefined ? undefined : TOLD_OF_POLICIES.get(fault.reason);
    if (fault === undefined || what === undefined) continue;
    return finding(
      fault.reason,
      `${what} on ${name}: ${fault.message}`,
      remedyIn(fault.message, 'see the log of its agent'),
    );
  }
  return undefined;
}

function enforcementFault({ atMs }: Facts, { name, config }: End): Finding | undefined {
  for (const entry of config?.spec.peerings ?? []) {
    const said = config?.status?.peerings?.find((each) => each.name === entry.name)?.enforcement;
    if (said === undefined) continue;
    const { inbound, outbound } = entry.enforcement;
    if (said.inbound === inbound && said.outbound === outbound) continue;
    const since = config?.status?.conditions?.find(({ type }) => type === 'Programmed')?.lastTransitionTime;
    if (since !== undefined && atMs - Date.parse(since) < STEP_MS) continue;
    return finding(
      'EnforcementBehind',
      `${name} has ${said.outbound} out and ${said.inbound} in for IPsecPeering ${entry.name}, and was told ${outbound} and ${inbound}`,
      'see the log of its agent: the kernel has not taken the policies',
    );
  }
  return undefined;
}

/** A network that another node had first has no policies here. */
function shortfallFault(facts: Facts, { name }: End, peerings: End['peerings']): Finding | undefined {
  for (const peering of peerings) {
    const shortfall = memberOf(facts, peering, name)?.shortfall;
    if (shortfall === undefined) continue;
    const { reason, text } = shortfall;
    return finding(
      reason,
      `not all traffic of ${name} is encrypted by ${peering.metadata.name}: it ${text}`,
      remedyIn(text, 'correct the Node'),
    );
  }
  return undefined;
}

function clampFault({ name, config }: End): Finding | undefined {
  const failing = config?.status?.peerings?.find(({ mssClampFailure }) => mssClampFailure !== undefined);
  if (failing === undefined) return undefined;
  return finding(
    'SegmentsNotClamped',
    `large TCP segments may be lost: they are not clamped on ${name} for ${failing.name}: ${failing.mssClampFailure}`,
    'mend that, or set spec.mssClamp of the peering to Disabled',
  );
}

/** An agent may have reasons that nothing here knows, and they keep the peering from being Ready. */
function programmedFault({ name, config }: End): Finding | undefined {
  const programmed = config?.status?.conditions?.find(({ type }) => type === 'Programmed');
  if (programmed?.status !== 'False') return undefined;
  const { reason, message } = programmed;
  const text = `the agent of ${name} has not carried out everything: ${message}`;
  return finding(reason, text, remedyIn(message, 'see its log'));
}

/** What is wrong, by the reason of the fault. */
const TOLD_OF_POLICIES: ReadonlyMap<string, string> = new Map([
  ['PoliciesMissing', 'policies are not as they were ordered'],
  ['ExemptionsMissing', 'policies that exempt traffic are missing'],
]);
const OF_ENFORCEMENT: ReadonlySet<string> = new Set(['EnforcementHeld', 'ServersNotExempt']);
/** A step of the rollout takes seconds. */
const STEP_MS = 60_000;
