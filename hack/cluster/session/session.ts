import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { isRunning } from '../../lab/host/run-folder.ts';
import { exists } from '../programs/files.ts';
import { clusterCacheFolder } from '../programs/program-paths.ts';

/** A cluster that `up` left running, as other commands find it. */
export interface Session {
  /** The process that keeps it; with that process it ends. */
  readonly keeper: number;
  /** Logs, keys and data; goes with the cluster. */
  readonly folder: string;
  readonly url: string;
  /** Of one who may do everything. */
  readonly kubeconfig: string;
  readonly auditLog: string;
  /** Whether it has nodes, and its keeper takes orders for them. */
  readonly nodes: boolean;
}

/** Where the session of a name is written down. */
export function sessionFile(name: string, environment: NodeJS.ProcessEnv = process.env): string {
  return join(clusterCacheFolder(environment), 'sessions', `${name}.json`);
}

/** The session of a name, unless its keeper has died. */
export async function readSession(file: string): Promise<Session | undefined> {
  if (!(await exists(file))) return undefined;
  const session = JSON.parse(await readFile(file, 'utf8')) as Session;
  return isRunning(session.keeper) && (await exists(session.folder)) ? session : undefined;
}

/** @throws when there is one of this name. */
export async function writeSession(file: string, session: Session): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(session, undefined, 2)}\n`, { mode: 0o600, flag: 'wx' });
}

export async function removeSession(file: string): Promise<void> {
  await rm(file, { force: true });
}
