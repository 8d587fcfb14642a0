import type { ChildKeys } from '../../crypto/keymat.ts';
import type { IpsecMode, SaLifetime, SaSpec, UdpEncapsulation } from '../../dataplane/types.ts';
import { type IpAddress, withoutZone } from '../../wire/ip-address.ts';
import { betweenHosts, reversed } from '../negotiation/selector.ts';
import type { Suite } from '../negotiation/suite.ts';
import type { Traffic } from '../negotiation/traffic.ts';
import type { ChildConfig, Instant, Path } from '../types.ts';

/** A pair of ESP SAs, one for each direction, that were negotiated together (RFC 7296 §2.9, RFC 4301 §4.1). */
export interface ChildSa {
  readonly config: ChildConfig;
  readonly suite: Suite;
  readonly mode: IpsecMode;
  readonly inboundSpi: number;
  readonly outboundSpi: number;
  /** Outer addresses of ESP, ours and the peer's, without zones: by these the kernel knows the SAs. */
  readonly localAddress: IpAddress;
  readonly remoteAddress: IpAddress;
  readonly udpEncapsulation: boolean;
  readonly traffic: Traffic;
  readonly installedAt: Instant;
  /** Its limits in the kernel: those of the configuration, the soft ones changed by chance. */
  readonly lifetime: SaLifetime;
  /**
   * `deferred`: a responder's new pair, received on but not sent on yet because the initiator may not have its inbound
   * SA: what is sent goes on an older pair, or in plaintext where that is allowed; `superseded`: received on until packets under way are in, never sent on.
   */
  readonly usage: 'deferred' | 'current' | 'superseded';
  /** Whether it is, or ever was, sent on. */
  readonly sentOn: boolean;
  /** Whether this side initiated the exchange that made the pair. */
  readonly weInitiated: boolean;
  /** When the peer was first known to send on it, and so not on older ones any more; undefined until then. */
  readonly settledAt: Instant | undefined;
  /** The first message ID of ours whose answer shows that; undefined where no answer can. */
  readonly settledBy: number | undefined;
  /** The pair that it was made to take the place of, by inbound SPI, and min(Ni, Nr) of that exchange. */
  readonly rekeys: { readonly inboundSpi: number; readonly lowestNonce: Uint8Array } | undefined;
  /** Set from its soft limit on: when to ask for a successor, and since when that has been tried. */
  readonly rekey: { readonly at: Instant; readonly since: Instant } | undefined;
  /** Of a superseded one: when we delete it although it is for the peer to do so. */
  readonly deleteAt: Instant | undefined;
}

/** What both sides agreed on for a Child SA that is about to be installed. */
export interface ChildAgreement {
  readonly config: ChildConfig;
  readonly suite: Suite;
  readonly mode: IpsecMode;
  readonly inboundSpi: number;
  readonly outboundSpi: number;
  readonly traffic: Traffic;
  /** Whether this side initiated the exchange that makes the Child SA. */
  readonly weInitiated: boolean;
}

/** What of a Child SA is not agreed on with the peer. */
type LocalChoices = Pick<ChildSa, 'udpEncapsulation' | 'lifetime' | 'usage' | 'settledBy' | 'rekeys' | 'deleteAt'>;

/** The Child SA of an agreement, as it will stand on `path`. */
export function childSa(at: Instant, agreement: ChildAgreement, path: Path, choices: LocalChoices): ChildSa {
  return {
    config: agreement.config,
    suite: agreement.suite,
    mode: agreement.mode,
    inboundSpi: agreement.inboundSpi,
    outboundSpi: agreement.outboundSpi,
    localAddress: withoutZone(path.localAddress),
    remoteAddress: withoutZone(path.remoteAddress),
    traffic: agreement.traffic,
    installedAt: at,
    weInitiated: agreement.weInitiated,
    sentOn: false,
    settledAt: undefined,
    rekey: undefined,
    ...choices,
  };
}

/**
 * The kernel's two SAs of a Child SA. Keys pass into the specs, whose executor wipes them once they are installed. In
 * transport mode they are told whose packets they are for: Linux may use one without a selector for packets from another
 * address of this host (seen where two hashes collide).
 */
export function saSpecs(
  child: ChildSa,
  keys: ChildKeys,
  path: Path,
): { readonly inbound: SaSpec; readonly outbound: SaSpec } {
  const { config, suite } = child;
  const { weInitiated } = child;
  const inboundKeys = weInitiated ? keys.responderToInitiator : keys.initiatorToResponder;
  const outboundKeys = weInitiated ? keys.initiatorToResponder : keys.responderToInitiator;
  const shared = {
    mode: child.mode,
    reqid: config.reqid,
    algorithms: { encryption: suite.encryption, keyBits: suite.keyBits, integrity: suite.integrity },
    esn: suite.esn,
    replayWindow: config.replayWindow,
    lifetime: child.lifetime,
  };
  const selector = child.mode === 'transport' ? betweenHosts(child.localAddress, child.remoteAddress) : undefined;
  const ports = child.udpEncapsulation ? encapsulationPorts(path) : undefined;
  return {
    inbound: {
      ...shared,
      id: { destination: child.localAddress, spi: child.inboundSpi },
      source: child.remoteAddress,
      direction: 'in',
      traffic: child.traffic.outbound.map(reversed),
      encryptionKey: inboundKeys.encryption,
      integrityKey: inboundKeys.integrity,
      ...(selector && { selector: reversed(selector) }),
      ...(ports && { udpEncapsulation: ports.inbound }),
    },
    outbound: {
      ...shared,
      id: { destination: child.remoteAddress, spi: child.outboundSpi },
      source: child.localAddress,
      direction: 'out',
      encryptionKey: outboundKeys.encryption,
      integrityKey: outboundKeys.integrity,
      ...(selector && { selector }),
      ...(ports && { udpEncapsulation: ports.outbound }),
    },
  };
}

/** The outer ports of both directions of ESP in UDP, which are those of IKE. */
export function encapsulationPorts({ localPort, remotePort }: Path): {
  readonly inbound: UdpEncapsulation;
  readonly outbound: UdpEncapsulation;
} {
  return {
    inbound: { sourcePort: remotePort, destinationPort: localPort },
    outbound: { sourcePort: localPort, destinationPort: remotePort },
  };
}
