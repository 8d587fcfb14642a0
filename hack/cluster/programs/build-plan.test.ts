import { describe, expect, it } from 'vitest';

import { type BuildInputs, buildEnvironment, buildWords, programFolderName } from './build-plan.ts';
import { programs } from './program.ts';

const inputs: BuildInputs = { sources: new Map([['go.mod', 'require a v1.0.0']]), architecture: 'x64' };

describe('the cache of programs', () => {
  it('serves a program again as long as nothing about it has changed', () => {
    const same: BuildInputs = { sources: new Map(inputs.sources), architecture: 'x64' };
    expect(programFolderName(programs.etcd, same)).toBe(programFolderName(programs.etcd, inputs));
  });

  it('does not serve a program of another pin, another processor or another linker variable', () => {
    const pinned: BuildInputs = { ...inputs, sources: new Map([['go.mod', 'require a v1.0.1']]) };
    const names = [
      programFolderName(programs.etcd, inputs),
      programFolderName(programs.etcd, pinned),
      programFolderName(programs.etcd, { ...inputs, architecture: 'arm64' }),
      programFolderName({ ...programs.etcd, variables: { 'main.version': '1' } }, inputs),
    ];
    expect(new Set(names).size).toBe(4);
  });

  it('gives a program the same folder however many processors built it', () => {
    expect(buildWords(programs.etcd, '', 1)).not.toEqual(buildWords(programs.etcd, ''));
    expect(programFolderName(programs.etcd, inputs)).toMatch(/^etcd-[0-9a-f]{16}$/);
  });
});

describe('a build', () => {
  it('tells the Kubernetes programs their version, without which clients refuse them', () => {
    expect(buildWords(programs['kube-apiserver'], '/target')).toContain(
      '-ldflags=-s -w -X=k8s.io/component-base/version.gitVersion=v1.37.2 -X=k8s.io/component-base/version.gitMajor=1 ' +
        '-X=k8s.io/component-base/version.gitMinor=37',
    );
  });

  it('needs no C compiler, and takes no more processors than it may', () => {
    expect(buildEnvironment({ PATH: '/bin' }, 1)).toEqual({
      PATH: '/bin',
      CGO_ENABLED: '0',
      GOWORK: 'off',
      GOMAXPROCS: '1',
    });
    expect(buildWords(programs.etcd, '/target', 1).slice(0, 4)).toEqual(['build', '-v', '-p', '1']);
    expect(buildEnvironment({}, 0)).not.toHaveProperty('GOMAXPROCS');
  });
});
