import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';

/** Labels of objects that the operator writes. */
export const PEERING_LABEL = 'ikemesh.io/peering';
export const NODE_UID_LABEL = 'ikemesh.io/node-uid';
/** Key of the taint that nodes may be registered with; it keeps pods away until the agent is at work. */
export const STARTUP_TAINT = 'ikemesh.io/agent-not-ready';

/** The first `digits` hexadecimal digits of the SHA-256 of texts that cannot run into one another. */
export function digest(digits: number, ...texts: readonly string[]): string {
  return bytesToHex(sha256(utf8ToBytes(JSON.stringify(texts)))).slice(0, digits);
}

/**
 * The name of a Certificate and its Secret. With the node's UID in it a node that is re-created under its name does not
 * get the key of the one before, and with the issuer every issuer has its own.
 */
export function certificateName(
  node: { readonly name: string; readonly uid: string },
  issuer: { readonly group: string; readonly kind: string; readonly name: string },
): string {
  const hash = digest(CERTIFICATE_DIGITS, node.uid, issuer.group, issuer.kind, issuer.name);
  return `ike-${shortened(node.name, MAX_LABEL - CERTIFICATE_DIGITS - 5)}-${hash}`;
}

/** The name of the ServiceAccount, Role and RoleBinding of a node; admission policy compares it with the node's name. */
export function accessName(nodeName: string): string {
  return `node-${nodeName}`;
}

/** Whether a node can have a ServiceAccount of its own: `accessName` must be a name. */
export function hasAccessName(nodeName: string): boolean {
  return accessName(nodeName).length <= MAX_NAME;
}

/** The name of a slice. With the peering's UID in it those of a re-created peering are others. */
export function sliceName(peering: { readonly name: string; readonly uid: string }, index: number): string {
  return `${peering.name}-${digest(SLICE_DIGITS, peering.uid)}-${index}`;
}

/** Which slice of a peering has this name; undefined where none has. */
export function sliceIndex(name: string, peering: { readonly name: string; readonly uid: string }): number | undefined {
  const index = Number(name.split('-').at(-1));
  return name === sliceName(peering, index) ? index : undefined;
}

/** The beginning of a name, ending like a name. */
function shortened(name: string, most: number): string {
  return name.slice(0, most).replace(/[-.]+$/, '');
}

const CERTIFICATE_DIGITS = 16;
const SLICE_DIGITS = 8;
const MAX_LABEL = 63;
const MAX_NAME = 253;
