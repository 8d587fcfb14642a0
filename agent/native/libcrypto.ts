import koffi from 'koffi';

/** An authenticated cipher of OpenSSL. `body` is text | ICV. Calls are synchronous and do not nest. */
export interface LibcryptoAead {
  /** Encrypts the text in place and writes the ICV. */
  seal(key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array, body: Uint8Array): void;
  /** The decrypted text, undefined if the ICV is wrong. `body` is left as it was. */
  open(key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array, body: Uint8Array): Uint8Array | undefined;
}

/** The lengths of an authenticated cipher, in bytes. */
export interface AeadLengths {
  readonly key: number;
  readonly icv: number;
}

/** Longest associated data and body that are taken. All of an IKE message is at most as long as a UDP datagram. */
export const longest = { associatedData: 1024, body: 65_536 } as const;

/**
 * A cipher by OpenSSL's name for it, from the libcrypto that Node has in this process and exports for native addons;
 * undefined where this Node has another library, or its OpenSSL not the cipher. A call through node:crypto makes an object
 * that the collector has to free, and takes five times as long for a message of IKE.
 *
 * C sees nothing but a context, which is made once and never freed, and `memory`, into which everything is copied and
 * whose lengths are checked here. Both hold no key after a call.
 */
export function libcryptoAead(
  cipherName: string,
  lengths: AeadLengths,
  memory: ArrayBuffer = ownMemory,
): LibcryptoAead | undefined {
  if (calls === undefined) return undefined;
  const cipher = calls.EVP_CIPHER_fetch(null, cipherName, null);
  const context = cipher === null ? null : calls.EVP_CIPHER_CTX_new();
  if (cipher === null || context === null) {
    calls.ERR_clear_error();
    return undefined;
  }
  return new AeadContext(calls, cipher, context, lengths, new Arguments(memory));
}

class AeadContext implements LibcryptoAead {
  readonly #calls: Calls;
  readonly #cipher: Pointer;
  readonly #context: Pointer;
  readonly #lengths: AeadLengths;
  readonly #arguments: Arguments;

  constructor(calls: Calls, cipher: Pointer, context: Pointer, lengths: AeadLengths, memory: Arguments) {
    this.#calls = calls;
    this.#cipher = cipher;
    this.#context = context;
    this.#lengths = lengths;
    this.#arguments = memory;
  }

  seal(key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array, body: Uint8Array): void {
    const { text, icv } = this.#arguments;
    const textBytes = this.#checked(key, nonce, associatedData, body);
    try {
      this.#begin(ENCRYPT, key, nonce, associatedData);
      this.#transform(body, textBytes);
      if (!this.#finish()) throw failure('EVP_CipherFinal_ex');
      this.#control(EVP_CTRL_AEAD_GET_TAG);
      body.set(text.subarray(0, textBytes));
      body.set(icv.subarray(0, this.#lengths.icv), textBytes);
    } finally {
      this.#forget(textBytes);
    }
  }

  open(key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array, body: Uint8Array): Uint8Array | undefined {
    const { text, icv } = this.#arguments;
    const textBytes = this.#checked(key, nonce, associatedData, body);
    try {
      this.#begin(DECRYPT, key, nonce, associatedData);
      icv.set(body.subarray(textBytes));
      this.#control(EVP_CTRL_AEAD_SET_TAG);
      this.#transform(body, textBytes);
      if (this.#finish()) return text.slice(0, textBytes);
      // What OpenSSL has noted of it would be taken for the next call's by whoever asks, as node:crypto does for keys.
      this.#calls.ERR_clear_error();
      return undefined;
    } finally {
      this.#forget(textBytes);
    }
  }

  /** Nothing goes to C whose length is not what it will read and write; gives the bytes of the text. */
  #checked(key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array, body: Uint8Array): number {
    const fits =
      key.length === this.#lengths.key &&
      nonce.length === NONCE_BYTES &&
      associatedData.length <= longest.associatedData &&
      body.length <= longest.body &&
      body.length >= this.#lengths.icv;
    if (!fits) throw new RangeError('a key, nonce or message of a length that is not taken');
    return body.length - this.#lengths.icv;
  }

  #begin(direction: 0 | 1, key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array): void {
    const memory = this.#arguments;
    memory.key.set(key);
    memory.nonce.set(nonce);
    memory.associatedData.set(associatedData);
    const { EVP_CipherInit_ex2, EVP_CipherUpdate } = this.#calls;
    if (EVP_CipherInit_ex2(this.#context, this.#cipher, memory.key, memory.nonce, direction, null) !== 1) {
      throw failure('EVP_CipherInit_ex2');
    }
    const { length } = associatedData;
    if (EVP_CipherUpdate(this.#context, null, memory.outputLength, memory.associatedData, length) !== 1) {
      throw failure('EVP_CipherUpdate');
    }
  }

  /** Encrypts or decrypts the text in memory. These ciphers give as many bytes as they take, at once. */
  #transform(body: Uint8Array, textBytes: number): void {
    const { text, outputLength } = this.#arguments;
    text.set(textBytes === body.length ? body : body.subarray(0, textBytes));
    if (this.#calls.EVP_CipherUpdate(this.#context, text, outputLength, text, textBytes) !== 1) {
      throw failure('EVP_CipherUpdate');
    }
  }

  /** False where the ICV is wrong. Writes nothing to the output. */
  #finish(): boolean {
    const { block, outputLength } = this.#arguments;
    return this.#calls.EVP_CipherFinal_ex(this.#context, block, outputLength) === 1;
  }

  #control(command: number): void {
    const { icv } = this.#arguments;
    if (this.#calls.EVP_CIPHER_CTX_ctrl(this.#context, command, this.#lengths.icv, icv) !== 1) {
      throw failure('EVP_CIPHER_CTX_ctrl');
    }
  }

  /** The context overwrites its key when it is reset. */
  #forget(textBytes: number): void {
    this.#calls.EVP_CIPHER_CTX_reset(this.#context);
    const { key, nonce, text } = this.#arguments;
    key.fill(0);
    nonce.fill(0);
    text.fill(0, 0, textBytes);
  }
}

