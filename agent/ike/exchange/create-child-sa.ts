import { ok, type Result } from '../../result.ts';
import { NotifyType } from '../../wire/registry.ts';
import { notify } from '../notify.ts';
import type { Outcome, Refusal } from '../outcome.ts';
import type { Deleting, Established } from '../state.ts';

/**
 * CREATE_CHILD_SA (RFC 7296 §1.3). An IKE SA has the one Child SA of IKE_AUTH, and both are replaced together by a new
 * IKE SA; RFC 7296 §4 lets such an implementation refuse every further request like this.
 */
export function onCreateChildRequest(state: Established | Deleting): Result<Outcome, Refusal> {
  return ok({ next: state, reply: [notify(NotifyType.NO_ADDITIONAL_SAS)] });
}
