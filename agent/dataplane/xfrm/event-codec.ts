import { decodeAttributes } from '../netlink/attributes.ts';
import { hostView } from '../netlink/host-order.ts';
import type { NetlinkMessage } from '../netlink/message.ts';
import type { DataplaneEvent } from '../types.ts';
import { addressAt, networkView, spiAt } from './address.ts';
import { decodeTemplate, policyIndexAt } from './policy-codec.ts';
import { ESP, XfrmAttribute, XfrmMessage } from './registry.ts';
import { SA_INFO_BYTES, saIdentity } from './sa-codec.ts';
import { selectorAt } from './selector.ts';

/** The event in a multicast message; undefined for other messages and for what is not about ESP. */
export function decodeEvent(message: NetlinkMessage): DataplaneEvent | undefined {
  switch (message.type) {
    case XfrmMessage.expire:
      return decodeExpire(message.body);
    case XfrmMessage.acquire:
      return decodeAcquire(message.body);
    case XfrmMessage.mapping:
      return decodeMapping(message.body);
    default:
      return undefined;
  }
}

/** struct xfrm_user_expire: state 0, hard 224. A larval state that expires without an SPI is no event. */
function decodeExpire(body: Uint8Array): DataplaneEvent | undefined {
  const identity = body.length > SA_INFO_BYTES ? saIdentity(body) : undefined;
  if (identity === undefined || identity.id.spi === 0) return undefined;
  return { kind: 'expire', id: identity.id, reqid: identity.reqid, hard: body[SA_INFO_BYTES] !== 0 };
}

/** struct xfrm_user_acquire: id 0, saddr 24, sel 40, policy 96, aalgos 264, ealgos 268, calgos 272, seq 276. */
function decodeAcquire(body: Uint8Array): DataplaneEvent | undefined {
  if (body.length < ACQUIRE_BYTES || body[20] !== ESP) return undefined;
  const flow = selectorAt(body, 40);
  const template = decodeTemplate(decodeAttributes(body.subarray(ACQUIRE_BYTES)).get(XfrmAttribute.template));
  if (flow === undefined || template === undefined) return undefined;
  // Here the kernel names the interface of every packet, whether its policy does or not.
  const { interface: _, ...selector } = flow;
  return {
    kind: 'acquire',
    sequence: hostView(body).getUint32(276),
    policyIndex: policyIndexAt(body, 96),
    reqid: template.reqid,
    selector,
  };
}

/**
 * struct xfrm_user_mapping: id 0 (a xfrm_usersa_id: daddr 0, spi 16, family 20, proto 22), reqid 24, old_saddr 28,
 * new_saddr 44, old_sport 60 and new_sport 62 in network order. Behind an IPv4 new_saddr stands whatever was there.
 */
function decodeMapping(body: Uint8Array): DataplaneEvent | undefined {
  if (body.length < MAPPING_BYTES || body[22] !== ESP) return undefined;
  const family = hostView(body).getUint16(20);
  const destination = addressAt(body, 0, family);
  const newAddress = addressAt(body, 44, family);
  if (destination === undefined || newAddress === undefined) return undefined;
  return {
    kind: 'mapping',
    id: { destination, spi: spiAt(body, 16) },
    reqid: hostView(body).getUint32(24),
    newAddress,
    newPort: networkView(body).getUint16(62),
  };
}

const ACQUIRE_BYTES = 280;
const MAPPING_BYTES = 64;
