import { opensslProvider } from '../../agent/crypto/openssl/openssl-provider.ts';
import type { CryptoProvider, DirectionKeys, MessageProtection } from '../../agent/crypto/types.ts';
import { ok } from '../../agent/result.ts';
import { decodeHeader } from '../../agent/wire/header.ts';
import { decodeMessage, decodePayloads, encodeMessage, type Message } from '../../agent/wire/message.ts';
import type { Payload } from '../../agent/wire/payloads/payload.ts';
import { encodeProtected, openProtected } from '../../agent/wire/sk.ts';
import type { Bench, BenchResult, Extent } from './bench.ts';
import { IKE_PROPOSAL } from './connections.ts';
import { cpuSeconds, median } from './measure.ts';
import { TwoEnds } from './two-ends.ts';

/** Messages of the initial exchanges, without cryptography. */
export const codecBench: Bench = {
  name: 'codec',
  summary: 'messages of IKE_SA_INIT and IKE_AUTH decoded and encoded per CPU-second, encryption left out',
  run: (extent, progress) =>
    captureMessages().map((captured) => {
      progress(captured.name);
      return measure(captured, ROUNDS[extent], MESSAGES[extent]);
    }),
};

/** A message of a handshake and both ways of it. */
export interface CapturedMessage {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Takes the bytes apart into payloads, those in SK included. */
  decode(): readonly Payload[];
  /** Makes the bytes anew. */
  encode(): Uint8Array;
}

/** The four messages of a handshake whose SK payloads are not encrypted. */
export function captureMessages(): readonly CapturedMessage[] {
  const datagrams: Uint8Array[] = [];
  const ends = new TwoEnds({
    crypto: withoutEncryption(opensslProvider),
    kernel: () => () => ok(undefined),
    onDatagram: (bytes) => datagrams.push(bytes.slice()),
  });
  ends.configure(0, 1);
  ends.establish(0);
  return NAMES.map((name, index) => {
    const bytes = datagrams[index];
    if (bytes === undefined || datagrams.length !== NAMES.length) throw new Error(`${datagrams.length} messages`);
    return capturedMessage(name, bytes);
  });
}

function capturedMessage(name: string, bytes: Uint8Array): CapturedMessage {
  const decode = (): readonly Payload[] => decodeWhole(bytes);
  const header = decodeHeader(bytes);
  if (!header.ok) throw new Error(header.error.reason);
  const payloads = decode();
  const message = { header: header.value, payloads, protection: unencrypted, keys: NO_KEYS, iv: NO_IV };
  const inClear = decoded(bytes).protected === undefined;
  return {
    name,
    bytes,
    decode,
    encode: () => (inClear ? encodeMessage(header.value, payloads) : encodeProtected(message)),
  };
}

function decodeWhole(bytes: Uint8Array): readonly Payload[] {
  const message = decoded(bytes);
  if (message.protected === undefined) return message.payloads;
  const chain = openProtected(bytes, message.protected, unencrypted, NO_KEYS);
  const payloads = chain.ok ? decodePayloads(chain.value.first, chain.value.bytes) : chain;
  if (!payloads.ok) throw new Error('a message of our own does not decode');
  return payloads.value;
}

function decoded(bytes: Uint8Array): Message {
  const message = decodeMessage(bytes);
  if (!message.ok) throw new Error(`${message.error.field} ${message.error.reason}`);
  return message.value;
}

function measure(captured: CapturedMessage, rounds: number, messages: number): BenchResult {
  const perSecond = (work: () => unknown): number =>
    messages /
    cpuSeconds(() => {
      for (let count = 0; count < messages; count += 1) work();
    });
  const decodes: number[] = [];
  const encodes: number[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    const [decode, encode] = [perSecond(captured.decode), perSecond(captured.encode)];
    // The first round lets the engine compile.
    if (round === 0) continue;
    decodes.push(decode);
    encodes.push(encode);
  }
  return {
    bench: 'codec',
    parameters: {
      message: captured.name,
      messageBytes: captured.bytes.length,
      ike: IKE_PROPOSAL,
      rounds,
      messages,
    },
    figures: { decodedPerCpuSecond: median(decodes), encodedPerCpuSecond: median(encodes) },
    targets: [],
  };
}

/** A provider whose SK payloads have room for IV and ICV but are left in the clear. */
function withoutEncryption(provider: CryptoProvider): CryptoProvider {
  return { ...provider, messageProtection: () => unencrypted };
}

const NAMES = ['IKE_SA_INIT request', 'IKE_SA_INIT response', 'IKE_AUTH request', 'IKE_AUTH response'] as const;
const ROUNDS: Readonly<Record<Extent, number>> = { quick: 3, full: 9 };
const MESSAGES: Readonly<Record<Extent, number>> = { quick: 10_000, full: 30_000 };
const NO_KEYS: DirectionKeys = { encryption: new Uint8Array(36), integrity: new Uint8Array(0) };
const NO_IV = { fill: (): void => undefined };

/** The lengths of AES-GCM with a 16-byte ICV. */
const unencrypted: MessageProtection = {
  ivBytes: 8,
  icvBytes: 16,
  blockBytes: 1,
  encryptionKeyBytes: 36,
  integrityKeyBytes: 0,
  unpredictableIv: false,
  seal: () => undefined,
  open: (_keys, message, ivOffset) => message.slice(ivOffset + 8, message.length - 16),
};
