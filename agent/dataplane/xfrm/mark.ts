import type { Attribute } from '../netlink/attributes.ts';
import { hostUint32, hostUint32Bytes, hostView } from '../netlink/host-order.ts';
import type { PolicyKey } from '../types.ts';
import { XfrmAttribute } from './registry.ts';

/** The attributes that set an object apart from others with the same addresses: struct xfrm_mark and XFRMA_IF_ID. */
export function markAttributes({ mark, ifId }: Pick<PolicyKey, 'mark' | 'ifId'>): readonly Attribute[] {
  const attributes: Attribute[] = [];
  if (mark !== undefined) {
    const value = new Uint8Array(8);
    hostView(value).setUint32(0, mark.value);
    hostView(value).setUint32(4, mark.mask);
    attributes.push({ type: XfrmAttribute.mark, value });
  }
  if (ifId !== undefined) attributes.push({ type: XfrmAttribute.ifId, value: hostUint32Bytes(ifId) });
  return attributes;
}

/** The mark and if_id of an object, absent members where it has none. */
export function marksOf(attributes: ReadonlyMap<number, Uint8Array>): Pick<PolicyKey, 'mark' | 'ifId'> {
  const markBytes = attributes.get(XfrmAttribute.mark);
  const ifIdBytes = attributes.get(XfrmAttribute.ifId);
  const ifId = ifIdBytes === undefined ? undefined : hostUint32(ifIdBytes);
  const view = markBytes !== undefined && markBytes.length >= 8 ? hostView(markBytes) : undefined;
  return {
    ...(view === undefined ? {} : { mark: { value: view.getUint32(0), mask: view.getUint32(4) } }),
    ...(ifId === undefined || ifId === 0 ? {} : { ifId }),
  };
}
