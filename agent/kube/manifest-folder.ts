import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';

import { err, ok, type Result } from '../result.ts';
import { describeFileError, READABLE_BY_OTHERS } from '../runtime/config/secret-file.ts';
import { MAX_MANIFEST_BYTES, MAX_MANIFEST_FILES } from './limits.ts';
import type { WatchedObject } from './list-watch.ts';

/** An object of Kubernetes as it stands in a file. */
export interface Manifest extends WatchedObject {
  readonly kind: string;
}

/** What one file has, or why nothing of it can be used, as a sentence that names it. */
export interface ManifestFile {
  readonly name: string;
  readonly content: Result<readonly Manifest[], string>;
  /** Whether it has Secrets, and every user may read them. */
  readonly exposesSecrets: boolean;
}

/** The names of the files of a folder that may have manifests; the error is a sentence. */
export async function manifestFiles(folder: string): Promise<Result<readonly string[], string>> {
  try {
    const names = (await readdir(folder)).filter((name) => MANIFEST.test(name)).sort();
    if (names.length <= MAX_MANIFEST_FILES) return ok(names);
    return err(
      `${folder} has ${names.length} files with manifests, at most ${MAX_MANIFEST_FILES} are read: give each node a folder with what is for it`,
    );
  } catch (error) {
    return err(`${folder} cannot be read: ${describeFileError(error)}`);
  }
}

/** Reads the objects of a YAML or JSON file, lists as `kubectl get --output=yaml` prints them included. */
export async function readManifestFile(folder: string, name: string): Promise<ManifestFile> {
  const path = join(folder, name);
  try {
    const { size, mode } = await stat(path);
    if (size > MAX_MANIFEST_BYTES) {
      const text = `${path} has ${size} bytes, at most ${MAX_MANIFEST_BYTES} are read: split it`;
      return { name, content: err(text), exposesSecrets: false };
    }
    const content = objectsOf(path, await readFile(path, 'utf8'));
    const hasSecrets = content.ok && content.value.some(({ kind }) => kind === 'Secret');
    return { name, content, exposesSecrets: hasSecrets && (mode & READABLE_BY_OTHERS) !== 0 };
  } catch (error) {
    return { name, content: err(`${path} cannot be read: ${describeFileError(error)}`), exposesSecrets: false };
  }
}

function objectsOf(path: string, text: string): Result<readonly Manifest[], string> {
  const objects: Manifest[] = [];
  for (const document of parseAllDocuments(text)) {
    const [error] = document.errors;
    // Not the parser's message, which shows parts of the text: that may be a key.
    if (error !== undefined) {
      const [at] = error.linePos ?? [];
      return err(`${path} is not YAML at line ${at?.line ?? '?'}, column ${at?.col ?? '?'}: ${error.code}`);
    }
    const found = objectsIn(plainValue(document));
    if (!found.ok) return err(`${path}: ${found.error}`);
    objects.push(...found.value);
  }
  return ok(objects);
}

function plainValue(document: ReturnType<typeof parseAllDocuments>[number]): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch {
    // Aliases that lead nowhere, or multiply; it says so with parts of the text.
    return {};
  }
}

function objectsIn(value: unknown): Result<readonly Manifest[], string> {
  if (value === null || value === undefined) return ok([]);
  const { kind, items, metadata } = value as Readonly<Record<string, unknown>>;
  if (typeof kind !== 'string') return err('an object has no kind, or has aliases that cannot be followed');
  if (!kind.endsWith('List') || !Array.isArray(items)) {
    const name = (metadata as { readonly name?: unknown } | null | undefined)?.name;
    if (typeof name !== 'string' || name === '') return err(`a ${kind} has no metadata.name`);
    return ok([asServed(value as Manifest)]);
  }
  const objects: Manifest[] = [];
  for (const item of items as readonly unknown[]) {
    const found = objectsIn(item);
    if (!found.ok) return found;
    objects.push(...found.value);
  }
  return ok(objects);
}

/** What an API server would have made of it: `stringData` is only for writing. */
function asServed(object: Manifest): Manifest {
  const { stringData, ...rest } = object as Manifest & Readonly<Record<string, unknown>>;
  if (object.kind !== 'Secret' || typeof stringData !== 'object' || stringData === null) return object;
  const added = Object.entries(stringData).map(([key, text]) => [key, Buffer.from(String(text)).toString('base64')]);
  const data = rest['data'] as Readonly<Record<string, unknown>> | undefined;
  return { ...rest, data: { ...data, ...Object.fromEntries(added) } } as Manifest;
}

/** Names that begin with a dot are those of editors, and of the folders behind what kubelet mounts. */
const MANIFEST = /^[^.].*\.(ya?ml|json)$/;
const MAX_ALIASES = 100;
