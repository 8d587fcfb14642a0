import { describe, expect, it } from 'vitest';

import { recipeFolderName, recipes } from './recipe.ts';

describe('recipeFolderName', () => {
  const name = recipeFolderName(recipes.strongswan, 'layout 1');

  it('is the same for the same content, in whatever order the packages stand', () => {
    const packages = [...recipes.strongswan.packages].reverse();
    expect(recipeFolderName({ ...recipes.strongswan, packages }, 'layout 1')).toBe(name);
    expect(name).toMatch(/^strongswan-[0-9a-f]{16}$/);
  });

  it('changes with a package, the release and the way the folder is prepared', () => {
    const more = { ...recipes.strongswan, packages: [...recipes.strongswan.packages, 'htop'] };
    const names = [
      recipeFolderName(more, 'layout 1'),
      recipeFolderName({ ...recipes.strongswan, suite: 'bookworm' }, 'layout 1'),
      recipeFolderName(recipes.strongswan, 'layout 2'),
    ];
    expect(new Set([name, ...names]).size).toBe(4);
  });
});
