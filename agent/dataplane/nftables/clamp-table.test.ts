import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import { removalMessages, tableMessages } from './clamp-table.ts';

interface Recorded {
  readonly text: readonly string[];
  readonly messages: readonly { readonly type: number; readonly body: string }[];
}

/** What nft 1.1.3 sends for the text beside it. */
const recorded: Recorded = JSON.parse(readFileSync(new URL('testdata/nft.json', import.meta.url), 'utf8'));

function asRecorded({ type, body }: { readonly type: number; readonly body: Uint8Array }) {
  return { type, body: Buffer.from(body).toString('hex') };
}

describe('the table that clamps segments', () => {
  it('is byte for byte what nft sends for the same table', () => {
    const sizes = new Map([
      [0x6000_0001, { ipv4: 1_360, ipv6: 1_340 }],
      [0x6000_0002, { ipv4: 1_340, ipv6: 1_340 }],
    ]);
    const [begin, ...rest] = recorded.messages;
    const end = rest.pop();
    expect([begin?.type, end?.type]).toEqual([16, 17]);
    expect(tableMessages(sizes).map(asRecorded)).toEqual(rest);
  });

  it('is taken away whether it is there or not', () => {
    expect(removalMessages().map(({ type }) => type & 0xff)).toEqual([0, 2]);
  });

  it('keeps each message short enough for 20,000 Child SAs', () => {
    const size = { ipv4: 1_360, ipv6: 1_340 };
    const messages = tableMessages(new Map(Array.from({ length: 20_000 }, (_, index) => [0x6000_0000 + index, size])));
    expect(Math.max(...messages.map(({ body }) => body.length))).toBeLessThan(65_536);
    expect(messages.filter(({ type }) => (type & 0xff) === 12)).toHaveLength(40);
  });
});
