import type { LifecycleEvent } from './event.ts';
import type { Row, RowCounts, RowPlace } from './row.ts';
import type { TrafficReport } from './traffic.ts';

/** Everything that was seen while an event happened. */
export interface Measured {
  readonly traffic: TrafficReport;
  /** What was not as the event wants it. */
  readonly failure: string | undefined;
  /** For how long nodes were cut off on purpose. */
  readonly outageSeconds: number;
  /** Which counters of lost packets moved in the kernels. */
  readonly drops: readonly string[];
  readonly espPackets: number;
  readonly plaintextPackets: number;
  /** Those of them that were to be encrypted. */
  readonly leaked: readonly string[];
}

/** Whether what was promised of an event was kept; if not, or if something had to be lost, why. */
export function judge(place: RowPlace, event: Pick<LifecycleEvent, 'outage' | 'unencrypted'>, measured: Measured): Row {
  const { traffic, outageSeconds, plaintextPackets } = measured;
  const recoverySeconds = Math.max(0, traffic.darkSeconds - outageSeconds);
  const counts: RowCounts = {
    sentPackets: traffic.sent,
    lostPackets: traffic.lost,
    plaintextPackets,
    // Milliseconds; one packet lost is five of them.
    recoverySeconds: Math.round(recoverySeconds * 1000) / 1000,
  };
  const faults = faultsOf(event, measured, counts);
  if (faults.length > 0) {
    const hints = traffic.lost === 0 ? [] : [...traffic.directions, ...measured.drops];
    return { ...place, outcome: 'broken', counts, why: [...faults, ...hints].join('; ') };
  }
  const reasons = [
    ...(event.outage !== undefined && counts.lostPackets > 0 ? [event.outage.why] : []),
    ...(event.unencrypted !== undefined && plaintextPackets > 0 ? [event.unencrypted] : []),
  ];
  return { ...place, outcome: 'kept', counts, ...(reasons.length === 0 ? {} : { why: reasons.join('; ') }) };
}

function faultsOf(
  { outage }: Pick<LifecycleEvent, 'outage'>,
  { traffic, failure, espPackets, leaked }: Measured,
  { sentPackets, lostPackets, recoverySeconds }: RowCounts,
): readonly string[] {
  const { connection } = traffic;
  const late = outage !== undefined && recoverySeconds > outage.recoverySeconds;
  return [
    ...(failure === undefined ? [] : [failure]),
    ...(sentPackets === 0 || espPackets === 0 ? ['there was no traffic, or no ESP: this proves nothing'] : []),
    ...(outage === undefined && lostPackets > 0 ? [`${lostPackets} of ${sentPackets} packets lost`] : []),
    ...(late ? [`packets flowed after ${recoverySeconds} s, ${outage.recoverySeconds} s expected at most`] : []),
    ...(leaked.length > 0 ? [`${leaked.length} packets in plaintext: ${leaked.slice(0, SAMPLES).join(', ')}`] : []),
    ...(connection?.ended === undefined ? [] : [`the TCP connection ended: ${connection.ended}`]),
    ...(connection !== undefined && connection.echoed < connection.sent
      ? [`${connection.sent - connection.echoed} of ${connection.sent} lines of the TCP connection did not come back`]
      : []),
    ...(connection?.sent === 0 ? ['the TCP connection carried nothing'] : []),
  ];
}

const SAMPLES = 4;
