import { constantTimeEqual } from '../../crypto/constant-time.ts';
import type { CryptoProvider, Random } from '../../crypto/types.ts';
import { type IkeSpi, spiPairBytes } from '../../wire/header.ts';
import { type IpAddress, ipAddressBytes } from '../../wire/ip-address.ts';
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
  const spis = spiPairBytes(initiatorSpi, responderSpi);
  const source = addressHash(crypto, spis, path.localAddress, path.localPort);
  if (pretend !== undefined) pretend.fill(source);
  return { source, destination: addressHash(crypto, spis, path.remoteAddress, path.remotePort) };
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
  const spis = spiPairBytes(initiatorSpi, responderSpi);
  const own = addressHash(crypto, spis, path.localAddress, path.localPort);
  const peer = addressHash(crypto, spis, path.remoteAddress, path.remotePort);
  return {
    local: !constantTimeEqual(own, destination),
    remote: !sources.some((source) => constantTimeEqual(peer, source)),
  };
}

/** SHA-1(SPIi | SPIr | IP address | port). */
function addressHash(crypto: CryptoProvider, spis: Uint8Array, address: IpAddress, port: number): Uint8Array {
  portBytes[0] = port >> 8;
  portBytes[1] = port & 0xff;
  return crypto.sha1([spis, ipAddressBytes(address), portBytes]);
}

/** What is hashed is read at once. */
const portBytes = new Uint8Array(2);
