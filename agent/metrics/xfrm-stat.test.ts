import { describe, expect, it } from 'vitest';

import { parseXfrmStat, xfrmErrors } from './xfrm-stat.ts';

describe("the kernel's error counters", () => {
  it('are read by name, whatever else a newer kernel may write there', () => {
    const text =
      'XfrmInError             \t0\nXfrmInStateSeqError     \t12\n\nsomething else\nXfrmOutPolBlock \t4294967296\n';
    expect([...parseXfrmStat(text)]).toEqual([
      ['XfrmInError', 0],
      ['XfrmInStateSeqError', 12],
      ['XfrmOutPolBlock', 4_294_967_296],
    ]);
  });

  it('are none where the kernel keeps none', async () => {
    expect([...(await xfrmErrors('/proc/net/there-is-no-such-file'))]).toEqual([]);
  });
});
