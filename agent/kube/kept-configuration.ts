import { hash } from 'node:crypto';
import { join } from 'node:path';

import { err, ok, type Result } from '../result.ts';
import { readBoundedFile } from '../runtime/config/bounded-file.ts';
import { writeDurably } from './durable-file.ts';
import { MAX_KEPT_BYTES } from './limits.ts';

/** What an agent was told last, as it came from the API server; no secret is in it. */
export interface KeptConfiguration {
  readonly nodeName: string;
  /** The IPsecNodeConfig, without status. */
  readonly nodeConfig: unknown;
  /** Peers of each mesh, by the name of the peering, as they stand in its slices. */
  readonly peers: Readonly<Record<string, readonly unknown[]>>;
}

/** Keeps the last good configuration on the node, for a start without the API server. */
export class ConfigurationFile {
  readonly path: string;
  readonly #nodeName: string | undefined;
  #written: string | undefined;

  /** Without a name it is that of whichever node this is. */
  constructor(folder: string, nodeName: string | undefined) {
    this.path = join(folder, FILE_NAME);
    this.#nodeName = nodeName;
  }

  /** Writes it unless it is the one that is there; the error is a sentence. */
  async write(kept: KeptConfiguration): Promise<Result<void, string>> {
    const content = JSON.stringify(kept);
    if (content === this.#written) return ok(undefined);
    // A first line that says what this is, so that other versions can tell without reading the rest.
    const header = JSON.stringify({ format: FORMAT, version: FORMAT_VERSION, sha256: hash('sha256', content) });
    const text = `${header}\n${content}\n`;
    if (Buffer.byteLength(text) > MAX_KEPT_BYTES) {
      return err(`${this.path} would have more than ${MAX_KEPT_BYTES} bytes; the one before stays`);
    }
    try {
      await writeDurably(this.path, text);
      this.#written = content;
      return ok(undefined);
    } catch (error) {
      return err(
        `${this.path} cannot be written: ${(error as Error).message}: make room on its disk and have it mounted writable; after a restart without API server the one before counts`,
      );
    }
  }

  /** Reads it; undefined where there is none. Whatever else is there is told in a sentence, and is no configuration. */
  async read(): Promise<Result<KeptConfiguration | undefined, string>> {
    const read = await readBoundedFile(this.path, MAX_KEPT_BYTES);
    if (!read.ok) return read.error.endsWith('there is no such file') ? ok(undefined) : err(read.error);
    const [headerLine = '', content = ''] = read.value.content.toString('utf8').split('\n', 2);
    const header = parsed(headerLine);
    if (header === undefined || header['format'] !== FORMAT) {
      return err(`${this.path} is not a configuration kept by this program`);
    }
    if (header['version'] !== FORMAT_VERSION) {
      return err(
        `${this.path} is of format ${String(header['version']).slice(0, 20)}, this version reads ${FORMAT_VERSION}: another version of the agent wrote it`,
      );
    }
    if (header['sha256'] !== hash('sha256', content)) return err(`${this.path} is cut short or was changed`);
    const kept = parsed(content);
    if (kept === undefined || !isKept(kept)) return err(`${this.path} is not a kept configuration`);
    if (this.#nodeName !== undefined && kept.nodeName !== this.#nodeName)
      return err(`${this.path} is that of node ${kept.nodeName.slice(0, 253)}, not of ${this.#nodeName}`);
    this.#written = content;
    return ok(kept);
  }
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function isKept(
  value: Readonly<Record<string, unknown>>,
): value is Readonly<Record<string, unknown>> & KeptConfiguration {
  const { nodeName, nodeConfig, peers } = value;
  if (typeof nodeName !== 'string' || typeof nodeConfig !== 'object' || nodeConfig === null) return false;
  return typeof peers === 'object' && peers !== null && Object.values(peers).every(Array.isArray);
}

const FILE_NAME = 'configuration.json';
const FORMAT = 'ikemesh agent configuration';
/** Raised when an older version would misread it. */
const FORMAT_VERSION = 1;
