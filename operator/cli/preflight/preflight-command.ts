import { askAgent, askProgram, eachOf } from '../cluster/ask-agents.ts';
import { type Gathered, gatherFacts, lacksOf } from '../cluster/gather-facts.ts';
import type { Target } from '../cluster/target.ts';
import type { AgentReport } from '../diagnosis/agent-report.ts';
import type { NodeFact } from '../diagnosis/facts.ts';
import { type Known, lackText, valueOr } from '../diagnosis/known.ts';
import { agentPodOf } from '../diagnosis/observed-of.ts';
import { ExitCode } from '../exit-code.ts';
import type { Outcome } from '../outcome.ts';
import { CHECKS, type Check, check, type NodeChecks, STATES, worstOf } from './check.ts';
import { type ClockOffset, type HostAnswer, hostAnswer } from './host-answer.ts';
import { addressesOf, amongThemselves, noAgent, nodeChecks, withSameMtus } from './node-checks.ts';
import { preflightLines } from './preflight-lines.ts';
import { hasCertManager, readLeaseClocks, readPodNetwork, readServerVersion } from './read-network.ts';

/** What `preflight` has found out. */
export interface Preflight {
  readonly cluster: Readonly<Record<string, Check>>;
  readonly nodes: readonly PreflightNode[];
}

export interface PreflightNode {
  readonly name: string;
  readonly state: Check['state'];
  readonly checks: NodeChecks;
}

/** `kubectl ikemesh preflight [NODE...]`: whether nodes have what ikemesh needs, before it is installed and after. */
export async function preflightCommand(target: Target, named: readonly string[]): Promise<Outcome> {
  const gathered = await gatherFacts(target);
  const all = valueOr(gathered.facts.nodes, []).toSorted((left, right) => (nameOf(left) < nameOf(right) ? -1 : 1));
  const missing = named.find((name) => !all.some((node) => nameOf(node) === name));
  if (gathered.facts.nodes.known && missing !== undefined) {
    const names = all.map(nameOf).slice(0, SHOWN).join(', ');
    const lines = [`there is no Node ${missing}: there are ${names}`];
    return { code: ExitCode.Wrong, value: { cluster: {}, nodes: [] }, lines: () => lines, lacks: [] };
  }
  const wanted = named.length === 0 ? all : all.filter((node) => named.includes(nameOf(node)));
  const nodes = wanted.slice(0, MAX_NODES);
  target.progress.tell('reading what the API server knows of the network');
  const [version, certManager, network, leases] = await Promise.all([
    readServerVersion(target),
    hasCertManager(target),
    readPodNetwork(target),
    readLeaseClocks(target),
  ]);
  const asked = await askNodes(target, gathered, nodes, all);
  const clocks = new Map([
    ...amongThemselves(leases),
    ...amongThemselves(
      new Map([...asked].flatMap(([name, { clock }]) => (clock === undefined ? [] : [[name, clock]]))),
    ),
  ]);
  const scopes = valueOr(gathered.facts.peerings, []).map(({ spec }) => spec.traffic?.scope ?? 'Nodes');
  const surroundings = { network, clocks, scopes: new Set<string>(scopes) };
  const checks = nodes.flatMap((node): readonly (readonly [string, NodeChecks])[] => {
    const answers = asked.get(nameOf(node));
    return answers === undefined ? [] : [[nameOf(node), nodeChecks({ node, ...answers }, surroundings)]];
  });
  const preflight: Preflight = {
    cluster: { kubernetes: versionCheck(version), 'cert-manager': certManagerCheck(certManager) },
    nodes: [...withSameMtus(new Map(checks))].map(([name, each]) => ({
      name,
      state: worstOf(CHECKS.map((key) => each[key])),
      checks: each,
    })),
  };
  const ranked = { ...preflight, nodes: preflight.nodes.toSorted(byState) };
  const lacks = lacksOfPreflight(gathered, network, asked);
  if (wanted.length > MAX_NODES)
    lacks.push(`nodes: the first ${MAX_NODES} of ${wanted.length} were looked at; name others as arguments`);
  return { code: codeOf(ranked, lacks), value: ranked, lines: (paint) => preflightLines(ranked, paint), lacks };
}

