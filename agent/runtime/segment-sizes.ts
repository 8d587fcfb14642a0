import type { ConnectionConfig, ConnectionStatus } from '../ike/types.ts';
import type { SegmentSizes } from '../ports.ts';
import { type PathMtuSource, pathMtuReport } from './status/path-mtu-report.ts';

/**
 * How large the segments of TCP connections may be at most, by the reqid of the Child SA that they go through: as the
 * configuration says, or so that they fit. Of a Child SA that is not there `present` stays: one of an earlier run may yet be in
 * use, and what fits through its successor is not known before that is agreed on.
 */
export function segmentSizes(
  connections: readonly ConnectionConfig[],
  statuses: readonly ConnectionStatus[],
  pathMtus: PathMtuSource | undefined,
  present: ReadonlyMap<number, SegmentSizes>,
): ReadonlyMap<number, SegmentSizes> {
  const statusOf = new Map(statuses.map((status) => [status.name, status]));
  const sizes = new Map<number, SegmentSizes>();
  for (const { name, mssClamp, children } of connections) {
    if (mssClamp === undefined) continue;
    const status = mssClamp === 'auto' ? statusOf.get(name) : undefined;
    const fitting = status && pathMtuReport(pathMtus, status, status.ikeSas)?.children;
    for (const child of children) {
      const payloads = (fitting ?? []).filter((each) => each.name === child.name).map(({ payload }) => payload);
      const size = mssClamp === 'auto' ? fittingSizes(payloads) : { ipv4: mssClamp, ipv6: mssClamp };
      const wanted = size ?? present.get(child.reqid);
      if (wanted !== undefined) sizes.set(child.reqid, wanted);
    }
  }
  return sizes;
}

/** Of several SAs of one Child the one that takes least counts: any of them may be in use. */
function fittingSizes(payloads: readonly number[]): SegmentSizes | undefined {
  if (payloads.length === 0) return undefined;
  const payload = Math.min(...payloads);
  return {
    ipv4: Math.max(payload - IPV4_AND_TCP_BYTES, LEAST_SEGMENT_BYTES),
    ipv6: Math.max(payload - IPV6_AND_TCP_BYTES, LEAST_SEGMENT_BYTES),
  };
}

/** RFC 9293 §3.7.1: headers without options. */
const IPV4_AND_TCP_BYTES = 40;
const IPV6_AND_TCP_BYTES = 60;
/** Less than any path has room for, and what Linux makes of less (TCP_MIN_MSS). */
const LEAST_SEGMENT_BYTES = 88;
