/** What `npm run demo -- --json` prints. */
export interface DemoResult {
  readonly nodes: number;
  /** Echo requests, each of which is answered; on a cluster datagrams, which are not. */
  readonly sentPackets: number;
  readonly lostPackets: number;
  /** What IPsec dropped in the kernels of all nodes, by their own counters (/proc/net/xfrm_stat), since every pair was up. */
  readonly droppedPackets: number;
  readonly espPackets: number;
  readonly plaintextPackets: number;
  /** ESP SAs in the kernels of all nodes. */
  readonly securityAssociations: number;
  /** Renewed while packets flowed, and proven to every peer since. */
  readonly certificatesRotated: number;
  /** Release of the kernel that encrypted. */
  readonly kernel: string;
  readonly seconds: number;
}

/** Something that users are promised, what was measured of it, and what is wrong where it was not kept. */
interface Verdict {
  readonly promise: string;
  readonly measured: string;
  readonly broken: string | undefined;
}

/**
 * What is not as promised; empty when all is well. `crossings` is how often each packet is to cross the wire: twice where it is
 * answered.
 */
export function brokenPromises(result: DemoResult, expectedAssociations: number, crossings = 2): readonly string[] {
  return verdicts(result, expectedAssociations, crossings).flatMap(({ broken }) => broken ?? []);
}

/** Every promise with what was measured, as lines of a table. */
export function verdictTable(result: DemoResult, expectedAssociations: number, crossings = 2): readonly string[] {
  const rows = verdicts(result, expectedAssociations, crossings).map(({ promise, measured, broken }) => [
    promise,
    measured,
    broken === undefined ? 'kept' : 'BROKEN',
  ]);
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('   '));
}

function verdicts(result: DemoResult, expectedAssociations: number, crossings: number): readonly Verdict[] {
  const { sentPackets, lostPackets, droppedPackets, espPackets, plaintextPackets } = result;
  const { securityAssociations, certificatesRotated } = result;
  const verdict = (promise: string, measured: string, isBroken: boolean, broken: string): Verdict => {
    return { promise, measured, broken: isBroken ? broken : undefined };
  };
  return [
    verdict('packets are sent', `${sentPackets}`, sentPackets === 0, 'no packet was sent: nothing is proved'),
    verdict(
      'none is lost',
      `${lostPackets} lost`,
      lostPackets > 0,
      `${lostPackets} of ${sentPackets} packets were lost`,
    ),
    verdict(
      'none is dropped by IPsec',
      `${droppedPackets} dropped`,
      droppedPackets > 0,
      `IPsec dropped ${droppedPackets} packets`,
    ),
    verdict(
      'none leaves in plaintext',
      `${plaintextPackets} in plaintext`,
      plaintextPackets > 0,
      `${plaintextPackets} packets crossed the wire in plaintext`,
    ),
    verdict(
      'each crosses the wire as ESP',
      `${espPackets} ESP packets`,
      espPackets < crossings * sentPackets,
      `${espPackets} ESP packets on the wire are fewer than the ${crossings * sentPackets} that were sent and answered`,
    ),
    verdict(
      'every pair has its SAs',
      `${securityAssociations} SAs`,
      securityAssociations < expectedAssociations,
      `${securityAssociations} SAs are installed, ${expectedAssociations} are needed`,
    ),
    verdict(
      'a renewed certificate is taken into use',
      `${certificatesRotated} renewed`,
      certificatesRotated === 0,
      'no renewed certificate was proven to the peers',
    ),
  ];
}
