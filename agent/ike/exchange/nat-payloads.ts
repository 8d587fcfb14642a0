import type { IkeSpi } from '../../wire/header.ts';
import type { NotifyPayload } from '../../wire/payloads/notify.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { NotifyType } from '../../wire/registry.ts';
import type { Core } from '../core.ts';
import { findNotify, notify } from '../message/notify.ts';
import { type NatSituation, natDetection, natSituation } from '../path/natd.ts';
import type { ConnectionConfig, Path } from '../types.ts';

/** The SPIs of the message that NAT detection stands in; the responder's is zero in the first one. */
interface Spis {
  readonly initiatorSpi: IkeSpi;
  readonly responderSpi: IkeSpi;
}

/** The NAT detection of a message of ours; nothing where it is switched off. `Always` makes the peer see a NAT. */
export function natNotifies(
  core: Core,
  natTraversal: ConnectionConfig['natTraversal'],
  spis: Spis,
  path: Path,
): readonly Payload[] {
  if (natTraversal === 'Never') return [];
  const { crypto, random } = core.context;
  const pretend = natTraversal === 'Always' ? random.nonces : undefined;
  const detection = natDetection(crypto, spis.initiatorSpi, spis.responderSpi, path, pretend);
  return [
    notify(NotifyType.NAT_DETECTION_SOURCE_IP, detection.source),
    notify(NotifyType.NAT_DETECTION_DESTINATION_IP, detection.destination),
  ];
}

/**
 * What the NAT detection of a received message says. Without NAT detection from the peer there is no NAT traversal;
 * `Always` treats ourselves as behind one.
 */
export function readNat(
  core: Core,
  natTraversal: ConnectionConfig['natTraversal'],
  spis: Spis,
  path: Path,
  notifies: readonly NotifyPayload[],
): NatSituation {
  const destination = findNotify(notifies, NotifyType.NAT_DETECTION_DESTINATION_IP);
  const sources = notifies.filter((each) => each.notifyType === NotifyType.NAT_DETECTION_SOURCE_IP);
  if (natTraversal === 'Never' || destination === undefined || sources.length === 0) return NO_NAT;
  const seen = natSituation(
    core.context.crypto,
    spis.initiatorSpi,
    spis.responderSpi,
    path,
    sources.map((source) => source.data),
    destination.data,
  );
  return natTraversal === 'Always' ? { local: true, remote: seen.remote } : seen;
}

const NO_NAT: NatSituation = { local: false, remote: false };