/** What is handed to C: parts of one memory block outside of V8's heap, which neither moves nor goes. */
class Arguments {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly icv: Uint8Array;
  /** For the block that a cipher might give at its end. */
  readonly block: Uint8Array;
  /** An int. */
  readonly outputLength: Uint8Array;
  readonly associatedData: Uint8Array;
  readonly text: Uint8Array;

  constructor(memory: ArrayBuffer) {
    let offset = 0;
    const part = (length: number): Uint8Array => {
      const bytes = new Uint8Array(memory, offset, length);
      offset += length;
      return bytes;
    };
    this.key = part(EVP_MAX_KEY_LENGTH);
    this.nonce = part(EVP_MAX_IV_LENGTH);
    this.icv = part(EVP_MAX_AEAD_TAG_LENGTH);
    this.block = part(EVP_MAX_BLOCK_LENGTH);
    this.outputLength = part(INT_BYTES);
    this.associatedData = part(longest.associatedData);
    this.text = part(longest.body);
  }
}

/** What C gave, to be given back to C. */
type Pointer = object | bigint;

/** The functions by their manual pages, EVP_EncryptInit(3) and ERR_clear_error(3): a wrong prototype crashes the process. */
interface Calls {
  EVP_CIPHER_fetch(library: null, algorithm: string, properties: null): Pointer | null;
  EVP_CIPHER_CTX_new(): Pointer | null;
  EVP_CipherInit_ex2(
    context: Pointer,
    cipher: Pointer,
    key: Uint8Array,
    nonce: Uint8Array,
    direction: 0 | 1,
    parameters: null,
  ): number;
  EVP_CipherUpdate(
    context: Pointer,
    output: Uint8Array | null,
    outputLength: Uint8Array,
    input: Uint8Array,
    inputLength: number,
  ): number;
  EVP_CipherFinal_ex(context: Pointer, output: Uint8Array, outputLength: Uint8Array): number;
  EVP_CIPHER_CTX_ctrl(context: Pointer, command: number, length: number, value: Uint8Array): number;
  EVP_CIPHER_CTX_reset(context: Pointer): number;
  ERR_clear_error(): void;
}

const calls = loadCalls();

/** Undefined where this process has not all of them, as with a Node that is built on another library. */
function loadCalls(): Calls | undefined {
  const prototypes: { readonly [K in keyof Calls]: string } = {
    EVP_CIPHER_fetch: 'void *EVP_CIPHER_fetch(void *library, const char *algorithm, const char *properties)',
    EVP_CIPHER_CTX_new: 'void *EVP_CIPHER_CTX_new()',
    EVP_CipherInit_ex2:
      'int EVP_CipherInit_ex2(void *context, const void *cipher, const void *key, const void *nonce, int direction, const void *parameters)',
    EVP_CipherUpdate:
      'int EVP_CipherUpdate(void *context, void *output, void *outputLength, const void *input, int inputLength)',
    EVP_CipherFinal_ex: 'int EVP_CipherFinal_ex(void *context, void *output, void *outputLength)',
    EVP_CIPHER_CTX_ctrl: 'int EVP_CIPHER_CTX_ctrl(void *context, int command, int length, void *value)',
    EVP_CIPHER_CTX_reset: 'int EVP_CIPHER_CTX_reset(void *context)',
    ERR_clear_error: 'void ERR_clear_error()',
  };
  try {
    const library = koffi.load(null);
    const entries = Object.entries(prototypes).map(([name, prototype]) => [name, library.func(prototype)] as const);
    return Object.fromEntries(entries) as unknown as Calls;
  } catch {
    return undefined;
  }
}

function failure(call: string): Error {
  calls?.ERR_clear_error();
  return new Error(`OpenSSL's ${call} failed`);
}

// openssl/evp.h
const [DECRYPT, ENCRYPT] = [0, 1] as const;
const EVP_CTRL_AEAD_GET_TAG = 0x10;
const EVP_CTRL_AEAD_SET_TAG = 0x11;
const EVP_MAX_KEY_LENGTH = 64;
const EVP_MAX_IV_LENGTH = 16;
const EVP_MAX_AEAD_TAG_LENGTH = 16;
const EVP_MAX_BLOCK_LENGTH = 32;
const INT_BYTES = 4;
/** What AES-GCM and ChaCha20-Poly1305 take unless told otherwise. */
const NONCE_BYTES = 12;
/** Bytes of everything that is handed to C. */
export const MEMORY_BYTES =
  EVP_MAX_KEY_LENGTH +
  EVP_MAX_IV_LENGTH +
  EVP_MAX_AEAD_TAG_LENGTH +
  EVP_MAX_BLOCK_LENGTH +
  INT_BYTES +
  longest.associatedData +
  longest.body;
/** One for all ciphers. Pages that no message has reached are not resident. */
const ownMemory = new ArrayBuffer(MEMORY_BYTES);
