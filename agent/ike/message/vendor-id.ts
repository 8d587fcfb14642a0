import { sameBytes } from '../../crypto/bytes.ts';
import type { VendorPayload } from '../../wire/payloads/vendor.ts';

/**
 * By this agents know one another (RFC 7296 §3.12): the ASCII text `ikemesh agent`. It stands in IKE_SA_INIT, which AUTH
 * covers. An agent that is gone may have left its SAs in its kernel, where they go on working; with any other peer they
 * are gone with it.
 */
export const VENDOR_ID: VendorPayload = {
  kind: 'vendor',
  data: new Uint8Array([0x69, 0x6b, 0x65, 0x6d, 0x65, 0x73, 0x68, 0x20, 0x61, 0x67, 0x65, 0x6e, 0x74]),
};

/** Whether the sender of these is an agent too. */
export function isAgent(vendorIds: readonly VendorPayload[]): boolean {
  return vendorIds.some(({ data }) => sameBytes(data, VENDOR_ID.data));
}
