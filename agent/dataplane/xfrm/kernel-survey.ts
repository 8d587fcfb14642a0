import { SecretBytes } from '../../crypto/secret.ts';
import { algorithms, type EncryptionAlgorithm, type IntegrityAlgorithm, noIntegrity } from '../../crypto/suites.ts';
import { closeDescriptor, errnoName } from '../../native/libc.ts';
import { openUdpSocket } from '../../native/udp-socket.ts';
import { err, ok, type Result } from '../../result.ts';
import type { KernelRefusal } from '../execute.ts';
import { NetlinkConnection } from '../netlink/connection.ts';
import { openNetlinkSocket } from '../netlink/socket.ts';
import { probeKernel, probeSa, tryOut } from './probe.ts';
import { XFRM_FAMILY } from './registry.ts';

/** Everything that the kernel of this host can and cannot do for ESP. */
export interface KernelSurvey {
  /** ESP over IPv6. */
  readonly ipv6: boolean;
  /** Algorithms of ESP, by the words of a proposal. */
  readonly usable: readonly string[];
  readonly missing: readonly string[];
  /** Whether SAs have directions, which kernels have known since 6.10. */
  readonly direction: boolean;
  /** Whether it sends NAT keepalives, as kernels do since 6.11. */
  readonly natKeepalive: boolean;
  /** Why it takes no ESP out of UDP; undefined where it does. */
  readonly noEspInUdp: string | undefined;
}

/**
 * Tries out ESP, each algorithm and what newer kernels have, by SAs that nobody uses and that are gone again; running
 * agents are not disturbed. Fails where ESP over IPv4 cannot be had, without which nothing works.
 */
export function surveyKernel(): Result<KernelSurvey, KernelRefusal> {
  const socket = openNetlinkSocket(XFRM_FAMILY, []);
  if (!socket.ok) {
    const { errno, call, message } = socket.error;
    return err({ errno, reason: `${call}: ${message}` });
  }
  const connection = new NetlinkConnection(socket.value, errnoName);
  try {
    const probed = probeKernel(connection);
    if (!probed.ok) return probed;
    const tried = espAlgorithms().map(({ keyword, encryption, integrity }) => {
      return { keyword, isUsable: tryOut(connection, espProbe(encryption, integrity)).ok };
    });
    return ok({
      ...probed.value,
      usable: tried.filter(({ isUsable }) => isUsable).map(({ keyword }) => keyword),
      missing: tried.filter(({ isUsable }) => !isUsable).map(({ keyword }) => keyword),
      noEspInUdp: espInUdpRefusal(),
    });
  } finally {
    connection.close();
  }
}

interface EspAlgorithm {
  readonly keyword: string;
  readonly encryption: EncryptionAlgorithm;
  readonly integrity: IntegrityAlgorithm | undefined;
}

/** Every algorithm of the table, those that are of no use alone with the commonest other one. */
function espAlgorithms(): readonly EspAlgorithm[] {
  const rows = algorithms.filter(({ esp }) => esp);
  const macs = rows.filter((row) => row.kind === 'integrity');
  const cipher = rows.find((row) => row.kind === 'cipher');
  return rows.flatMap((row): readonly EspAlgorithm[] => {
    const [keyword = row.name] = row.keywords;
    if (row.kind === 'aead') return [{ keyword, encryption: row, integrity: undefined }];
    if (row.kind === 'cipher') return [{ keyword, encryption: row, integrity: macs[0] }];
    return row.kind === 'integrity' && cipher !== undefined ? [{ keyword, encryption: cipher, integrity: row }] : [];
  });
}

function espProbe(encryption: EncryptionAlgorithm, integrity: IntegrityAlgorithm | undefined) {
  return {
    ...probeSa(4),
    algorithms: {
      encryption: encryption.transformId,
      keyBits: encryption.keyBits,
      integrity: integrity?.transformId ?? noIntegrity,
    },
    encryptionKey: new SecretBytes(new Uint8Array(encryption.keyBytes + encryption.saltBytes)),
    integrityKey: new SecretBytes(new Uint8Array(integrity?.keyBytes ?? 0)),
  };
}

/** The kernel is asked for it by a socket that nobody sends to. */
function espInUdpRefusal(): string | undefined {
  const opened = openUdpSocket({ local: { address: Uint8Array.of(127, 0, 0, 1), port: 0 }, espInUdp: true });
  if (!opened.ok) return `${opened.error.call}: ${opened.error.message} (${opened.error.errno})`;
  closeDescriptor(opened.value);
  return undefined;
}
