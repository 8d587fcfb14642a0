/**
 * What probes carry: the token of the run (16 bytes), a kind, and the number of the probe (2 bytes). A greeting says that
 * somebody is there; an answer is never longer than its probe.
 */
export type ProbeMessage =
  | { readonly kind: 'greeting' }
  | { readonly kind: 'probe' | 'answer'; readonly number: number };

export function encodeProbe(token: Uint8Array, message: ProbeMessage): Uint8Array {
  const bytes = new Uint8Array(PROBE_BYTES);
  bytes.set(token);
  bytes[TOKEN_BYTES] = KINDS.indexOf(message.kind);
  if (message.kind !== 'greeting') new DataView(bytes.buffer).setUint16(TOKEN_BYTES + 1, message.number);
  return bytes;
}

/** Undefined for everything that is none of this run. */
export function decodeProbe(token: Uint8Array, bytes: Uint8Array): ProbeMessage | undefined {
  if (bytes.length !== PROBE_BYTES || !token.every((byte, index) => bytes[index] === byte)) return undefined;
  const kind = KINDS[bytes[TOKEN_BYTES] ?? KINDS.length];
  if (kind === undefined) return undefined;
  if (kind === 'greeting') return { kind };
  return { kind, number: new DataView(bytes.buffer, bytes.byteOffset).getUint16(TOKEN_BYTES + 1) };
}

const KINDS = ['greeting', 'probe', 'answer'] as const;
const TOKEN_BYTES = 16;
/** As long as an ordinary small packet. */
const PROBE_BYTES = 64;
