import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { MemoryDataplane } from '../dataplane/memory.ts';
import { err, ok } from '../result.ts';
import { systemClock } from '../runtime/clock-system.ts';
import { runByManifests } from './testing/manifest-agent.ts';
import { NodeManifests } from './testing/node-manifests.ts';

describe('an agent that stands by for another one', () => {
  let folder: string;
  let manifests: NodeManifests;
  const kernel = new MemoryDataplane({ clock: systemClock });
  const standingBy = { mayBegin: async () => false, isStandingBy: () => true };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ikemesh-standby-'));
    mkdirSync(join(folder, 'manifests'));
    manifests = new NodeManifests(join(folder, 'manifests'));
    manifests.writeSlice();
    manifests.writeSecret();
    manifests.writeNodeConfig();
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it('is ready once it has heard everything, so that the other one is ended', async () => {
    const { agent, end } = await runByManifests(manifests, { folder, kernel }, standingBy);
    await vi.waitFor(() => expect(agent.readiness()).toMatchObject({ ready: true }), { timeout: 8_000 });
    expect(agent.readiness().text).toMatch(/standing by/);
    await end();
  });

  it('is not ready while it may not use the kernel: the other one, which may, is not ended for it', async () => {
    // As where a policy of the cluster takes CAP_NET_ADMIN away from new pods.
    let mayUse = false;
    const openDataplane = () => (mayUse ? ok(kernel) : err('the kernel says EPERM: CAP_NET_ADMIN is missing'));
    const { agent, end } = await runByManifests(manifests, { folder, kernel }, { ...standingBy, openDataplane });
    await vi.waitFor(() => expect(agent.readiness().text).toMatch(/EPERM/), { timeout: 8_000 });
    expect(agent.readiness().ready).toBe(false);
    mayUse = true;
    await vi.waitFor(() => expect(agent.readiness()).toMatchObject({ ready: true }), { timeout: 8_000 });
    await end();
  });
});
