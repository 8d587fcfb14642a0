import { afterEach, describe, expect, it, vi } from 'vitest';

import { ApiClient } from '../kube/api-client.ts';
import { Watches } from './watches.ts';

const PLACES = { nodesNamespace: 'ikemesh-nodes', ownNamespace: 'ikemesh', agentAccount: 'ikemesh-agent' };
const IGNORE = { changed: () => {}, lost: () => {}, replaced: () => {}, state: () => {} };

afterEach(() => void vi.restoreAllMocks());

describe('what the operator watches', () => {
  it('does not have kinds of cert-manager where that is not installed, and has those that may not be read', async () => {
    const stop = new AbortController();
    const client = new ApiClient({ server: new URL('http://127.0.0.1:1'), options: async () => ({}) });
    const refusal = (status: number, message: string) =>
      ({ ok: false, error: { status, reason: '', message } }) as const;
    vi.spyOn(client, 'ask').mockImplementation(async ({ path }) => {
      if (path.includes('cert-manager.io')) return refusal(404, 'the server could not find the requested resource');
      if (path.endsWith('/nodes')) return refusal(403, 'nodes is forbidden');
      return { ok: true, value: { items: [], metadata: { resourceVersion: '1' } } };
    });
    vi.spyOn(client, 'stream').mockImplementation(async (_, signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      return { ok: true, value: undefined };
    });
    const watches = new Watches(client, PLACES, IGNORE);
    expect(watches.watching().size).toBeGreaterThan(5);
    const running = watches.run(stop.signal);
    await vi.waitFor(() => expect(watches.state('nodes').kind).toBe('failing'));
    await vi.waitFor(() => expect(watches.state('certificates').kind).toBe('failing'));
    const kinds = watches.watching();
    expect(kinds.get('Nodes')).toBe(false);
    expect(kinds.get('IPsecPeerings')).toBe(true);
    expect([...kinds.keys()].filter((kind) => kind.startsWith('Certificate'))).toEqual([]);
    stop.abort();
    await running;
  });
});
