import type { Core } from './core.ts';
import type { IkeSa } from './state.ts';
import type { Instant } from './types.ts';

/** Plans `settle` for when the kernel has had its say about what was just ordered. */
export function settleLater(core: Core, sa: IkeSa, settleAt: Instant): void {
  if (sa.state.kind !== 'established') return;
  sa.state = { ...sa.state, settleAt: Math.max(settleAt, sa.state.settleAt ?? settleAt) };
  core.touch(sa);
}

/** Plans `followUp` for when the kernel has had its say: requests for missing Child SAs, and to show that we have a pair. */
export function followUpLater(core: Core, at: Instant, sa: IkeSa, missing: readonly string[], show: boolean): void {
  if (sa.state.kind !== 'established') return;
  const { followUp } = sa.state;
  const both = { at, missing: [...(followUp?.missing ?? []), ...missing], show: show || followUp?.show === true };
  sa.state = { ...sa.state, followUp: both };
  core.touch(sa);
}
