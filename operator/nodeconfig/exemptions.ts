import type { NodePeering, StagedExemption } from '../api/ipsec-node-config.ts';
import type { IpsecPeering } from '../api/ipsec-peering.ts';
import { MAX_STAGED_EXEMPTIONS } from '../api/limits.ts';
import { acceptsPlaintext, isCurrent, type Told } from './enforcement.ts';

export type Exemption = NonNullable<IpsecPeering['spec']['traffic']['exempt']>[number];

/** How far an exemption has come: not at all, accepted, or sent as well. */
const STAGES = [undefined, 'Accept', 'Send'] as const;
const ACCEPTED = STAGES.indexOf('Accept');
const SENT = STAGES.indexOf('Send');

/**
 * What nodes are to exempt next of a peering that in the end exempts `wanted`. What is new is accepted in plaintext by all
 * before any of them sends it, and what ends is sent by none before any of them refuses it; from accepting on, either way,
 * a step waits until every node does no more and no less than that. Where all accept plaintext anyway, and go on to, and
 * where the other end is not ours there is nothing to wait for.
 */
export function nextExemptions(
  wanted: readonly Exemption[],
  told: readonly Told[],
  next: NodePeering['enforcement'],
): readonly StagedExemption[] {
  const distinct = new Map(wanted.map((exemption) => [textOf(exemption), exemption]));
  const isGateway = told.some(({ entry }) => entry.remote.mesh === undefined);
  const isFree = told.length === 0 || isGateway || (next.inbound === 'Optional' && told.every(acceptsPlaintext));
  if (isFree) return [...distinct.values()].map((exemption) => ({ ...exemption, stage: 'Send' }));
  const leaving = new Map(
    told
      .flatMap(({ entry }) => entry.traffic.exempt ?? [])
      .map((exemption) => [textOf(exemption), exemption] as const)
      .filter(([text]) => !distinct.has(text)),
  );
  const going = [...leaving.values()].flatMap((exemption) => atStage(exemption, nextStage(exemption, 0, told)));
  const coming = [...distinct.values()].flatMap((exemption) => atStage(exemption, nextStage(exemption, SENT, told)));
  // Who ends has to end in order, who begins can wait.
  return [...coming.slice(0, MAX_STAGED_EXEMPTIONS - going.length), ...going];
}

/** Whether every node that was told exempts what is wanted, and nothing else. */
export function areSettled(wanted: readonly Exemption[], told: readonly Told[]): boolean {
  return told.every(({ node, entry }) => {
    const said = node.status?.peerings?.find(({ name }) => name === entry.name)?.exempt;
    return isCurrent(node) && isInForce(wanted, entry.traffic.exempt) && isInForce(wanted, said);
  });
}

/** Whether what a node exempts is what is wanted in the end. */
export function isInForce(wanted: readonly Exemption[], staged: readonly StagedExemption[] = []): boolean {
  const texts = new Set(wanted.map(textOf));
  return staged.length === texts.size && staged.every((each) => each.stage === 'Send' && texts.has(textOf(each)));
}

function nextStage(exemption: Exemption, goal: number, told: readonly Told[]): number {
  const stages = told.map(({ entry }) => stageOf(exemption, entry.traffic.exempt));
  // Where writing ended half-way, some nodes are a step ahead.
  const present = goal === 0 ? Math.min(...stages) : Math.max(...stages);
  if (present === goal) return present;
  // To accept and not to send loses nothing, whatever the others do: an agent that is away must not keep plaintext going.
  if (present === ACCEPTED && !told.every((each) => hasDone(exemption, present, each))) return present;
  return present + Math.sign(goal - present);
}

function hasDone(exemption: Exemption, stage: number, { node, entry }: Told): boolean {
  const said = node.status?.peerings?.find(({ name }) => name === entry.name);
  return (
    isCurrent(node) && stageOf(exemption, entry.traffic.exempt) === stage && stageOf(exemption, said?.exempt) === stage
  );
}

function stageOf(exemption: Exemption, staged: readonly StagedExemption[] = []): number {
  const found = staged.find((each) => textOf(each) === textOf(exemption));
  return STAGES.indexOf(found?.stage);
}

function atStage(exemption: Exemption, stage: number): readonly StagedExemption[] {
  const named = STAGES[stage];
  return named === undefined ? [] : [{ ...exemption, stage: named }];
}

/** The same text for the same packets, whatever stage they have. */
export function textOf({ protocol, ports, cidr, direction }: Exemption): string {
  return JSON.stringify([protocol, ports?.map(({ from, to }) => [from, to ?? from]), cidr, direction]);
}
