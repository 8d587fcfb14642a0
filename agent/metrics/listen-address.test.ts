import { describe, expect, it } from 'vitest';

import { ok } from '../result.ts';
import { parseListenAddress } from './listen-address.ts';

describe('the address to serve metrics at', () => {
  it.each([
    ['10.0.0.1:9917', '10.0.0.1', 9_917],
    ['[fd00::1]:9917', 'fd00::1', 9_917],
    // As a template writes it that knows the address of a node, but not its family.
    ['fd00::1:9917', 'fd00::1', 9_917],
    ['[10.0.0.1]:9917', '10.0.0.1', 9_917],
    ['0.0.0.0:1', '0.0.0.0', 1],
  ])('%s', (text, address, port) => {
    expect(parseListenAddress(text)).toEqual(ok({ address, port }));
  });

  it.each(['', '9917', ':9917', 'localhost:9917', '10.0.0.1', '10.0.0.1:0', '10.0.0.1:65536', '10.0.0.1:http'])(
    'is not %s',
    (text) => {
      expect(parseListenAddress(text)).toMatchObject({ ok: false, error: expect.stringContaining('ADDRESS:PORT') });
    },
  );
});
