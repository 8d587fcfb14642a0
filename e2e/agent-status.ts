import type { StatusReport } from '../agent/runtime/status/report.ts';
import { type InstalledCluster, namespace } from './installed-cluster.ts';

/** What `agent status` says on a node. */
export async function agentStatus(installed: InstalledCluster, node: string): Promise<StatusReport> {
  return JSON.parse(await agentStatusText(installed, node, '--json')) as StatusReport;
}

/** What `agent status` prints on a node. */
export async function agentStatusText(
  installed: InstalledCluster,
  node: string,
  ...options: readonly string[]
): Promise<string> {
  const where = ['--selector=app.kubernetes.io/component=agent', `--field-selector=spec.nodeName=${node}`];
  const words = ['get', 'pods', `--namespace=${namespace}`, ...where, '--output=name'];
  const [pod = ''] = (await installed.kubectl(...words)).trim().split('\n');
  const command = ['/usr/bin/node', '/app/agent.js', 'status', ...options];
  return installed.kubectl('exec', `--namespace=${namespace}`, pod, '--', ...command);
}
