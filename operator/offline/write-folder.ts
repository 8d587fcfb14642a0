import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';

import type { WrittenObject } from '../nodeconfig/observed.ts';

/**
 * Writes each object into a file of its own, `<kind>-<name>.yaml`, without what only a cluster gives it. The folder is
 * made, or must be empty: files of an earlier run would be taken for wanted.
 */
export async function writeFolder(folder: string, objects: readonly WrittenObject[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) throw new Error(`${folder} is not empty: name another folder, or empty it`);
  for (const object of objects) {
    const name = `${object.kind.toLowerCase()}-${object.metadata.name}.yaml`;
    await writeFile(join(folder, name), stringify(withoutCluster(object), { aliasDuplicateObjects: false }));
  }
}

function withoutCluster(object: WrittenObject): unknown {
  const { apiVersion, kind, metadata, ...content } = object;
  const { name, namespace, labels } = metadata;
  const kept = Object.fromEntries(
    Object.entries({ name, namespace, labels }).filter(([, value]) => value !== undefined),
  );
  return { apiVersion, kind, metadata: kept, ...content, status: undefined };
}
