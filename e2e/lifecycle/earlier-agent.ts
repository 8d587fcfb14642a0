import { join } from 'node:path';

import { ok, type Result } from '../../agent/result.ts';
import { earlierSource } from '../earlier-source.ts';

/** The agent's source at an earlier commit. */
export interface EarlierAgent {
  /** Puts it into a folder and gives the path of its main program. */
  readonly extract: (folder: string) => Promise<string>;
}

/** Finds a commit in the history of this checkout; a reason where there is none, as in a source archive. */
export function earlierAgent(commit: string): Result<EarlierAgent, string> {
  const found = earlierSource(commit);
  if (!found.ok) return found;
  return ok({
    extract: async (folder) => {
      const source = join(folder, 'earlier');
      found.value.extract(source, ['agent', 'operator', 'package.json', 'tsconfig.json']);
      return join(source, 'agent/main.ts');
    },
  });
}
