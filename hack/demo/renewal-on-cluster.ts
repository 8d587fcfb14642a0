import { agentStatus } from '../../e2e/agent-status.ts';
import { Certificates } from '../../e2e/certificates.ts';
import type { InstalledCluster } from '../../e2e/installed-cluster.ts';
import { waitUntil } from '../lab/runner/wait-until.ts';

/**
 * Has cert-manager renew the certificate of a node, and waits until its agent uses the new one and has proven itself by it to
 * all of its peers. Answers the serial number.
 */
export async function renewCertificate(
  installed: InstalledCluster,
  node: string,
  peers: readonly string[],
): Promise<string> {
  const before = await serialInUse(installed, node);
  await new Certificates(installed).renewOf(node);
  const wait = { timeoutMs: 90_000, intervalMs: 1_000 };
  const inUse = async () => {
    const now = await serialInUse(installed, node);
    return now !== before && now !== '' ? now : undefined;
  };
  const serial = await waitUntil(`the agent of ${node} to use the new certificate`, inUse, wait);
  const isProven = async () => {
    const serials = (await Promise.all(peers.map((peer) => provenSerials(installed, peer, node)))).flat();
    return serials.length > 0 && serials.every((each) => each === serial);
  };
  await waitUntil(`${peers.join(' and ')} to have it proven`, isProven, wait);
  return serial;
}

/** By the status of the IPsecNodeConfig, which its agent writes. */
async function serialInUse(installed: InstalledCluster, node: string): Promise<string> {
  const path = '--output=jsonpath={.status.peerings[0].certificate.serialNumber}';
  return withoutZeros(await installed.kubectl('get', 'ipsecnodeconfig', node, path));
}

/** The serial numbers by which a node has proven itself last to a peer, one a connection. */
async function provenSerials(installed: InstalledCluster, peer: string, node: string): Promise<readonly string[]> {
  const { peers } = await agentStatus(installed, peer);
  return peers
    .filter(({ remoteIdentity }) => remoteIdentity.startsWith(`${node}.`))
    .map(({ certificate }) => withoutZeros(certificate?.serial ?? ''));
}

/** DER has one in front of what would be negative. */
function withoutZeros(serial: string): string {
  return serial.toLowerCase().replace(/^0+/, '');
}
