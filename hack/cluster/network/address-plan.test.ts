import { describe, expect, it } from 'vitest';

import { controlPlaneAddresses, nodeAddresses, nodeMac, withPrefix } from './address-plan.ts';

describe('the addresses of nodes', () => {
  it('are those of no other node and not of the control plane', () => {
    const all = Array.from({ length: 240 }, (_, index) => nodeAddresses(index + 1)).flat();
    expect(new Set([...all, ...controlPlaneAddresses]).size).toBe(482);
  });

  it('are refused when they run out', () => {
    expect(() => nodeAddresses(241)).toThrow(RangeError);
    expect(() => nodeAddresses(0)).toThrow(RangeError);
  });

  it('have MAC addresses that do not collide, and prefixes of one network', () => {
    expect(new Set([1, 2, 6, 240].map(nodeMac)).size).toBe(4);
    expect(nodeMac(240)).toBe('02:88:00:00:00:fa');
    expect(withPrefix(nodeAddresses(1))).toEqual(['10.88.0.11/24', 'fd00:10:88::b/64']);
  });
});
