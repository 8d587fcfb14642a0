import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

import { programOf } from '../program.ts';
import { completionsOf } from './complete.ts';
import { COMPLETION_SCRIPTS, SHELLS } from './scripts.ts';

const nowhere = { write: () => true };
const program = programOf({ stdout: nowhere, stderr: nowhere, env: {}, wallMs: () => 0 }, () => {});
const complete = (...words: readonly string[]) =>
  completionsOf(program, words, async () => ['node-a', 'node-b', 'other']);

describe('completion', () => {
  it.each<[readonly string[], readonly string[]]>([
    [['st'], ['status']],
    [
      ['why', 'node'],
      ['node-a', 'node-b'],
    ],
    [
      ['why', 'node-a', ''],
      ['node-a', 'node-b', 'other'],
    ],
    [['why', 'node-a', 'node-b', ''], []],
    [
      ['preflight', 'node-a', 'node-b', ''],
      ['node-a', 'node-b', 'other'],
    ],
    [['-o', 'json', 'sas', 'o'], ['other']],
    [['status', '--output', 'j'], ['json']],
    [['status', '--output=y'], ['--output=yaml']],
    [['render', '--file'], ['--filename']],
    [
      ['completion', ''],
      ['bash', 'fish', 'zsh'],
    ],
    [['gather', '--node', 'node-b'], ['node-b']],
    [
      ['verify', '--probes', '5', 'node-'],
      ['node-a', 'node-b'],
    ],
  ])('of %j is %j', async (words, expected) => {
    expect(await complete(...words)).toEqual(expected);
  });

  it('offers the options of the command and those of all', async () => {
    expect(await complete('gather', '--')).toEqual(expect.arrayContaining(['--out', '--context', '--output']));
  });

  it.each(SHELLS)('has a script that %s can read', async (shell) => {
    if (spawnSync(shell, ['--version']).error !== undefined) return;
    await expect(promisify(execFile)(shell, ['-n', '-c', COMPLETION_SCRIPTS[shell]])).resolves.toBeDefined();
  });
});
