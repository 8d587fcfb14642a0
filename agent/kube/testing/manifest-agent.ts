import { join } from 'node:path';

import { opensslProvider } from '../../crypto/openssl/openssl-provider.ts';
import type { Dataplane } from '../../ports.ts';
import { ok } from '../../result.ts';
import { systemTimers } from '../../runtime/clock-system.ts';
import { createLog } from '../../runtime/log/logger.ts';
import { TestWorld } from '../../runtime/testing/agents.ts';
import { ManifestObjects } from '../manifest-objects.ts';
import { NodeAgent, type NodeAgentParts } from '../node-agent.ts';
import type { NodeStatus } from '../node-status.ts';
import type { NodeManifests } from './node-manifests.ts';

/** Runs the agent of node `a` by manifests on a fake kernel; `more` takes the place of what else surrounds it. */
export async function runByManifests(
  manifests: NodeManifests,
  { folder, kernel }: { readonly folder: string; readonly kernel: Dataplane },
  more: Partial<NodeAgentParts> = {},
) {
  const log = createLog('json', 'info', { write: () => {} }, false);
  const opened = await ManifestObjects.open({
    folder: manifests.folder,
    namespace: 'ikemesh-nodes',
    timers: systemTimers,
    log,
  });
  if (!opened.ok) throw new Error(opened.error.join('\n'));
  const source = opened.value;
  const told: NodeStatus[] = [];
  const agent = new NodeAgent({
    nodeName: 'a',
    source,
    credentialFolder: join(folder, 'credentials'),
    mayBegin: async () => true,
    isStandingBy: () => false,
    publish: async (status) => void told.push(status),
    provider: opensslProvider,
    log,
    createTransport: () => new TestWorld().transport(),
    openDataplane: () => ok(kernel),
    ...more,
  });
  let isTold = false;
  const ended = agent.run(() => isTold);
  const end = async (): Promise<void> => {
    isTold = true;
    agent.wake();
    await ended;
    source.close();
  };
  return { agent, source, told, end };
}
