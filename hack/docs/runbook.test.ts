import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

import { projectFolder } from '../image/build-image.ts';

const run = promisify(execFile);

/** Says what it would exec in; lists the Pods of a node in the form that is asked for. */
const KUBECTL = `kubectl() {
  case "$*" in
    *' exec '*) printf '%s\\n' "$4 $7 $8" ;;
    *--output=jsonpath=*) printf '%s\\n' 'false agent-of-update' 'true agent-before' ' agent-pending' ;;
    *) printf 'pod/%s\\n' agent-of-update agent-before agent-pending ;;
  esac
}`;

it('the runbook asks the agent that is ready while a node has the one of an update beside it', async () => {
  const runbook = readFileSync(join(projectFolder, 'charts/ikemesh/RUNBOOK.md'), 'utf8');
  const [, agent = ''] = /\n( {4}agent\(\) \{[\s\S]*?\}\n)/.exec(runbook) ?? [];
  const { stdout } = await run('bash', ['-c', `${KUBECTL}\n${agent.trim()}\nagent a status`]);
  expect(stdout).toBe('agent-before /app/agent.js status\n');
});
