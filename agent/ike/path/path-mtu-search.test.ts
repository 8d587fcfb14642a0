import { describe, expect, it } from 'vitest';

import { afterTry, beginSearch, nextSize } from './path-mtu-search.ts';

/** What a search finds on a path that lets so much pass, and how many packets it takes. */
function found(most: number, path: number, isLost: (tries: number) => boolean = () => false) {
  let search = beginSearch(576, most);
  let tries = 0;
  for (let size = nextSize(search); size !== undefined; size = nextSize(search)) {
    tries += 1;
    search = afterTry(search, size, size <= path && !isLost(tries) ? size : undefined, 3);
  }
  return { bytes: search.shown, tries };
}

describe('the search for a path MTU', () => {
  it('takes one packet where the interface sends no more than the path lets pass', () => {
    expect(found(1_500, 1_500)).toEqual({ bytes: 1_500, tries: 1 });
    expect(found(9_000, 9_000)).toEqual({ bytes: 9_000, tries: 1 });
  });

  it('finds every path to four bytes, and never more than it lets pass', () => {
    for (let path = 576; path <= 1_500; path += 1) {
      const { bytes } = found(1_500, path);
      expect(bytes).toBeLessThanOrEqual(path);
      expect(bytes).toBeGreaterThan(path - 4);
    }
  });

  it('takes so many packets at most', () => {
    const most = Math.max(...Array.from({ length: 8_424 }, (_, index) => found(9_000, 576 + index).tries));
    expect(most).toBeLessThanOrEqual(40);
  });

  it('takes one lost packet, or two, for chance', () => {
    expect(found(1_500, 1_500, (tries) => tries <= 2)).toEqual({ bytes: 1_500, tries: 3 });
  });

  it('tells how long what arrived was, where not every size can be filled', () => {
    const search = afterTry(beginSearch(576, 1_500), 1_500, 1_492, 3);
    expect([nextSize(search), search.shown]).toEqual([undefined, 1_492]);
  });

  it('has nothing to try where the interface sends no more than every path lets pass', () => {
    expect(nextSize(beginSearch(1_280, 1_280))).toBeUndefined();
  });
});
