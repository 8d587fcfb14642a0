import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { isRunning } from '../../lab/host/run-folder.ts';

/** Makes a folder for a control plane, readable by its owner only, and removes those whose owner has died. */
export function makeControlPlaneFolder(): string {
  for (const name of readdirSync(tmpdir())) {
    const [, owner] = /^ikemesh-control-plane-(\d+)-/.exec(name) ?? [];
    if (owner !== undefined && !isRunning(Number(owner))) removeFolder(join(tmpdir(), name));
  }
  return mkdtempSync(join(tmpdir(), `ikemesh-control-plane-${process.pid}-`));
}

export function removeFolder(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 3 });
}
