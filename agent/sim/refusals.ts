import {
  type CompiledSelector,
  compileSelector,
  type Flow as PacketFlow,
  selectorMatches,
} from '../dataplane/memory/packet.ts';
import { policyKeyText, saIdText } from '../dataplane/texts.ts';
import type { DataplaneCommand, PolicyDirection, SaId } from '../dataplane/types.ts';

/** An order that a kernel has refused. */
interface Refusal {
  /** When it was refused last. */
  readonly atMs: number;
  /** When an order about the same object was obeyed; undefined while none has been. */
  readonly madeGoodAtMs: number | undefined;
  /** What the policy matches, where it is one. */
  readonly policy: { readonly direction: PolicyDirection; readonly selector: CompiledSelector } | undefined;
}

/** What a kernel was ordered, refused, and has not been brought to since, by object. Times are the clock's. */
export class Refusals {
  readonly #refusals = new Map<string, Refusal>();

  /** Notes that an order was refused. */
  note(command: DataplaneCommand, atMs: number): void {
    const object = objectOf(command);
    if (object !== undefined) this.#refusals.set(object, { atMs, madeGoodAtMs: undefined, policy: policyOf(command) });
  }

  /** Notes that an order was obeyed. */
  makeGood(command: DataplaneCommand, atMs: number): void {
    if (this.#refusals.size === 0) return;
    const object = objectOf(command);
    const refusal = object === undefined ? undefined : this.#refusals.get(object);
    if (object === undefined || refusal === undefined || refusal.madeGoodAtMs !== undefined) return;
    this.#refusals.set(object, { ...refusal, madeGoodAtMs: atMs });
  }

  /** A kernel that boots has no past. */
  clear(): void {
    this.#refusals.clear();
  }

  /**
   * The last refusal to change a policy that packets of a flow meet; undefined where there was none, or where it had been
   * made good before `sinceMs`.
   */
  ofPolicy(direction: PolicyDirection, flow: PacketFlow, sinceMs: number): Refusal | undefined {
    let last: Refusal | undefined;
    for (const refusal of this.#refusals.values()) {
      const { policy, atMs, madeGoodAtMs } = refusal;
      if (policy === undefined || policy.direction !== direction || (last !== undefined && last.atMs > atMs)) continue;
      if (madeGoodAtMs !== undefined && madeGoodAtMs < sinceMs) continue;
      if (selectorMatches(policy.selector, flow)) last = refusal;
    }
    return last;
  }

  /** Whether the kernel has refused to add, or to delete, an SA, and has not been brought to it up to `sinceMs`. */
  concernsSa(kind: 'addSa' | 'deleteSa', id: SaId, sinceMs: number): boolean {
    const refusal = this.#refusals.get(`${kind} ${saIdText(id)}`);
    return refusal !== undefined && (refusal.madeGoodAtMs === undefined || refusal.madeGoodAtMs >= sinceMs);
  }
}

/** Questions change nothing. */
function objectOf(command: DataplaneCommand): string | undefined {
  switch (command.kind) {
    case 'addSa':
      return `addSa ${saIdText(command.sa.id)}`;
    case 'deleteSa':
    case 'updateEncapsulation':
      return `${command.kind} ${saIdText(command.id)}`;
    case 'putPolicy':
      return policyKeyText(command.policy);
    case 'deletePolicy':
      return policyKeyText(command.key);
    case 'queryCounters':
    case 'awaitSa':
    case 'forgetSa':
      return undefined;
  }
}

function policyOf(command: DataplaneCommand): Refusal['policy'] {
  if (command.kind !== 'putPolicy' && command.kind !== 'deletePolicy') return undefined;
  const { direction, selector } = command.kind === 'putPolicy' ? command.policy : command.key;
  return { direction, selector: compileSelector(selector) };
}
