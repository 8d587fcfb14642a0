import { stringify } from 'yaml';

import type { PathMtuReport } from '../../../agent/runtime/status/path-mtu-report.ts';
import type { AgentProcess } from '../agent/agent-process.ts';
import { isSettled } from '../agent/settled.ts';
import type { Lab } from '../runner/scenario.ts';
import { waitUntil } from '../runner/wait-until.ts';
import type { LabNode } from '../topology/lab-node.ts';

/** An end of a pair. */
export interface MtuEnd {
  readonly name: string;
  readonly address: string;
}

/** Starts one of two agents, each of which knows the other alone; `more` are further fields of the peer. */
export async function startMtuAgent(
  lab: Lab,
  node: LabNode,
  own: MtuEnd,
  other: MtuEnd,
  more: object,
  words: readonly string[] = [],
): Promise<AgentProcess> {
  const agent = await lab.agent(node, mtuConfiguration(own, other, more), {
    files: { 'mtu.psk': 'the secret of this pair, long enough\n' },
    arguments: ['--flush-on-exit', ...words],
  });
  await agent.ready();
  return agent;
}

/** The text of such an agent's configuration file. */
export function mtuConfiguration(own: MtuEnd, other: MtuEnd, more: object): string {
  return stringify({
    node: { name: own.name, identity: { fqdn: `${own.name}.lab.test` }, addresses: [own.address] },
    peers: [
      {
        name: other.name,
        address: other.address,
        identity: { fqdn: `${other.name}.lab.test` },
        authentication: { preSharedKey: { file: 'mtu.psk' } },
        ...more,
      },
    ],
  });
}

/** What the first agent's status says of lengths, once all of them are settled and it is so. */
export async function settledMtu(
  agents: readonly AgentProcess[],
  what: string,
  isSo: (mtu: PathMtuReport) => boolean,
  { timeoutMs = 40_000, children = 1 } = {},
): Promise<PathMtuReport> {
  let seen: unknown;
  let found: PathMtuReport | undefined;
  const isThere = async (): Promise<boolean> => {
    const statuses = await Promise.all(agents.map((agent) => agent.status()));
    found = statuses[0]?.peers[0]?.mtu;
    const settled = statuses.map((each) => isSettled(each, children));
    seen = [settled, found];
    return settled.every(Boolean) && found !== undefined && found.children.length > 0 && isSo(found);
  };
  await waitUntil(`the status to show ${what}`, isThere, { timeoutMs }).catch((error: Error) => {
    throw new Error(`${error.message}: ${JSON.stringify(seen)}`);
  });
  if (found === undefined) throw new Error('the status says nothing of lengths');
  return found;
}
