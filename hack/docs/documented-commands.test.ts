import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { projectFolder } from '../image/build-image.ts';
import { commandsOf } from './commands-of.ts';
import { TRIED_COMMANDS } from './how-commands-are-tried.ts';

const read = (path: string) => readFileSync(join(projectFolder, path), 'utf8');
const documents = globSync(['README.md', '{agent,charts,crds,e2e,hack,operator}/**/*.md'], { cwd: projectFolder });
const commands = documents.flatMap((document) => commandsOf(document, read(document)));
const trialOf = (text: string) => TRIED_COMMANDS.find(({ begins }) => text.startsWith(begins));
const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Readonly<Record<string, string>> };

describe('the commands in the documents', () => {
  it('are found in blocks and in the text, whole, and without their comments', () => {
    const text = ['```sh', 'helm install x \\', '  --set a=b   # why', '```', 'Say `kubectl get nodes` or `helm`.'];
    expect(commandsOf('x.md', text.join('\n'))).toEqual([
      { document: 'x.md', line: 2, text: 'helm install x --set a=b' },
      { document: 'x.md', line: 5, text: 'kubectl get nodes' },
    ]);
  });

  it('are each run by a test, or it is said why by none', () => {
    expect(commands.length).toBeGreaterThan(150);
    const unknown = commands.filter(({ text }) => trialOf(text) === undefined);
    expect(unknown.map(({ document, line, text }) => `${document}:${line}: ${text}`)).toEqual([]);
  });

  it('are all that is said to be tried', () => {
    const used = new Set(commands.map(({ text }) => trialOf(text)));
    expect(TRIED_COMMANDS.filter((each) => !used.has(each)).map(({ begins }) => begins)).toEqual([]);
  });

  it.each(TRIED_COMMANDS)('$begins is in the test that is to run it, or in package.json', ({ trial }) => {
    if ('test' in trial) expect(read(trial.test).includes(trial.says), `${trial.test} says ${trial.says}`).toBe(true);
    if (!('script' in trial)) return;
    expect(scripts[trial.script]).toBeDefined();
    if (trial.ranBy !== undefined) expect(existsSync(join(projectFolder, trial.ranBy)), trial.ranBy).toBe(true);
  });

  it.each(commands.filter(({ text }) => text.startsWith('npm run')))(
    '$document:$line: $text has flags that there are',
    ({ text }) => {
      const trial = trialOf(text)?.trial;
      const flags = [...text.matchAll(/ (--[a-z][a-z-]+)/g)].map(([, flag = '']) => flag);
      if (flags.length === 0) return;
      if (trial === undefined || !('script' in trial) || trial.program === undefined)
        throw new Error('say which program has them');
      const folder = join(trial.program, '..');
      const sources = globSync(`${folder}/**/*.ts`, { cwd: projectFolder }).map(read).join('\n');
      for (const flag of flags)
        expect(sources, flag).toMatch(new RegExp(`${flag}\\b|'${flag.slice(2)}'|\\b${flag.slice(2)}:`));
    },
  );
});
