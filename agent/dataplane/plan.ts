import { OWN_SEQUENCES, ownIndex, ownIndexSequence } from './ownership.ts';
import { policyKeyText, saIdText } from './texts.ts';
import type {
  DataplaneCommand,
  InstalledPolicy,
  InstalledSa,
  KernelSnapshot,
  PolicyDirection,
  PolicySpec,
  PolicyTemplate,
  SaId,
  SaSpec,
} from './types.ts';

/** What is to be installed; everything else of ours is to go. */
export interface DesiredState {
  /** At most one of each key. Priorities of policies that overlap must differ. */
  readonly policies: readonly PolicySpec[];
  /** SAs to add where they are not there. */
  readonly sas: readonly SaSpec[];
  /** SAs that stay if they are there, such as those of an earlier run that still carry traffic. */
  readonly keep: readonly SaId[];
}

/** A wish that cannot be met without touching what is not ours, or what cannot be changed. */
export type PlanConflict =
  /** Another program has a policy on that selector. It stays, and the desired one is not installed. */
  | { readonly kind: 'foreignPolicy'; readonly desired: PolicySpec; readonly present: InstalledPolicy }
  /** Two desired policies have one key; the first is installed. */
  | { readonly kind: 'duplicatePolicy'; readonly desired: PolicySpec; readonly first: PolicySpec }
  /** The SPI is taken by a foreign SA, or by one of ours with other properties: an SA is never changed. */
  | { readonly kind: 'takenSpi'; readonly desired: SaSpec; readonly present: InstalledSa };

export interface Plan {
  readonly commands: readonly DataplaneCommand[];
  readonly conflicts: readonly PlanConflict[];
}

/**
 * The commands that lead from `present` to `desired`, in an order in which a packet that is protected before and after
 * is protected after each of them (a policy protects if it blocks or requires an SA): SAs first, inbound before
 * outbound; then policies, those that protect before those that let pass; then what lets pass and is not wanted any
 * longer; then policies that give way to others, by a higher priority number; then what protects and is not wanted; at
 * last the SAs that nobody wants. What is already right gets no command, and what is not ours gets none ever.
 *
 * A policy that replaces another keeps that one's index; a new one whose index is taken gets a free one.
 */
export function planChanges(desired: DesiredState, present: KernelSnapshot): Plan {
  const conflicts: PlanConflict[] = [];
  const policies = planPolicies(desired.policies, present.policies, conflicts);
  const sas = planSas(desired, present.sas, conflicts);
  return { commands: [...sas.add, ...policies, ...sas.remove], conflicts };
}

/** A policy to put, and the one of ours that it replaces. */
interface Change {
  readonly policy: PolicySpec;
  readonly replaced: InstalledPolicy | undefined;
}

function planPolicies(
  desired: readonly PolicySpec[],
  present: readonly InstalledPolicy[],
  conflicts: PlanConflict[],
): readonly DataplaneCommand[] {
  const presentByKey = new Map(present.map((policy) => [policyKeyText(policy), policy]));
  const wanted = new Map<string, PolicySpec>();
  const indexes = new FreeIndexes(present);
  const changes: Change[] = [];
  for (const policy of desired) {
    const key = policyKeyText(policy);
    const first = wanted.get(key);
    const replaced = presentByKey.get(key);
    if (first !== undefined) {
      conflicts.push({ kind: 'duplicatePolicy', desired: policy, first });
      continue;
    }
    wanted.set(key, policy);
    if (replaced !== undefined && !replaced.ours) {
      conflicts.push({ kind: 'foreignPolicy', desired: policy, present: replaced });
    } else if (replaced === undefined || !isSameDemand(policy, replaced)) {
      const index = replaced?.index ?? indexes.take(policy.index, policy.direction);
      changes.push({ policy: { ...policy, index }, replaced });
    }
  }
  const stale = present.filter((policy) => policy.ours && !wanted.has(policyKeyText(policy)));
  return inOrder(changes, stale);
}

