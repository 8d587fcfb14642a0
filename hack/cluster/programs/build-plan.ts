import { createHash } from 'node:crypto';

import type { Program } from './program.ts';

/** Stripped and without the paths of this machine; linked statically, since nobody knows the C library of the guest. */
const buildFlags = ['-trimpath', '-buildvcs=false'] as const;

/** What decides how a program turns out, beside its table row. */
export interface BuildInputs {
  /** Content of go.mod, go.sum and the module's own Go files, by their paths. */
  readonly sources: ReadonlyMap<string, string>;
  /** Go's name of the processor, such as amd64. */
  readonly architecture: string;
}

/** Where the cache keeps a program: a changed pin or flag is never served by an old folder. */
export function programFolderName(program: Program, { sources, architecture }: BuildInputs): string {
  const beside = program.beside === undefined ? [] : [program.beside];
  const content = JSON.stringify([buildWords(program, ''), ...beside, architecture, [...sources].sort()]);
  return `${program.name}-${createHash('sha256').update(content).digest('hex').slice(0, 16)}`;
}

/** What `go` is told to build a program; `-v` has it name each package that it compiles. */
export function buildWords(program: Program, target: string, jobs = 0): readonly string[] {
  const variables = Object.entries(program.variables ?? {}).map(([name, value]) => `-X=${name}=${value}`);
  const linker = ['-s', '-w', ...variables].join(' ');
  const tags = program.tags === undefined ? [] : ['-tags', program.tags.join(',')];
  const parallel = jobs === 0 ? [] : ['-p', String(jobs)];
  return ['build', '-v', ...parallel, ...buildFlags, ...tags, `-ldflags=${linker}`, '-o', target, program.package];
}

/** What `go` finds in its environment. */
export function buildEnvironment(environment: NodeJS.ProcessEnv, jobs: number): NodeJS.ProcessEnv {
  return { ...environment, CGO_ENABLED: '0', GOWORK: 'off', ...(jobs === 0 ? {} : { GOMAXPROCS: String(jobs) }) };
}
