import type { StatusReport } from '../agent/runtime/status/report.ts';
import { type InstalledCluster, namespace } from './installed-cluster.ts';

/** What `agent status` says on a node. */
export async function agentStatus(installed: InstalledCluster, node: string): Promise<StatusReport> {
  const where = ['--selector=app.kubernetes.io/component=agent', `--field-selector=spec.nodeName=${node}`];
  const words = ['get', 'pods', `--namespace=${namespace}`, ...where, '--output=name'];
  const [pod = ''] = (await installed.kubectl(...words)).trim().split('\n');
  const command = ['/usr/bin/node', '/app/agent.js', 'status', '--json'];
  return JSON.parse(await installed.kubectl('exec', `--namespace=${namespace}`, pod, '--', ...command)) as StatusReport;
}
