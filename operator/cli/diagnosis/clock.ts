import type { Pair } from './view.ts';

/** How far the clocks of two nodes are apart where that matters, as a sentence. */
export function clockDifference({ own, peer }: Pair): string | undefined {
  if (peer.kind === 'gateway' || own.host?.known !== true || peer.end.host?.known !== true) return undefined;
  const [left, right] = [own.host.value, peer.end.host.value];
  const difference = left.clockOffsetMs - right.clockOffsetMs;
  if (Math.abs(difference) < MAX_DIFFERENCE_MS + left.clockUncertaintyMs + right.clockUncertaintyMs) return undefined;
  const way = difference > 0 ? 'ahead of' : 'behind';
  return `the clock of ${own.name} is ${Math.round(Math.abs(difference) / 1_000)} s ${way} that of ${peer.end.name}`;
}

/** Certificates are issued a little before they are used; some minutes are the usual room. */
const MAX_DIFFERENCE_MS = 60_000;
