import type { ClusterNode } from '../hack/cluster/nodes/cluster-node.ts';
import { waitUntil } from '../hack/lab/runner/wait-until.ts';

/** The words of an operator's process. */
export const OPERATOR = '^/usr/bin/node .*/app/operator[.]js run';
const AGENT = '^/usr/bin/node .*/app/agent[.]js --kubernetes';

/** The oldest process on a node whose words match. */
export async function pidOf(node: ClusterNode, words: string): Promise<string> {
  return (await node.succeed(['pgrep', '-o', '-f', words])).trim();
}

/** Ends the agent of a node, as by killing it, and waits until there is another one. */
export async function replaceAgent(node: ClusterNode, end: (agent: string) => Promise<unknown>): Promise<void> {
  const agent = await pidOf(node, AGENT);
  await end(agent);
  // For a moment there is none.
  const isAnother = async () => ![undefined, agent].includes(await pidOf(node, AGENT).catch(() => undefined));
  await waitUntil('kubelet to start another agent', isAnother, { timeoutMs: 60_000, intervalMs: 500 });
}

/** Kills the agent of a node, and waits until kubelet has started it again. */
export function killAgent(node: ClusterNode): Promise<void> {
  return replaceAgent(node, (agent) => node.succeed(['kill', '-9', agent]));
}
