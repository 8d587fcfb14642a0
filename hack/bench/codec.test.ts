import { describe, expect, it } from 'vitest';

import { captureMessages } from './codec.ts';

describe('codec bench', () => {
  const messages = captureMessages();

  it('takes the four messages of the initial exchanges apart, IKE_AUTH down to its inner payloads', () => {
    const kinds = messages.map((message) => message.decode().map((payload) => payload.kind));
    expect(kinds).toEqual([
      ['sa', 'ke', 'nonce', 'notify', 'notify', 'notify', 'vendor'],
      ['sa', 'ke', 'nonce', 'notify', 'notify', 'notify', 'vendor'],
      ['idi', 'idr', 'auth', 'notify', 'notify', 'sa', 'tsi', 'tsr'],
      ['idr', 'auth', 'notify', 'notify', 'sa', 'tsi', 'tsr'],
    ]);
  });

  it('makes the same bytes of the payloads again', () => {
    for (const message of messages) expect(message.encode()).toEqual(message.bytes);
  });
});
