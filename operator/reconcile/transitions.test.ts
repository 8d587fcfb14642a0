import { describe, expect, it } from 'vitest';

import type { Condition } from '../api/condition.ts';
import { statusDelayMs } from './pending-changes.ts';
import { transitionsOf } from './transitions.ts';

const condition = (type: string, status: Condition['status'], reason: string, message = 'text'): Condition => ({
  ...{ type, status, reason, message },
  lastTransitionTime: '2026-01-01T00:00:00Z',
});

describe('Events', () => {
  it('tell of a condition that changed, and of another reason why it does not hold', () => {
    const told = transitionsOf(
      [condition('Accepted', 'True', 'Accepted'), condition('CertificatesReady', 'False', 'Issuing')],
      [condition('Accepted', 'False', 'Overlapped'), condition('CertificatesReady', 'False', 'IssuingFailed')],
    );
    expect(told).toEqual([
      { type: 'Warning', reason: 'Overlapped', note: 'Accepted is False: text' },
      { type: 'Warning', reason: 'IssuingFailed', note: 'CertificatesReady is False: text' },
    ]);
  });

  it('tell nothing of counts in a message, nor twice of what Ready repeats', () => {
    const before = [condition('Ready', 'True', 'Ready'), condition('Encrypting', 'True', 'Encrypting', '3 tunnels')];
    expect(transitionsOf(before, [condition('Encrypting', 'True', 'Encrypting', '6 tunnels')])).toEqual([]);
    const after = [condition('Ready', 'False', 'TunnelsDown'), condition('Encrypting', 'False', 'TunnelsDown')];
    expect(transitionsOf(before, after)).toHaveLength(1);
  });

  it('are no longer than the server takes', () => {
    const [event] = transitionsOf([], [condition('Accepted', 'False', 'NoNodes', 'x'.repeat(5_000))]);
    expect(event?.note).toHaveLength(1_024);
  });
});

describe('the status of a peering', () => {
  const status = (ready: number, holds: Condition['status']) => ({
    observedGeneration: 1,
    conditions: [condition('Ready', holds, 'Ready', `${ready} nodes`)],
    nodes: { selected: 3, ready },
  });

  it('waits a moment where there is none, five seconds for a condition, half a minute for counts', () => {
    expect(statusDelayMs(undefined, status(1, 'True'))).toBeLessThan(1_000);
    expect(statusDelayMs(status(1, 'False'), status(1, 'True'))).toBe(5_000);
    expect(statusDelayMs(status(1, 'True'), status(2, 'True'))).toBe(30_000);
  });
});
