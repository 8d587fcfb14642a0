import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { opensslProvider } from '../../agent/crypto/openssl/openssl-provider.ts';
import { MemoryDataplane } from '../../agent/dataplane/memory.ts';
import { runInCluster } from '../../agent/kube/run-in-cluster.ts';
import { ok } from '../../agent/result.ts';
import { systemClock } from '../../agent/runtime/clock-system.ts';
import { createLog } from '../../agent/runtime/log/logger.ts';

/*
 * The process that the agent-memory bench reads: `node agent-memory-process.js FOLDER PORT` is an agent in a cluster with
 * everything but a kernel and sockets, which are not its memory. Its metrics are served at a port that it logs.
 */

const [folder = '', port = ''] = process.argv.slice(2);
const authority = readFileSync(join(folder, 'ca.crt'), 'utf8');
await runInCluster({
  nodeName: 'node-a',
  namespace: 'ikemesh-nodes',
  podUid: '00000000-0000-4000-8000-000000000001',
  stateFolder: join(folder, 'state'),
  socket: join(folder, 'run', 'agent.sock'),
  server: { host: '127.0.0.1', port: Number(port), authority: async () => ok(authority) },
  token: async () => ok('token'),
  metrics: { listen: { address: '127.0.0.1', port: 0 }, withPeers: true },
  signals: process,
  provider: opensslProvider,
  log: createLog('json', 'info', process.stderr, false),
  createTransport: () => ({
    stale: [],
    listen: () => ok(undefined),
    retain: () => {},
    send: () => {},
    sendKeepalive: () => {},
    onDatagram: () => {},
    close: () => {},
  }),
  openDataplane: () => ok(new MemoryDataplane({ clock: systemClock })),
});