interface Answers {
  readonly host: Known<HostAnswer>;
  readonly agent: Known<AgentReport>;
  readonly clock: ClockOffset | undefined;
}

async function askNodes(
  target: Target,
  { facts }: Gathered,
  nodes: readonly NodeFact[],
  all: readonly NodeFact[],
): Promise<ReadonlyMap<string, Answers>> {
  const asked = new Map<string, Answers>();
  await eachOf(nodes, async (node) => {
    const name = nameOf(node);
    if (facts.pods.known && agentPodOf(facts, name) === undefined) {
      asked.set(name, { host: noAgent(name), agent: noAgent(name), clock: undefined });
      return;
    }
    const others = all.filter((each) => each !== node).slice(0, MAX_WAYS);
    const words = [
      'preflight',
      '--json',
      ...addressesOf(node.object).flatMap((address) => ['--address', address]),
      ...others.flatMap(({ object }) => addressesOf(object)).flatMap((address) => ['--towards', address]),
    ];
    const sentAt = target.wallMs();
    const host = await askProgram(target, facts, name, words, hostAnswer);
    const clock = host.known ? clockOf(host.value, sentAt, target.wallMs()) : undefined;
    const agent = await askAgent(target, facts, name);
    asked.set(name, { host, agent, clock });
    target.progress.tell(`asked ${asked.size} of ${nodes.length} agents`);
  });
  return asked;
}

/** It reads its clock last: between that and our reading is only the way back. */
function clockOf({ wallMs }: HostAnswer, sentAt: number, receivedAt: number): ClockOffset | undefined {
  if (wallMs === undefined) return undefined;
  return { offsetMs: wallMs - receivedAt, uncertaintyMs: receivedAt - sentAt };
}

function versionCheck(version: Known<string>): Check {
  if (!version.known) return check('unknown', '?', lackText(version.lack));
  const [, major = '', minor = ''] = /^(\d+)\.(\d+)/.exec(version.value) ?? [];
  const text = `Kubernetes ${version.value}`;
  if (Number(major) * 1_000 + Number(minor) >= OLDEST_KUBERNETES) return check('ok', version.value, text);
  const why = `${text} is older than 1.33, in which tokens of Pods say on which node they are`;
  return check('wrong', version.value, why, 'update the cluster');
}

function certManagerCheck(has: Known<boolean>): Check {
  if (!has.known) return check('unknown', '?', lackText(has.lack));
  if (has.value) return check('ok', 'installed', 'cert-manager is there to issue certificates of nodes');
  const text = 'cert-manager is not installed: peerings with authentication.certificate have to wait for it';
  return check('doubtful', 'missing', text, 'install it: https://cert-manager.io');
}

/** What stands in the checks is not said a second time. */
function lacksOfPreflight(gathered: Gathered, network: Known<unknown>, asked: ReadonlyMap<string, Answers>): string[] {
  const agents = [...asked.values()].flatMap(({ host }) =>
    host.known || host.lack.kind === 'notAsked' ? [] : [lackText(host.lack)],
  );
  const { installed } = gathered.facts;
  const absent = installed.known ? undefined : lackText(installed.lack);
  const own = lacksOf(gathered).filter((lack) => lack !== absent);
  return [...new Set([...own, ...(network.known ? [] : [lackText(network.lack)]), ...agents])];
}

function codeOf({ cluster, nodes }: Preflight, lacks: readonly string[]): ExitCode {
  const worst = worstOf([
    ...Object.values(cluster),
    ...nodes.flatMap(({ checks }) => CHECKS.map((key) => checks[key])),
  ]);
  if (worst === 'wrong') return ExitCode.Wrong;
  return worst === 'unknown' || lacks.length > 0 ? ExitCode.Incomplete : ExitCode.Fine;
}

function byState(left: PreflightNode, right: PreflightNode): number {
  return STATES.indexOf(left.state) - STATES.indexOf(right.state) || (left.name < right.name ? -1 : 1);
}

function nameOf({ object }: NodeFact): string {
  return object.metadata.name;
}

/** 1.33 */
const OLDEST_KUBERNETES = 1_033;
const MAX_NODES = 100;
/** To so many peers the way is looked at. */
const MAX_WAYS = 16;
const SHOWN = 10;
