import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

interface LockedPackage {
  readonly version?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const lock = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')) as {
  readonly packages: Readonly<Record<string, LockedPackage>>;
};

describe('the lock file', () => {
  // npm leaves out packages of other platforms that it did not see when it wrote the file, and then npm ci refuses it.
  it('names the optional packages of every platform, so that npm ci accepts it anywhere', () => {
    const missing = Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) => !(`node_modules/${name}` in lock.packages) && !(`${path}/node_modules/${name}` in lock.packages),
      ),
    );
    expect(missing).toEqual([]);
  });

  it('pins every package to one version', () => {
    const unpinned = Object.entries(lock.packages).filter(
      ([path, { version }]) => path !== '' && version === undefined,
    );
    expect(unpinned).toEqual([]);
  });
});
