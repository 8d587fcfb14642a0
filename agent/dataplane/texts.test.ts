import { describe, expect, it } from 'vitest';

import { ownIndex } from './ownership.ts';
import { ip, policy, selector } from './testing/builders.ts';
import { describeKey, describeSa, policyKeyText, refusalText } from './texts.ts';

describe('texts', () => {
  it('name an SA and a policy as people and ip xfrm write them', () => {
    expect(describeSa({ destination: ip('2001:db8::2'), spi: 0xc0ffee })).toBe('SA 2001:db8::2 spi 00c0ffee');
    const tcp = { protocol: 6, destinationPort: { value: 443, mask: 0xffff } };
    expect(describeKey(policy('out', selector('10.0.0.0/24', '10.1.0.0/16', tcp)))).toBe(
      'out policy 10.0.0.0/24 to 10.1.0.0/16 protocol 6 ports any to 443',
    );
  });

  it('say what the kernel said and what to do', () => {
    expect(refusalText({ errno: 'EPERM', reason: '' })).toContain('grant it to the agent');
    for (const reason of ['Requested AEAD algorithm not found', 'Requested type not found']) {
      expect(refusalText({ errno: 'ENOSYS', reason })).toMatch(
        /^the kernel says "Requested .* \(ENOSYS\): .*modules esp4/,
      );
    }
    expect(refusalText({ errno: 'EIO', reason: '' })).toBe('the kernel refused it with EIO');
  });

  it('tell policies apart by what the kernel tells them apart by, and by nothing else', () => {
    const base = policy('out', selector('10.0.0.1', '10.0.0.2'));
    const same = { ...base, priority: 7, index: ownIndex(99, 'out'), action: 'block' as const };
    expect(policyKeyText(same)).toBe(policyKeyText(base));
    const others = [
      { ...base, direction: 'in' as const },
      { ...base, mark: { value: 1, mask: 1 } },
      { ...base, ifId: 1 },
      { ...base, selector: selector('10.0.0.1', '10.0.0.2', { protocol: 6 }) },
      { ...base, selector: selector('10.0.0.0/24', '10.0.0.2') },
    ];
    expect(new Set([base, ...others].map(policyKeyText)).size).toBe(6);
  });
});
