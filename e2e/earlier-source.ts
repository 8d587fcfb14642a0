import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

import { err, ok, type Result } from '../agent/result.ts';
import { projectFolder } from '../hack/lab/host/with-esp.ts';

/** The sources of an earlier commit. */
export interface EarlierSource {
  /** Puts files and folders of it, all unless some are named, into a new folder. */
  readonly extract: (folder: string, paths?: readonly string[]) => void;
}

/**
 * The commit that upgrades begin at and rollbacks end at: the first one whose agents keep what is exempt. A later one takes its
 * place when agents older than that need not be upgraded from any more.
 */
export const EARLIER_COMMIT = 'f50600b';

/** Finds a commit in the history of this checkout; a reason where there is none, as in a source archive. */
export function earlierSource(commit: string): Result<EarlierSource, string> {
  try {
    git('rev-parse', '--verify', '--quiet', `${commit}^{commit}`);
  } catch {
    return err(`commit ${commit}, which is upgraded from, is not here: it needs a git checkout with its history`);
  }
  return ok({
    extract: (folder, paths = []) => {
      mkdirSync(folder, { recursive: true });
      execFileSync('tar', ['-x', '-C', folder], { input: git('archive', commit, ...paths) });
    },
  });
}

function git(...words: readonly string[]): Buffer {
  return execFileSync('git', ['-C', projectFolder, ...words], {
    maxBuffer: ARCHIVE_BYTES,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

const ARCHIVE_BYTES = 256 * 1024 * 1024;
