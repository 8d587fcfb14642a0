import { afterAll, beforeAll, describe } from 'vitest';

import { whyNoNodes } from '../hack/cluster/nodes/why-no-nodes.ts';
import { InstalledCluster } from './installed-cluster.ts';
import { nodesComeAndGo } from './nodes-come-and-go.ts';

const reason = await whyNoNodes();
if (reason !== undefined) process.stdout.write(`tests with nodes are skipped: ${reason}\n`);

describe.skipIf(reason !== undefined)('a mesh whose nodes come and go', () => {
  let installed: InstalledCluster;

  beforeAll(async () => {
    installed = await InstalledCluster.start(['a', 'b', 'c'], (line) => process.stdout.write(`    ${line}\n`));
    await installed.encrypt();
  }, 400_000);
  afterAll(() => installed?.close());

  nodesComeAndGo(() => installed);
});
