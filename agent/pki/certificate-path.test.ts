import { describe, expect, it } from 'vitest';

import { type Certificate, readCertificate } from './certificate.ts';
import { candidatePaths } from './certificate-path.ts';
import { MAX_PATH_LENGTH, MAX_PATH_STEPS, MAX_PATHS } from './limits.ts';
import { TestAuthority } from './testing/authority.ts';

interface Named {
  readonly name: string;
  readonly certificate: Certificate;
}

function named(name: string, der: Uint8Array): Named {
  const read = readCertificate(der);
  if (!read.ok) throw new Error(read.error);
  return { name, certificate: read.value };
}

function names(paths: readonly (readonly Named[])[]): readonly string[] {
  return paths.map((path) => path.map(({ name }) => name).join(' '));
}

const root = TestAuthority.root('Root');
const other = TestAuthority.root('Other');
const middle = root.intermediate('Middle');
const cross = other.issue({ authority: true, subject: middle.subject, key: middle.key });
const leaf = named('leaf', middle.node('node-a').der);
const ROOT = named('root', root.der);

describe('the paths from a certificate to trusted ones', () => {
  it('go by the names of issuers, over cross-certificates too, the shortest first', () => {
    const between = [
      named('cross', cross.der),
      named('middle', middle.der),
      named('stranger', TestAuthority.root('X').der),
    ];
    const anchors = [ROOT, named('other', other.der), named('pinned', middle.der)];
    expect(names(candidatePaths(leaf, between, anchors))).toEqual([
      'leaf pinned',
      'leaf cross other',
      'leaf middle root',
    ]);
    expect(candidatePaths(leaf, [], [ROOT])).toEqual([]);
  });

  it('have no certificate twice, however they certify each other', () => {
    const loop = [named('self', TestAuthority.root('Middle').der), named('middle', middle.der)];
    const [first = [], ...more] = candidatePaths(leaf, loop, [ROOT]);
    expect(first.map(({ name }) => name)).toEqual(['leaf', 'middle', 'root']);
    for (const path of [first, ...more]) expect(new Set(path).size).toBe(path.length);
  });

  it('are few, and short, although many certificates have one name', () => {
    const many = Array.from({ length: 16 }, (_, index) => named(`${index}`, TestAuthority.root('Middle').der));
    expect(candidatePaths(leaf, many, [ROOT])).toEqual([]);
    const anchors = Array.from({ length: 16 }, (_, index) =>
      named(`anchor ${index}`, TestAuthority.root('Middle').der),
    );
    const paths = candidatePaths(leaf, many, anchors);
    expect(paths).toHaveLength(MAX_PATHS);
    for (const path of paths) expect(path.length).toBeLessThanOrEqual(MAX_PATH_LENGTH);
    expect(MAX_PATH_STEPS).toBeLessThan(16 ** 2);
  });
});
