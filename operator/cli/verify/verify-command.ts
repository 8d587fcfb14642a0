import { randomBytes } from 'node:crypto';

import { askProgram, withAgents } from '../cluster/ask-agents.ts';
import { gatherFacts, lacksOf } from '../cluster/gather-facts.ts';
import type { Target } from '../cluster/target.ts';
import type { Facts } from '../diagnosis/facts.ts';
import { type Known, lackText, valueOr } from '../diagnosis/known.ts';
import { agentPodOf } from '../diagnosis/observed-of.ts';
import { ExitCode } from '../exit-code.ts';
import type { Outcome } from '../outcome.ts';
import { choosePairs } from './choose-pairs.ts';
import { type ProbeAnswer, probeAnswer } from './probe-answer.ts';
import { type ProbePlans, planProbes } from './probe-plan.ts';
import { type PairVerdict, pairVerdict, untriedVerdict } from './verdict.ts';
import { verifyLines } from './verify-lines.ts';

export interface VerifyFlags {
  readonly probes: number;
  readonly port: number | undefined;
}

/** `kubectl ikemesh verify [NODE] [PEER]`: probes between nodes, and whether both ends saw them encrypted. */
export async function verifyCommand(
  target: Target,
  node: string | undefined,
  peer: string | undefined,
  flags: VerifyFlags,
): Promise<Outcome> {
  const gathered = await gatherFacts(target);
  const none = { value: { pairs: [] }, lines: () => [] };
  if (!gathered.facts.installed.known) return { code: ExitCode.NotInstalled, ...none, lacks: lacksOf(gathered) };
  const nodes = nodesOf(gathered.facts);
  const strange = [node, peer].find(
    (name) => name !== undefined && gathered.facts.nodes.known && !nodes.includes(name),
  );
  if (strange !== undefined) {
    const lines = [`there is no Node ${strange} for agents: there are ${nodes.slice(0, SHOWN).join(', ')}`];
    return { code: ExitCode.Wrong, ...none, lines: () => lines, lacks: lacksOf(gathered) };
  }
  const { pairs, leftOut } = choosePairs(nodes, node, peer);
  target.progress.tell('asking agents for their SAs');
  const facts = await withAgents(target, gathered.facts, [...new Set(pairs.flat())], { hosts: true });
  const plans = planProbes(facts, pairs);
  const answers = await sendProbes(target, facts, plans, flags);
  const verdicts = [
    ...plans.untried.map(untriedVerdict),
    ...plans.pairs.map((pair) => pairVerdict(pair, answers, flags.probes)),
  ].toSorted((left, right) => RANKS.indexOf(left.state) - RANKS.indexOf(right.state));
  const lacks = [
    ...lacksOf({ ...gathered, facts }),
    ...[...answers.values()].flatMap((answer) => (answer.known ? [] : [lackText(answer.lack)])),
    ...(leftOut === 0 ? [] : [`${leftOut} pairs of nodes were not tried: name a node, to have it tried with others`]),
    ...gatewaysOf(facts).map(
      (name) => `${name}: a gateway cannot be asked what has arrived: kubectl ikemesh why NODE ${name}`,
    ),
  ];
  const value = { probes: flags.probes, pairs: verdicts };
  const lines = (paint: Parameters<Outcome['lines']>[0]) => verifyLines(verdicts, flags.probes, paint);
  return { code: codeOf(verdicts, [...new Set(lacks)]), value, lines, lacks: [...new Set(lacks)] };
}

/** All nodes send at the same time; each waits for its peers to begin. */
async function sendProbes(
  target: Target,
  facts: Facts,
  { targets }: ProbePlans,
  { probes, port = randomPort() }: VerifyFlags,
): Promise<ReadonlyMap<string, Known<ProbeAnswer>>> {
  const token = randomBytes(16).toString('hex');
  const patienceSeconds = Math.ceil(Math.max(target.timeoutMs, LEAST_PATIENCE_MS) / 1_000);
  const timeoutMs = 2 * patienceSeconds * 1_000 + SENDING_MS;
  const answers = new Map<string, Known<ProbeAnswer>>();
  target.progress.tell(`${targets.size} nodes send probes to one another`);
  await Promise.all(
    [...targets].map(async ([node, ofNode]) => {
      const plan = JSON.stringify({ token, port, probes, patienceSeconds, targets: ofNode });
      answers.set(node, await askProgram(target, facts, node, ['probe', '--plan', plan], probeAnswer, timeoutMs));
      target.progress.tell(`${answers.size} of ${targets.size} nodes have sent their probes`);
    }),
  );
  return answers;
}

/** Nodes on which an agent is, or should be. */
function nodesOf(facts: Facts): readonly string[] {
  const linux = valueOr(facts.nodes, []).filter(
    ({ object }) => (object.status?.nodeInfo?.operatingSystem ?? 'linux') === 'linux',
  );
  const configs = new Set(valueOr(facts.configs, []).map(({ metadata }) => metadata.name));
  const names = linux.map(({ object }) => object.metadata.name);
  // A node that no peering selects has nobody to encrypt with.
  return names
    .filter((name) => !facts.configs.known || configs.has(name) || agentPodOf(facts, name) !== undefined)
    .sort();
}

function gatewaysOf(facts: Facts): readonly string[] {
  return valueOr(facts.peerings, []).flatMap(({ metadata, spec }) =>
    spec.remote.gateway === undefined ? [] : [metadata.name],
  );
}

function codeOf(verdicts: readonly PairVerdict[], lacks: readonly string[]): ExitCode {
  if (verdicts.some(({ state }) => state === 'wrong')) return ExitCode.Wrong;
  return verdicts.length === 0 || lacks.length > 0 || verdicts.some(({ state }) => state === 'unknown')
    ? ExitCode.Incomplete
    : ExitCode.Fine;
}

/** Above those that hosts give to clients, and those of NodePorts; the next one is used as well. */
function randomPort(): number {
  return FIRST_PORT + 2 * Math.floor(Math.random() * ((LAST_PORT - FIRST_PORT) / 2));
}

const FIRST_PORT = 61_000;
const LAST_PORT = 65_534;
const LEAST_PATIENCE_MS = 10_000;
/** From the first probe to the last answer. */
const SENDING_MS = 20_000;
const RANKS: readonly PairVerdict['state'][] = ['wrong', 'unknown', 'encrypted'];
const SHOWN = 10;
