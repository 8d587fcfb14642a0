import type { StatusReport } from '../../../agent/runtime/status/report.ts';

/** Whether an agent has one IKE SA with so many Child SAs for each peer, and no SA that is nobody's. */
export function isSettled(report: StatusReport, children = 1): boolean {
  return unsettledText(report, children) === undefined;
}

/** What keeps it from that; undefined where nothing does. */
export function unsettledText({ peers, earlierSas }: StatusReport, children = 1): string | undefined {
  const faults = peers.flatMap(({ name, state, reason, ikeSas }) => {
    const [ikeSa, ...others] = ikeSas;
    const single = others.length === 0 && ikeSa?.state === 'established' && ikeSa.children.length === children;
    if (state === 'encrypting' && single) return [];
    const sas = ikeSas.map((each) => `${each.state} with ${each.children.length} Child SAs`);
    return [`${name} is ${state} (${reason ?? 'no reason'}), IKE SAs: ${sas.join(', ') || 'none'}`];
  });
  if (earlierSas.length > 0) faults.push(`${earlierSas.length} SAs that are nobody's`);
  return faults.length === 0 ? undefined : faults.join('; ');
}