/** The order that `planChanges` promises. */
function inOrder(changes: readonly Change[], stale: readonly InstalledPolicy[]): readonly DataplaneCommand[] {
  const stays = changes.filter((change) => !givesWay(change));
  const givingWay = changes.filter(givesWay);
  return [
    ...stays.filter(({ policy }) => protects(policy)).map(put),
    ...stays.filter(({ policy }) => !protects(policy)).map(put),
    ...stale.filter((policy) => !protects(policy)).map(remove),
    ...givingWay.filter(({ replaced }) => replaced !== undefined && !protects(replaced)).map(put),
    ...givingWay.filter(({ replaced }) => replaced !== undefined && protects(replaced)).map(put),
    ...stale.filter(protects).map(remove),
  ];
}

function planSas(
  desired: DesiredState,
  present: readonly InstalledSa[],
  conflicts: PlanConflict[],
): { readonly add: readonly DataplaneCommand[]; readonly remove: readonly DataplaneCommand[] } {
  const presentById = new Map(present.map((sa) => [saIdText(sa.id), sa]));
  const kept = new Set([...desired.keep, ...desired.sas.map((sa) => sa.id)].map(saIdText));
  const missing: SaSpec[] = [];
  for (const sa of desired.sas) {
    const installed = presentById.get(saIdText(sa.id));
    if (installed === undefined) missing.push(sa);
    else if (!isSameSa(sa, installed)) conflicts.push({ kind: 'takenSpi', desired: sa, present: installed });
  }
  const inboundFirst = [
    ...missing.filter((sa) => sa.direction === 'in'),
    ...missing.filter((sa) => sa.direction === 'out'),
  ];
  return {
    add: inboundFirst.map((sa) => ({ kind: 'addSa', sa })),
    remove: present.filter((sa) => sa.ours && !kept.has(saIdText(sa.id))).map(({ id }) => ({ kind: 'deleteSa', id })),
  };
}

/** Hands out indexes that no policy in the kernel has and that were not handed out before. */
class FreeIndexes {
  readonly #taken: Set<number>;
  #nextSequence: number;

  constructor(present: readonly InstalledPolicy[]) {
    this.#taken = new Set(present.map((policy) => policy.index));
    const sequences = present.map((policy) => ownIndexSequence(policy.index) ?? -1);
    this.#nextSequence = sequences.reduce((highest, sequence) => Math.max(highest, sequence), -1) + 1;
  }

  take(wished: number, direction: PolicyDirection): number {
    let index = wished;
    for (let tries = 0; this.#taken.has(index) && tries < OWN_SEQUENCES; tries++) {
      index = ownIndex(this.#nextSequence, direction);
      this.#nextSequence += 1;
    }
    this.#taken.add(index);
    return index;
  }
}

function put({ policy }: Change): DataplaneCommand {
  return { kind: 'putPolicy', policy };
}

function remove({ direction, selector, mark, ifId, index }: InstalledPolicy): DataplaneCommand {
  const key = {
    direction,
    selector,
    ...(mark === undefined ? {} : { mark }),
    ...(ifId === undefined ? {} : { ifId }),
  };
  return { kind: 'deletePolicy', key, index };
}

function givesWay({ policy, replaced }: Change): boolean {
  return replaced !== undefined && policy.priority > replaced.priority;
}

function protects(policy: Pick<PolicySpec, 'action' | 'template'>): boolean {
  return policy.action === 'block' || policy.template?.level === 'required';
}

/** Whether a policy does what is demanded; both have one key. */
export function isSameDemand(desired: PolicySpec, present: InstalledPolicy): boolean {
  return (
    desired.priority === present.priority &&
    desired.action === present.action &&
    sameTemplate(desired.template, present.template)
  );
}

function sameTemplate(a: PolicyTemplate | undefined, b: PolicyTemplate | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.mode === b.mode &&
    a.source === b.source &&
    a.destination === b.destination &&
    a.reqid === b.reqid &&
    a.spi === b.spi &&
    a.level === b.level
  );
}

function isSameSa(desired: SaSpec, present: InstalledSa): boolean {
  return (
    present.ours &&
    present.source === desired.source &&
    present.mode === desired.mode &&
    present.reqid === desired.reqid &&
    present.esn === desired.esn
  );
}
