import { liesWithin } from '../dataplane/selector-match.ts';
import { describeKey, policyKeyText } from '../dataplane/texts.ts';
import type { InstalledPolicy, KernelSnapshot, PolicySpec, Selector } from '../dataplane/types.ts';
import { reversed } from '../ike/negotiation/selector.ts';
import type { Dataplane } from '../ports.ts';
import { err, ok, type Result } from '../result.ts';
import { isBypass } from './bypass.ts';
import type { PlannedConnection } from './config/agent-config.ts';
import { exemptOf, outboundOf } from './traffic-of.ts';

/** What was done to the kernel's policies, a line each. */
export interface Unblocked {
  readonly changed: readonly string[];
  /** What the kernel refused. */
  readonly failed: readonly string[];
  /** Policies of the selection that block nothing. */
  readonly open: number;
}

/**
 * Has the kernel let pass what policies of ours block: what leaves goes in plaintext, whatever SAs there are, and what
 * arrives may be in plaintext as well. Of some connections, or all that is ours. It asks no agent and no peer, since it is
 * for when these do not answer. Policies keep their names and indexes, so that an agent takes them back as they were;
 * nothing that is not ours is touched.
 */
export function unblock(
  dataplane: Dataplane,
  selection: readonly PlannedConnection[] | 'all',
): Result<Unblocked, string> {
  const dumped = dataplane.dump();
  if (!dumped.ok) return err(`the kernel's policies cannot be read: ${dumped.error.message}`);
  const chosen = chosenPolicies(dumped.value, selection);
  const changed: string[] = [];
  const failed: string[] = [];
  for (const policy of chosen) {
    const after = opened(policy);
    if (after === undefined) continue;
    const done = dataplane.execute({ kind: 'putPolicy', policy: after });
    if (done.ok) changed.push(`${policyKeyText(policy)}: ${levelText(policy)}, now ${levelText(after)}`);
    else failed.push(`${policyKeyText(policy)}: ${done.error.message}`);
  }
  return ok({ changed, failed, open: chosen.length - changed.length - failed.length });
}

/**
 * What leaves by some connections and no policy of ours encrypts or blocks, a line each: nothing, once an agent carries
 * them out or `block` has done its work. The first `most` of them: whoever looks again and again wants to know no more.
 */
export function openTraffic(
  dataplane: Dataplane,
  connections: readonly PlannedConnection[],
  most: number,
): Result<readonly string[], string> {
  const dumped = dataplane.dump();
  if (!dumped.ok) return err(`the kernel's policies cannot be read: ${dumped.error.message}`);
  const exempt = new Set(
    connections.flatMap(exemptOf).map((selector) => policyKeyText({ direction: 'out', selector })),
  );
  const out = dumped.value.policies.filter(
    (policy) => policy.ours && policy.direction === 'out' && !isBypass(policy) && !exempt.has(policyKeyText(policy)),
  );
  const [open, shut] = [out.filter(isOpen), out.filter((policy) => !isOpen(policy))];
  const shutKeys = new Set(shut.map(policyKeyText));
  const found: string[] = [];
  for (const wide of connections.flatMap(outboundOf)) {
    if (found.length === most) break;
    const key = { direction: 'out', selector: wide } as const;
    // A peer may have granted less than was asked for.
    const isAbout = ({ selector }: InstalledPolicy) => liesWithin(selector, wide) || liesWithin(wide, selector);
    const isShut = shutKeys.has(policyKeyText(key)) || shut.some(isAbout);
    if (!isShut || open.some(isAbout)) found.push(describeKey(key));
  }
  return ok(found);
}

function chosenPolicies(
  { policies }: KernelSnapshot,
  selection: readonly PlannedConnection[] | 'all',
): readonly InstalledPolicy[] {
  const ours = policies.filter((policy) => policy.ours && !isBypass(policy));
  if (selection === 'all') return ours;
  const traffic = selection.flatMap(outboundOf);
  // A peer may have granted less than was asked for.
  return ours.filter((policy) => traffic.some((wide) => liesWithin(outboundSelector(policy), wide)));
}

function outboundSelector({ direction, selector }: InstalledPolicy): Selector {
  return direction === 'out' ? selector : reversed(selector);
}

/** The policy that lets everything pass; undefined where this one does. */
function opened(policy: InstalledPolicy): PolicySpec | undefined {
  if (isOpen(policy)) return undefined;
  const { direction, selector, mark, ifId, priority, index, template } = policy;
  const key = { direction, selector, ...(mark && { mark }), ...(ifId === undefined ? {} : { ifId }) };
  // What comes out of a tunnel must still find its template.
  const kept =
    direction === 'out' || template === undefined ? {} : { template: { ...template, level: 'optional' } as const };
  return { ...key, priority, index, action: 'allow', ...kept };
}

function isOpen({ direction, action, template }: InstalledPolicy): boolean {
  return action === 'allow' && (template === undefined || (direction !== 'out' && template.level === 'optional'));
}

function levelText({ action, template }: Pick<PolicySpec, 'action' | 'template'>): string {
  if (action === 'block') return 'blocked';
  if (template === undefined) return 'in plaintext';
  return template.level === 'required' ? 'encrypted or dropped' : 'encrypted or in plaintext';
}
