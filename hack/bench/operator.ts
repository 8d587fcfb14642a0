import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { type Manifest, meshManifest } from '../../operator/api/testing/manifests.ts';
import { readAuditLog, writesOf } from '../../operator/testing/audit-log.ts';
import { joinNode, joinNodes } from '../../operator/testing/cluster-nodes.ts';
import { type AnyObject, OperatorCluster, PLACES, until } from '../../operator/testing/operator-cluster.ts';
import type { Bench, BenchResult, Extent, Progress } from './bench.ts';

/** The running operator, against a real API server, which has the same processors. */
export const operatorBench: Bench = {
  name: 'operator',
  summary: 'the operator in a cluster: a peering of all nodes, and a node that joins',
  needsCluster: true,
  run: async (extent, progress, { nodes = NODES[extent] }) => {
    const results: BenchResult[] = [];
    for (const count of nodes) results.push(await measure(count, progress));
    return results;
  },
};

async function measure(nodes: number, progress: Progress): Promise<BenchResult> {
  progress('a control plane is started');
  const cluster = await OperatorCluster.start({ certManager: true });
  let operator: ChildProcess | undefined;
  try {
    // Its webhook stays, which judges every Certificate; issuing would be its work, not the operator's.
    await cluster.controlPlane.component('cert-manager-controller').kill();
    progress(`${nodes} nodes are made`);
    await joinNodes(cluster, nodes);
    operator = await startOperator(cluster);
    const pid = operator.pid ?? 0;
    const resting = processOf(pid);
    progress('a peering of all of them');
    const before = await writesSince(cluster, 0);
    const begun = performance.now();
    await cluster.apply(meshManifest as Manifest as unknown as AnyObject);
    await until('all nodes are configured', () => has(cluster, 'IPsecNodeConfig', nodes), LIMIT_MS);
    const configuredSeconds = (performance.now() - begun) / 1_000;
    await until('all is written', () => has(cluster, 'RoleBinding', nodes), LIMIT_MS);
    await until('all is asked for', () => has(cluster, 'Certificate', nodes), LIMIT_MS);
    const writtenSeconds = (performance.now() - begun) / 1_000;
    // The status, which may wait for half a minute.
    await settle(cluster);
    const all = await writesSince(cluster, before.end);
    const busy = processOf(pid);
    progress('one more node');
    const joined = performance.now();
    await joinNode(cluster, nodes + 1);
    await until('it is configured', () => has(cluster, 'IPsecNodeConfig', nodes + 1), LIMIT_MS);
    const joinSeconds = (performance.now() - joined) / 1_000;
    await settle(cluster);
    const join = await writesSince(cluster, all.end);
    const after = processOf(pid);
    return {
      bench: 'operator',
      parameters: { nodes },
      figures: {
        configuredSeconds,
        writtenSeconds,
        writes: all.count,
        writesPerNode: all.count / nodes,
        cpuSeconds: busy.cpuSeconds - resting.cpuSeconds,
        megabytesAtRest: resting.megabytes,
        megabytesAtMost: after.mostMegabytes,
        joinConfiguredSeconds: joinSeconds,
        joinWrites: join.count,
        joinCpuSeconds: after.cpuSeconds - busy.cpuSeconds,
      },
      targets: [{ figure: 'joinWrites', bound: 'atMost', limit: JOIN_WRITES }],
    };
  } finally {
    operator?.kill('SIGKILL');
    await cluster.close();
  }
}

/** As the chart runs it; ready when it leads. */
async function startOperator(cluster: OperatorCluster): Promise<ChildProcess> {
  const main = fileURLToPath(new URL('../../operator/main.ts', import.meta.url));
  const kubeconfig = await cluster.operatorKubeconfig();
  const words = [main, 'run', '--trust-domain=mesh.test', `--kubeconfig=${kubeconfig}`, '--health-port=0'];
  const env = { ...process.env, POD_NAME: 'operator-0', POD_NAMESPACE: PLACES.ownNamespace };
  const child = spawn(process.execPath, words, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let log = '';
  child.stdout?.on('data', (piece) => {
    log += piece;
  });
  await until('the operator works', async () => log.includes('agents have their rights') || log);
  return child;
}

async function has(cluster: OperatorCluster, kind: string, count: number): Promise<boolean | number> {
  const namespace = kind.startsWith('IPsec') ? undefined : PLACES.nodesNamespace;
  const items = await cluster.list<AnyObject>(kind, namespace);
  const own = items.filter(({ metadata: { name } }) => /^(node|ike)-/.test(name));
  return own.length === count || own.length;
}

/** Until nothing was written for as long as the status of a peering may wait. */
async function settle(cluster: OperatorCluster): Promise<void> {
  let { end } = await writesSince(cluster, 0);
  let quietSince = performance.now();
  await until(
    'nothing is written any more',
    async () => {
      const next = await writesSince(cluster, end);
      end = next.end;
      if (next.count > 0) quietSince = performance.now();
      return performance.now() - quietSince > QUIET_MS;
    },
    LIMIT_MS,
  );
}

async function writesSince(cluster: OperatorCluster, from: number) {
  const { requests, end } = await readAuditLog(cluster.controlPlane.auditLog, from);
  const count = writesOf(requests, /ikemesh-operator/).filter(({ resource }) => resource !== 'leases').length;
  return { count, end };
}

/** What the kernel says of a process. */
function processOf(pid: number) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kilobytes = (name: string): number => Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(status)?.[1]);
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  // utime and stime, in hundredths of a second (proc_pid_stat(5)).
  const cpuSeconds = (Number(fields[11]) + Number(fields[12])) / 100;
  return { cpuSeconds, megabytes: kilobytes('VmRSS') / 1_024, mostMegabytes: kilobytes('VmHWM') / 1_024 };
}

/**
 * NodeConfig, Certificate, ServiceAccount, Role, RoleBinding, and the status twice: when it joined, and when it is no longer
 * new. Its slice would come with its certificate.
 */
const JOIN_WRITES = 7;
const QUIET_MS = 32_000;
const LIMIT_MS = 600_000;
const NODES: Readonly<Record<Extent, readonly number[]>> = { quick: [100], full: [1_000] };
