import type { Enforcement, NodePeering, NodePeeringStatus } from '../api/ipsec-node-config.ts';
import type { KnownNode } from './roster.ts';

/**
 * The steps from plaintext to enforcement. Out before in: while somebody still sends in plaintext, nobody may refuse it.
 * A step is taken when every node has carried out the one before, and back in reverse. Back, nobody waits for an agent that
 * is away or cannot do what it is told: its node goes on as before, and all others are what plaintext is wanted for.
 */
const STEPS: readonly Enforcement[] = [
  { outbound: 'Optional', inbound: 'Optional' },
  { outbound: 'Required', inbound: 'Optional' },
  { outbound: 'Required', inbound: 'Required' },
];

/** A node that has been told of a peering. */
export interface Told {
  readonly node: KnownNode;
  readonly entry: NodePeering;
}

/** What a step follows from. */
export interface EnforcementFacts {
  /** Nodes that a step waits for. */
  readonly told: readonly Told[];
  /** What stands in the configurations of all nodes, also of those that joined just now. */
  readonly written: readonly Enforcement[];
  /** Whether what every node was told is known. */
  readonly allKnown: boolean;
  /** What stood in all of them when they were last seen, where none says anything. */
  readonly before: Enforcement | undefined;
  /** Whether the nodes have had all that is wanted in force, whatever became of their configurations. */
  readonly wasInForce: boolean;
  /** Whether all that is to be exempt is, in force: more is enforced only then. */
  readonly exemptions: boolean;
}

/** What nodes are to enforce next of a peering that in the end is `wanted`. */
export function nextEnforcement(
  wanted: 'Permissive' | 'Required',
  { told, written, before, allKnown, wasInForce, exemptions }: EnforcementFacts,
): Enforcement {
  const goal = wanted === 'Required' ? STEPS.length - 1 : 0;
  // Somebody else may have written what is no step.
  const steps = written.map(stepOf).filter((step) => step !== NO_STEP);
  // Configurations that somebody deleted change nothing of what the agents have in force.
  if (steps.length === 0) return before ?? stepAt(wasInForce ? goal : 0);
  // Where writing ended half-way, some nodes are a step ahead.
  const present = Math.max(...steps) <= goal ? Math.max(...steps) : Math.min(...steps);
  // Nobody is there to vouch for a step, neither forth nor back.
  if (told.length === 0) return stepAt(present);
  const awaited = present > goal ? told.filter(isAtWork) : told;
  if (present === goal || !awaited.every((each) => hasDone(each, present))) return stepAt(present);
  if (present < goal && !(allKnown && exemptions)) return stepAt(present);
  // Plaintext ends only where everybody reaches all the others.
  if (present < goal && present === 0 && !told.every((each) => reachesAll(each, told.length))) return stepAt(present);
  return stepAt(present + Math.sign(goal - present));
}

/** The least that is enforced among all; undefined where nothing is a step. */
export function leastEnforcement(written: readonly Enforcement[]): Enforcement | undefined {
  const steps = written.map(stepOf).filter((step) => step !== NO_STEP);
  return steps.length === 0 ? undefined : stepAt(Math.min(...steps));
}

/** Whether nothing remains to be done until `wanted` is in force. */
export function isFinal(wanted: 'Permissive' | 'Required', { outbound, inbound }: Enforcement): boolean {
  return [outbound, inbound].every((each) => each === (wanted === 'Required' ? 'Required' : 'Optional'));
}

/** Whether a node does what it was told, and receives plaintext by it. */
export function acceptsPlaintext({ node, entry }: Told): boolean {
  return entry.enforcement.inbound === 'Optional' && hasDone({ node, entry }, stepOf(entry.enforcement));
}

/** Whether the agent of a node is there, and nothing keeps it from doing what it is told of a peering. */
function isAtWork({ node, entry }: Told): boolean {
  const { status } = node;
  if (status === undefined || reportOf({ node, entry })?.fault !== undefined) return false;
  return status.conditions?.find(({ type }) => type === 'Programmed')?.status !== 'False';
}

/** Whether a node says that it does what it was told at this step. */
function hasDone({ node, entry }: Told, step: number): boolean {
  if (stepOf(entry.enforcement) !== step || !isCurrent(node)) return false;
  const said = reportOf({ node, entry })?.enforcement;
  return said !== undefined && stepOf(said) === step;
}

/**
 * Whether a node encrypts with all that it knows, and knows all that were told: an agent that knows nobody reaches all. A
 * peer with which there was no traffic yet, where SAs are made for that, is reached by the first packet.
 */
export function reachesAll({ node, entry }: Told, told: number): boolean {
  const tunnels = reportOf({ node, entry })?.tunnels;
  if (tunnels === undefined) return false;
  const { pending, expected, encrypting, idle = 0 } = tunnels;
  const least = entry.remote.mesh === undefined ? 1 : told - 1;
  return pending === 0 && encrypting >= expected && encrypting + idle >= least;
}

function reportOf({ node, entry }: Told): NodePeeringStatus | undefined {
  return node.status?.peerings?.find(({ name }) => name === entry.name);
}

/** Whether the agent carries out the newest spec that was written for its node. */
export function isCurrent({ config, status }: KnownNode): boolean {
  return status?.observedGeneration !== undefined && status.observedGeneration === config?.metadata.generation;
}

/** `NO_STEP` for what is none. */
function stepOf({ outbound, inbound }: Enforcement): number {
  return STEPS.findIndex((step) => step.outbound === outbound && step.inbound === inbound);
}

function stepAt(index: number): Enforcement {
  const step = STEPS[index];
  if (step === undefined) throw new Error(`enforcement has no step ${index}`);
  return step;
}

const NO_STEP = -1;
