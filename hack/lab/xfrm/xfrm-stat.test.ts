import { describe, expect, it } from 'vitest';

import { parseXfrmStat, xfrmStatChange } from './xfrm-stat.ts';

describe('xfrmStatChange', () => {
  it('names the counters that changed, and those a newer kernel has', () => {
    const before = parseXfrmStat('XfrmInError             \t0\nXfrmInNoStates          \t3\n');
    const after = parseXfrmStat(
      'XfrmInError             \t0\nXfrmInNoStates          \t5\nXfrmInStateDirError     \t1\n',
    );
    expect(xfrmStatChange(before, after)).toEqual({ XfrmInNoStates: 2, XfrmInStateDirError: 1 });
    expect(xfrmStatChange(after, after)).toEqual({});
  });
});
