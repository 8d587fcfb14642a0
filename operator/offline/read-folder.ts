import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';

import { ipsecPeering } from '../api/ipsec-peering.ts';
import { readObject } from '../api/read-object.ts';
import { nodeObject } from '../nodeconfig/observed.ts';
import type { Given } from './imagined-cluster.ts';

/** What a folder of manifests holds, or everything that is wrong in it, one line each. */
export interface ReadFolder {
  readonly given: Given;
  readonly faults: readonly string[];
  /** Objects of kinds that the plan does not need. */
  readonly passedOver: readonly string[];
}

/**
 * Reads the peerings and Nodes of all YAML and JSON files of a folder, lists as `kubectl get --output=yaml` prints them
 * included.
 */
export async function readFolder(folder: string): Promise<ReadFolder> {
  const found = new Found();
  const names = (await readdir(folder)).filter((name) => /\.(ya?ml|json)$/.test(name)).sort();
  if (names.length === 0) found.faults.push(`${folder}: has no file that ends in .yaml, .yml or .json`);
  for (const name of names) {
    const { size } = await stat(join(folder, name));
    if (size > MAX_FILE_BYTES) found.faults.push(`${name}: has ${size} bytes; at most ${MAX_FILE_BYTES} are read`);
    else found.readText(name, await readFile(join(folder, name), 'utf8'));
  }
  const { peerings, nodes, faults, passedOver } = found;
  return { given: { peerings, nodes }, faults, passedOver };
}

/** The same for one text, which messages call `name`. */
export function readManifests(name: string, text: string): ReadFolder {
  const found = new Found();
  found.readText(name, text);
  const { peerings, nodes, faults, passedOver } = found;
  return { given: { peerings, nodes }, faults, passedOver };
}

/** Gathers objects and faults. */
class Found {
  readonly peerings: Given['peerings'][number][] = [];
  readonly nodes: Given['nodes'][number][] = [];
  readonly faults: string[] = [];
  readonly passedOver: string[] = [];
  readonly #names = new Set<string>();

  readText(file: string, text: string): void {
    for (const document of parseAllDocuments(text)) {
      const [error] = document.errors;
      if (error !== undefined) this.faults.push(`${file}: ${error.message.split('\n')[0]}`);
      else this.#readValue(file, document.toJS({ maxAliasCount: MAX_ALIASES }));
    }
  }

  #readValue(file: string, value: unknown): void {
    if (value === null || value === undefined) return;
    const { kind, items, metadata } = value as { kind?: unknown; items?: unknown; metadata?: { name?: unknown } };
    if (typeof kind !== 'string') {
      this.faults.push(`${file}: an object has no kind`);
    } else if (kind.endsWith('List') && Array.isArray(items)) {
      for (const item of items) this.#readValue(file, item);
    } else {
      const name = `${kind} ${String(metadata?.name ?? 'without name')}`;
      if (this.#names.has(name)) this.faults.push(`${file}: ${name} is there twice`);
      this.#names.add(name);
      this.#readObject(`${file}: ${name}`, name, kind, value);
    }
  }

  #readObject(place: string, name: string, kind: string, value: unknown): void {
    if (kind === ipsecPeering.kind) {
      const read = readObject(ipsecPeering, value);
      if (read.ok) this.peerings.push(read.value);
      else this.faults.push(...read.error.map(({ field, text }) => `${place}: ${field} ${text}`));
    } else if (kind === 'Node') {
      const read = nodeObject.safeParse(value);
      if (read.success) this.nodes.push(read.data);
      else this.faults.push(...read.error.issues.map(({ path, message }) => `${place}: ${path.join('.')} ${message}`));
    } else {
      this.passedOver.push(name);
    }
  }
}

/** Five thousand Nodes as kubectl prints them. */
const MAX_FILE_BYTES = 128 * 1024 * 1024;
const MAX_ALIASES = 100;
