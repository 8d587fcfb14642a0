/** What `npm run demo -- --json` prints. */
export interface DemoResult {
  readonly nodes: number;
  /** Echo requests; each is answered, so at least twice as many packets crossed the wire. */
  readonly sentPackets: number;
  readonly lostPackets: number;
  readonly espPackets: number;
  readonly plaintextPackets: number;
  /** ESP SAs in the kernels of all nodes. */
  readonly securityAssociations: number;
  /** Release of the kernel that encrypted. */
  readonly kernel: string;
  readonly seconds: number;
}

/** What is not as promised; empty when all is well. */
export function brokenPromises(result: DemoResult, expectedAssociations: number): readonly string[] {
  const broken: string[] = [];
  const { sentPackets, lostPackets, espPackets, plaintextPackets, securityAssociations } = result;
  if (sentPackets === 0) broken.push('no packet was sent: nothing is proved');
  if (lostPackets > 0) broken.push(`${lostPackets} of ${sentPackets} packets were lost`);
  if (plaintextPackets > 0) broken.push(`${plaintextPackets} packets crossed the wire in plaintext`);
  if (espPackets < 2 * sentPackets) {
    broken.push(
      `${espPackets} ESP packets on the wire are fewer than the ${2 * sentPackets} that were sent and answered`,
    );
  }
  if (securityAssociations < expectedAssociations) {
    broken.push(`${securityAssociations} SAs are installed, ${expectedAssociations} are needed`);
  }
  return broken;
}
