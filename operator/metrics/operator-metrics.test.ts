import { afterEach, describe, expect, it } from 'vitest';

import { OPERATOR_METRICS } from './definitions.ts';
import { serveMetrics } from './metrics-server.ts';
import { OperatorMetrics, type OperatorState } from './operator-metrics.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** An operator that leads and knows one peering. */
function metrics(more: Partial<OperatorState> = {}): OperatorMetrics {
  const condition = (type: string, status: string) => ({
    type,
    status,
    reason: 'X',
    message: '',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  });
  const peering = {
    metadata: { name: 'cluster' },
    status: {
      conditions: [condition('Ready', 'False'), condition('Accepted', 'True'), condition('Encrypting', 'Unknown')],
      nodes: { selected: 3, ready: 2 },
      tunnels: { expected: 6, established: 5, encrypting: 4 },
    },
  };
  const state: OperatorState = {
    leads: true,
    unready: undefined,
    queueLength: 7,
    watching: new Map([
      ['Nodes', true],
      ['Certificates', false],
    ]),
    peerings: [peering as unknown as OperatorState['peerings'][number]],
  };
  return new OperatorMetrics('1.2.3', () => ({ ...state, ...more }));
}

describe('the metrics of the operator', () => {
  it('have a value for every metric of the list', async () => {
    const all = metrics();
    all.planned(0.02, 'failed');
    all.wrote('IPsecNodeConfig', 'apply', 'ok', 0.01);
    const text = await all.expose();
    const missing = OPERATOR_METRICS.filter(
      ({ name }) => !new RegExp(`^${name}(_bucket)?(\\{.*\\})? \\S+$`, 'm').test(text),
    );
    expect(missing.map(({ name }) => name)).toEqual([]);
  });

  it('tell how the plan, its writes and the peerings are', async () => {
    const all = metrics();
    all.planned(0.02, 'made');
    all.planned(0.02, 'failed');
    all.wrote('Certificate', 'apply', 403, 0.01);
    const lines = (await all.expose()).split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        'ikemesh_operator_leader 1',
        'ikemesh_operator_ready 1',
        'ikemesh_operator_watch_up{kind="Nodes"} 1',
        'ikemesh_operator_watch_up{kind="Certificates"} 0',
        'ikemesh_operator_work_queue_depth 7',
        'ikemesh_operator_reconcile_duration_seconds_count 2',
        'ikemesh_operator_reconcile_errors_total 1',
        'ikemesh_operator_writes_total{kind="Certificate",operation="apply",code="403"} 1',
        'ikemesh_peering_condition{peering="cluster",type="Ready"} 0',
        'ikemesh_peering_condition{peering="cluster",type="Accepted"} 1',
        'ikemesh_peering_condition{peering="cluster",type="Encrypting"} -1',
        'ikemesh_peering_nodes{peering="cluster",state="ready"} 2',
        'ikemesh_peering_tunnels{peering="cluster",state="encrypting"} 4',
      ]),
    );
  });

  it('leave the peerings to the leader: sums over all operators are not doubled', async () => {
    const text = await metrics({ leads: false }).expose();
    expect(text).toContain('ikemesh_operator_leader 0');
    expect(text).not.toContain('peering="cluster"');
  });

  it('are at /metrics, and nothing else is there', async () => {
    const server = await serveMetrics(metrics(), { port: 0, host: '127.0.0.1' });
    closing.push(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as { port: number };
    const get = async (path: string, method = 'GET') => fetch(`http://127.0.0.1:${port}${path}`, { method });
    const answer = await get('/metrics');
    expect(answer.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    expect(await answer.text()).toContain('ikemesh_operator_build_info{version="1.2.3"} 1');
    expect((await get('/healthz')).status).toBe(404);
    expect((await get('/metrics', 'DELETE')).status).toBe(405);
  });
});
