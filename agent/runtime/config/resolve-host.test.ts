import { describe, expect, it } from 'vitest';

import { err, ok } from '../../result.ts';
import { RESOLVE_CONCURRENCY } from './limits.ts';
import { resolveHost, resolveHosts } from './resolve-host.ts';

describe('host names of peers', () => {
  it('never become loopback addresses, whatever the resolver says', async () => {
    expect(await resolveHost('localhost')).toEqual(ok([]));
  });

  it('are asked for once each, and a bounded number at a time', async () => {
    let [asked, atOnce, most] = [0, 0, 0];
    const names = Array.from({ length: 300 }, (_, index) => `host-${index % 150}.test`);
    const found = await resolveHosts(names, async (host) => {
      asked += 1;
      atOnce += 1;
      most = Math.max(most, atOnce);
      await Promise.resolve();
      atOnce -= 1;
      return err(host);
    });
    expect(found.size).toBe(150);
    expect(found.get('host-7.test')).toEqual(err('host-7.test'));
    expect(asked).toBe(150);
    expect(most).toBe(RESOLVE_CONCURRENCY);
  });
});
