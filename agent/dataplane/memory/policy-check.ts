import type { PolicyTemplate } from '../types.ts';
import { compileSelector, type Flow, selectorMatches, type XfrmStatistic } from './packet.ts';
import type { PolicyTable } from './policy-table.ts';
import type { TableState } from './state-table.ts';

/**
 * Whether a packet may be delivered or forwarded, `state` being the SA that it came through: undefined if it may, else
 * the counter that it raises (__xfrm_policy_check of net/xfrm/xfrm_policy.c).
 */
export function policyCheck(
  policies: PolicyTable,
  direction: 'in' | 'fwd',
  flow: Flow,
  state: TableState | undefined,
): XfrmStatistic | undefined {
  if (state?.selector !== undefined && !selectorMatches(compileSelector(state.selector), flow)) {
    return 'XfrmInStateMismatch';
  }
  const policy = policies.lookup(direction, flow);
  const tunnelled = state?.mode === 'tunnel';
  if (policy === undefined) return tunnelled ? 'XfrmInNoPols' : undefined;
  if (policy.spec.action === 'block') return 'XfrmInPolBlock';
  const { template } = policy.spec;
  if (template === undefined) return tunnelled ? 'XfrmInTmplMismatch' : undefined;
  if (state !== undefined && stateSatisfies(template, state)) return undefined;
  // Optional lets pass what is in plaintext or in transport mode, even of a foreign reqid; a tunnel must match.
  return template.level === 'optional' && !tunnelled ? undefined : 'XfrmInTmplMismatch';
}

/** xfrm_state_ok: the source of a tunnel is compared; its destination is the one that the packet came to. */
function stateSatisfies(template: PolicyTemplate, state: TableState): boolean {
  return (
    template.mode === state.mode &&
    (template.reqid === 0 || template.reqid === state.reqid) &&
    (template.spi === 0 || template.spi === state.id.spi) &&
    (template.mode === 'transport' || template.source === undefined || template.source === state.source)
  );
}
