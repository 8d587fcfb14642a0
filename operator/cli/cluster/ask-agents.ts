import type { ApiError } from '../../kube/api-error.ts';
import { type ExecTarget, execInPod } from '../../kube/pod-exec.ts';
import {
  type AgentReport,
  agentReport,
  type HostReport,
  hostReport,
  withoutReport,
} from '../diagnosis/agent-report.ts';
import type { Facts, PodFact } from '../diagnosis/facts.ts';
import { type Known, known, unknown } from '../diagnosis/known.ts';
import { agentPodOf } from '../diagnosis/observed-of.ts';
import { HOST_SCRIPT } from './host-script.ts';
import { lackOf, withoutQueries } from './lack-of.ts';
import type { Target } from './target.ts';

/** Runs something in the container of a node's agent; the answer is what it printed. */
async function runOnNode(
  target: Target,
  facts: Facts,
  node: string,
  command: readonly string[],
  timeoutMs: number = target.timeoutMs,
): Promise<Known<string>> {
  const what = `the agent of ${node}`;
  if (!facts.pods.known) return { known: false, lack: { ...facts.pods.lack, what } };
  const pod = agentPodOf(facts, node);
  if (pod === undefined) return unknown(what, 'failed', 'there is no Pod of an agent on this node');
  if (pod.phase !== 'Running') return unknown(what, 'failed', `its Pod ${pod.name} is ${pod.phase}${troubleText(pod)}`);
  const container: ExecTarget = { namespace: pod.namespace, pod: pod.name, container: 'agent' };
  const answer = await execInPod(target.connection, container, command, timeoutMs);
  if (!answer.ok) return execLack(what, container, answer.error);
  const { code, stdout, stderr } = answer.value;
  if (code !== 0) return unknown(what, 'failed', firstLine(stderr) || firstLine(stdout) || `it ended with ${code}`);
  return known(stdout);
}

/** What `agent status --json` prints on a node. */
export async function askAgent(target: Target, facts: Facts, node: string): Promise<Known<AgentReport>> {
  const printed = await runOnNode(target, facts, node, STATUS);
  if (!printed.known) return printed;
  const what = `the agent of ${node}`;
  const told = parsed(what, printed.value, withoutReport);
  // So it answers before it has begun, and while no peering selects its node.
  return told.known ? unknown(what, 'failed', told.value.error) : parsed(what, printed.value, agentReport);
}

/** What an agent's program prints as JSON when it is asked something else than its status. */
export async function askProgram<T>(
  target: Target,
  facts: Facts,
  node: string,
  words: readonly string[],
  schema: { safeParse(value: unknown): Parsed<T> },
  timeoutMs: number = target.timeoutMs,
): Promise<Known<T>> {
  const what = `the agent of ${node}`;
  const printed = await runOnNode(target, facts, node, [...AGENT, ...words], timeoutMs);
  if (printed.known) return parsed(what, printed.value, schema);
  // So it says of a command that it does not have.
  const isOlder = /^error: (unknown command|too many arguments|unknown option)/.test(printed.lack.text);
  const text = `it is older than this plugin and cannot "${words[0]}": update the chart`;
  return isOlder ? unknown(what, 'unreadable', text) : printed;
}

/** What a program in the agent's container sees of its host. */
async function askHost(target: Target, facts: Facts, node: string): Promise<Known<HostReport>> {
  const sentAt = target.wallMs();
  const printed = await runOnNode(target, facts, node, ['/usr/bin/node', '-e', HOST_SCRIPT]);
  if (!printed.known) return { known: false, lack: { ...printed.lack, what: `the host ${node}` } };
  const report = parsed(`the host ${node}`, printed.value, hostReport);
  const { wallMs } = (report.known ? JSON.parse(printed.value) : {}) as { readonly wallMs?: number };
  if (!report.known || wallMs === undefined) return report;
  // It reads its clock last: between that and our reading is only the way back.
  const uncertainty = Math.min(target.wallMs() - sentAt, MAX_WAY_MS);
  return known({ ...report.value, clockOffsetMs: wallMs - target.wallMs(), clockUncertaintyMs: uncertainty });
}

/** Asks the agents of some nodes, a few at a time, and their hosts where wanted. */
export async function withAgents(
  target: Target,
  facts: Facts,
  nodes: readonly string[],
  { hosts }: { readonly hosts: boolean },
): Promise<Facts> {
  const agents = new Map(facts.agents);
  const seen = new Map(facts.hosts);
  let answered = 0;
  await eachOf([...new Set(nodes)], async (node) => {
    const [agent, host] = await Promise.all([
      askAgent(target, facts, node),
      hosts ? askHost(target, facts, node) : undefined,
    ]);
    agents.set(node, agent);
    if (host !== undefined) seen.set(node, host);
    answered += 1;
    target.progress.tell(`asked ${answered} of ${nodes.length} agents`);
  });
  return { ...facts, agents, hosts: seen };
}

/** Does something for each, some at a time. */
export async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const next = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, next));
}

function execLack(what: string, { namespace, pod }: ExecTarget, error: ApiError): Known<never> {
  if (error.status === 403) {
    const text = `you may not run commands in its Pod: have "create" on pods/exec in namespace ${namespace} granted`;
    return unknown(what, 'forbidden', text);
  }
  if (error.status === 0)
    return unknown(what, 'unanswered', `Pod ${namespace}/${pod} does not answer: ${withoutQueries(error.message)}`);
  const lack = lackOf(what, error);
  return lack;
}

function parsed<T>(what: string, text: string, schema: { safeParse(value: unknown): Parsed<T> }): Known<T> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return unknown(what, 'unreadable', 'what it said is no JSON: is it an agent of another version?');
  }
  const read = schema.safeParse(value);
  if (read.success) return known(read.data as T);
  const [issue] = read.error?.issues ?? [];
  const field = issue?.path.map(String).join('.') ?? '';
  return unknown(what, 'unreadable', `what it said cannot be read (${field}): use the plugin of its version`);
}

interface Parsed<T> {
  readonly success: boolean;
  readonly data?: T;
  readonly error?: { readonly issues: readonly { readonly path: readonly PropertyKey[] }[] };
}

function troubleText({ trouble }: PodFact): string {
  return trouble === undefined ? '' : ` (${trouble})`;
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0]?.slice(0, 300) ?? '';
}

const AGENT = ['/usr/bin/node', '/app/agent.js'];
const STATUS = [...AGENT, 'status', '--json'];
const AT_A_TIME = 8;
const MAX_WAY_MS = 60_000;
