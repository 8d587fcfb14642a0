import { describe, expect, it } from 'vitest';

import { mergeSections, settingsText } from './settings.ts';

describe('settingsText', () => {
  it('writes nested sections, lists and truth values', () => {
    const text = settingsText({
      connections: { net: { version: 2, local_addrs: ['192.0.2.1', '2001:db8::1'], mobike: false } },
    });
    expect(text).toBe(
      'connections {\n  net {\n    version = 2\n    local_addrs = "192.0.2.1, 2001:db8::1"\n    mobike = no\n  }\n}\n',
    );
  });

  it('quotes what would otherwise be syntax', () => {
    expect(settingsText({ secret: 'a # {b} = "c" \\' })).toBe('secret = "a # {b} = \\"c\\" \\\\"\n');
  });
});

describe('mergeSections', () => {
  it('replaces settings and keeps the neighbours in the same section', () => {
    const base = { load: 'x', plugins: { vici: { socket: 's' } } };
    expect(mergeSections(base, { load: 'y', plugins: { vici: { group: 'g' }, more: { a: 1 } } })).toEqual({
      load: 'y',
      plugins: { vici: { socket: 's', group: 'g' }, more: { a: 1 } },
    });
  });
});
