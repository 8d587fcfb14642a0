import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { err, ok, type Result } from '../../agent/result.ts';
import { projectFolder } from '../../hack/lab/host/with-esp.ts';

/** The agent's source at an earlier commit. */
export interface EarlierAgent {
  /** Puts it into a folder and gives the path of its main program. */
  readonly extract: (folder: string) => Promise<string>;
}

/**
 * The commit that upgrades begin at and rollbacks end at: the first one whose agents keep what is exempt. A later one takes its
 * place when agents older than that need not be upgraded from any more.
 */
export const EARLIER_COMMIT = 'f50600b';

/** Finds a commit in the history of this checkout; a reason where there is none, as in a source archive. */
export function earlierAgent(commit: string): Result<EarlierAgent, string> {
  try {
    git('rev-parse', '--verify', '--quiet', `${commit}^{commit}`);
  } catch {
    return err(
      `commit ${commit}, which the agent is upgraded from, is not here: it needs a git checkout with its history`,
    );
  }
  return ok({
    extract: async (folder) => {
      const source = join(folder, 'earlier');
      mkdirSync(source);
      const archive = git('archive', commit, 'agent', 'operator', 'package.json', 'tsconfig.json');
      execFileSync('tar', ['-x', '-C', source], { input: archive });
      return join(source, 'agent/main.ts');
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
