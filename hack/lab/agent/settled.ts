import type { StatusReport } from '../../../agent/runtime/status/report.ts';

/** Whether an agent has one IKE SA with so many Child SAs for each peer, and no SA that is nobody's. */
export function isSettled({ peers, earlierSas }: StatusReport, children = 1): boolean {
  return (
    earlierSas.length === 0 &&
    peers.every(({ state, ikeSas: [ikeSa, ...others] }) => {
      const single = others.length === 0 && ikeSa?.state === 'established' && ikeSa.children.length === children;
      return state === 'encrypting' && single;
    })
  );
}
