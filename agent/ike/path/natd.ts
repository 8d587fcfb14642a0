import { constantTimeEqual } from '../../crypto/constant-time.ts';
import type { CryptoProvider, Random } from '../../crypto/types.ts';
import { type IkeSpi, setSpiPair } from '../../wire/header.ts';
import { type IpAddress, setIpAddress } from '../../wire/ip-address.ts';
import type { Path } from '../types.ts';

/** Where a NAT stands: in front of us, in front of the peer. */
export interface NatSituation {
  readonly local: boolean;
  readonly remote: boolean;
}

/** A path and the NATs on it. */
export interface NattedPath {
  readonly path: Path;
  readonly nat: NatSituation;
}

/** The data of one message's NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP. */
export interface NatDetection {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
}

/**
 * NAT detection data of a message that leaves on `path` (RFC 7296 §2.23). With `pretend` the source is random, which
 * makes the peer see a NAT and so forces ESP into UDP.
 */
export function natDetection(
  crypto: CryptoProvider,
  initiatorSpi: IkeSpi,
  responderSpi: IkeSpi,
  path: Path,
  pretend: Random | undefined,
): NatDetection {
  setSpiPair(hashed, initiatorSpi, responderSpi);
  const source = addressHash(crypto, path.localAddress, path.localPort);
  if (pretend !== undefined) pretend.fill(source);
  return { source, destination: addressHash(crypto, path.remoteAddress, path.remotePort) };
}

/**
 * What a received message's NAT detection says, seen from the receiver's `path`: a peer whose source is not among
 * `sources` is behind a NAT, and we are where the destination is not our own address.
 */
export function natSituation(
  crypto: CryptoProvider,
  initiatorSpi: IkeSpi,
  responderSpi: IkeSpi,
  path: Path,
  sources: readonly Uint8Array[],
  destination: Uint8Array,
): NatSituation {
  setSpiPair(hashed, initiatorSpi, responderSpi);
  const own = addressHash(crypto, path.localAddress, path.localPort);
  const peer = addressHash(crypto, path.remoteAddress, path.remotePort);
  return {
    local: !constantTimeEqual(own, destination),
    remote: !sources.some((source) => constantTimeEqual(peer, source)),
  };
}

/** SHA-1(SPIi | SPIr | IP address | port), of the SPIs that stand in `hashed` already. */
function addressHash(crypto: CryptoProvider, address: IpAddress, port: number): Uint8Array {
  const end = setIpAddress(hashed, SPI_PAIR_BYTES, address);
  hashed[end] = port >> 8;
  hashed[end + 1] = port & 0xff;
  return crypto.sha1(end === hashedV4.length - PORT_BYTES ? [hashedV4] : [hashed]);
}

const SPI_PAIR_BYTES = 16;
const PORT_BYTES = 2;
/** What is hashed is read at once, so one memory does for all; that of an IPv4 address is its beginning. */
const hashed = new Uint8Array(SPI_PAIR_BYTES + 16 + PORT_BYTES);
const hashedV4 = hashed.subarray(0, SPI_PAIR_BYTES + 4 + PORT_BYTES);
