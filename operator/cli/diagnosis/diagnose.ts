import { certificateFault, renewalText } from './certificate.ts';
import {
  configurationFault,
  membershipFault,
  operatorAwayFault,
  refusalFault,
  refusedSliceFault,
  updateFault,
} from './configuration.ts';
import { counterFault } from './counters.ts';
import type { Facts } from './facts.ts';
import { type Finding, STAGES, type Stage, type Step } from './finding.ts';
import { kernelErrorFault } from './kernel-errors.ts';
import { type Known, lackText } from './known.ts';
import { negotiationFault, peerName } from './negotiation.ts';
import { pathFault } from './path.ts';
import { heldEnforcementFault, nodePolicyFault, policyFault } from './policies.ts';
import { isProven, isWell } from './proof.ts';
import { childrenOf, saFault } from './sas.ts';
import { type End, endOf, isIdle, type Pair, pairOf, peersOf } from './view.ts';

/** What was found out about a node, or about a node and a peer. */
export interface Diagnosis {
  readonly node: string;
  readonly peer: string | undefined;
  /** `unknown`: nothing wrong was seen, and not everything could be looked at. */
  readonly verdict: 'healthy' | 'wrong' | 'unknown';
  readonly steps: readonly Step[];
}

/** Walks everything that a tunnel between a node and one peer needs, up to the first thing that is wrong. */
export function diagnosePair(facts: Facts, node: string, peer: string): Diagnosis {
  const pair = pairOf(facts, endOf(facts, node), peer);
  return walked(node, peer, (stage) => pairStage(facts, pair, stage));
}

/** Walks what a node needs by itself. */
export function diagnoseNode(facts: Facts, node: string): Diagnosis {
  const end = endOf(facts, node);
  return walked(node, undefined, (stage) => ownStage(facts, end, stage));
}

/**
 * What is wrong with a node: what is so with every peer, else what is wrong earliest, by itself or with a peer. Of the peers
 * those are looked at whose agents were asked, and those that its status names.
 */
export function diagnose(
  facts: Facts,
  node: string,
): { readonly first: Diagnosis; readonly others: readonly Diagnosis[] } {
  const end = endOf(facts, node);
  const shared = walked(node, undefined, (stage) => nodeStage(facts, end, stage));
  // With each peer the same is wrong.
  if (shared.verdict === 'wrong') return { first: shared, others: [] };
  const own = walked(node, undefined, (stage) => {
    const outcome = ownStage(facts, end, stage);
    // In a status of all nodes it would be told of each; there the peering tells it.
    return { ...outcome, fault: outcome.fault ?? commonFault(facts, end, stage) };
  });
  const pairs = peersOf(facts, end)
    .slice(0, MAX_PEERS)
    .map((peer) => diagnosePair(facts, node, peer));
  const fault = faultOf(own);
  const all = fault === undefined ? pairs : [own, ...pairs.filter((pair) => faultOf(pair)?.text !== fault.text)];
  const [first = own, ...others] = all.toSorted((left, right) => rankOf(left) - rankOf(right));
  return { first, others };
}

function walked(node: string, peer: string | undefined, look: (stage: Stage) => Outcome): Diagnosis {
  const steps: Step[] = [];
  for (const stage of STAGES) {
    const broken = steps.some(({ state }) => state === 'wrong');
    if (broken) {
      steps.push({ stage, state: 'notReached' });
      continue;
    }
    const { fault, unknown, text } = look(stage);
    if (fault !== undefined) steps.push({ stage, state: 'wrong', ...fault });
    else if (unknown !== undefined) steps.push({ stage, state: 'unknown', text: unknown });
    else steps.push({ stage, state: 'ok', text });
  }
  const wrong = steps.some(({ state }) => state === 'wrong');
  const unknown = steps.some(({ state }) => state === 'unknown');
  return { node, peer, verdict: wrong ? 'wrong' : unknown ? 'unknown' : 'healthy', steps };
}

interface Outcome {
  readonly fault: Finding | undefined;
  /** Why it cannot be judged whether there is one. */
  readonly unknown: string | undefined;
  readonly text: string;
}

function nodeStage(facts: Facts, end: End, stage: Stage): Outcome {
  const { config, name } = end;
  switch (stage) {
    case 'configuration':
      return {
        fault: configurationFault(facts, end),
        unknown: firstLack([facts.installed, facts.nodes, facts.peerings, facts.configs, facts.pods]),
        text: configurationText(end),
      };
    case 'certificate':
      return {
        fault: certificateFault(facts, end),
        unknown: facts.certificates.known || loaded(end) !== undefined ? undefined : firstLack([facts.certificates]),
        text: certificateText(facts, end),
      };
    default: {
      const tunnels = config?.status?.peerings?.flatMap((each) => each.tunnels ?? []) ?? [];
      const [expected, encrypting] = [sum(tunnels, (each) => each.expected), sum(tunnels, (each) => each.encrypting)];
      return { fault: undefined, unknown: undefined, text: `${name} encrypts with ${encrypting} of ${expected} peers` };
    }
  }
}

/** What a node needs by itself, and what is wrong with it although its pairs may work. */
function ownStage(facts: Facts, end: End, stage: Stage): Outcome {
  const outcome = nodeStage(facts, end, stage);
  return { ...outcome, fault: outcome.fault ?? ownFault(facts, end, stage) };
}

/** What is wrong with the peerings of a node, or with all. */
function commonFault(facts: Facts, { peerings }: End, stage: Stage): Finding | undefined {
  if (stage === 'configuration') return refusalFault(peerings) ?? refusedSliceFault(peerings);
  if (stage === 'policy') return heldEnforcementFault(peerings);
  return stage === LAST_STAGE ? operatorAwayFault(facts) : undefined;
}

function ownFault(facts: Facts, end: End, stage: Stage): Finding | undefined {
  switch (stage) {
    case 'configuration':
      return updateFault(facts, end);
    case 'policy':
      return nodePolicyFault(facts, end);
    case 'path':
      return kernelErrorFault(end);
    default:
      return undefined;
  }
}

function pairStage(facts: Facts, pair: Pair, stage: Stage): Outcome {
  const { own, peer, connections } = pair;
  const ends = [own, ...(peer.kind === 'node' ? [peer.end] : [])];
  switch (stage) {
    case 'configuration':
    case 'certificate': {
      const outcomes = ends.map((end) => nodeStage(facts, end, stage));
      const fault = outcomes.find((each) => each.fault !== undefined)?.fault;
      return {
        fault:
          fault ??
          (stage === 'configuration' && facts.peerings.known && facts.nodes.known ? membershipFault(pair) : undefined),
        unknown: outcomes.find((each) => each.unknown !== undefined)?.unknown,
        text: outcomes.map(({ text }) => text).join('; '),
      };
    }
    case 'IKE':
      return { fault: negotiationFault(pair), unknown: agentLack(own), text: ikeText(pair) };
    case 'SA':
      return { fault: saFault(pair), unknown: agentLack(own), text: saText(pair) };
    case 'policy':
      return { fault: policyFault(facts, pair), unknown: firstLack([facts.configs]), text: policyText(own) };
    case 'counters': {
      return {
        fault: connections === undefined ? undefined : counterFault(pair),
        unknown: agentLack(own) ?? peerLack(pair),
        text: counterText(pair),
      };
    }
    case 'path': {
      const lack = ends.map(({ host }) => (host?.known === false ? lackText(host.lack) : undefined)).find(Boolean);
      const errors = ends.map(kernelErrorFault).find(Boolean);
      const text = pathText(pair);
      // Whatever is wrong with the pair itself is found first.
      const away = operatorAwayFault(facts);
      if (!isProven(pair)) return { fault: pathFault(pair) ?? errors ?? away, unknown: lack, text };
      // They are of any traffic of the node; that of this pair gets through.
      return {
        fault: pathFault(pair) ?? away,
        unknown: lack,
        text: errors === undefined ? text : `${text}; of other traffic ${errors.text}`,
      };
    }
  }
}

/** Of many peers a few are asked; of the others the own agent's word is enough where it finds nothing wrong. */
function peerLack(pair: Pair): string | undefined {
  const { peer } = pair;
  if (peer.kind === 'gateway' || (peer.end.agent === undefined && isWell(pair))) return undefined;
  return agentLack(peer.end);
}

function agentLack({ name, agent }: End): string | undefined {
  if (agent === undefined) return `the agent of ${name} was not asked`;
  return agent.known ? undefined : lackText(agent.lack);
}

function firstLack(asked: readonly Known<unknown>[]): string | undefined {
  const lacking = asked.find((each) => !each.known);
  return lacking?.known === false ? lackText(lacking.lack) : undefined;
}

function configurationText({ name, config, pod }: End): string {
  const peerings = config?.spec.peerings.map((entry) => entry.name) ?? [];
  const version = config?.status?.agent?.version;
  const agent = pod === undefined ? '' : ` by ${pod.name}${version === undefined ? '' : ` (${version})`}`;
  return `${name} carries out ${peerings.join(', ')}${agent}`;
}

function loaded({ config }: End) {
  return config?.status?.peerings?.find(({ certificate }) => certificate !== undefined)?.certificate;
}

function certificateText(facts: Facts, end: End): string {
  const certificate = loaded(end);
  if (certificate === undefined) return `${end.name} proves itself by a pre-shared key`;
  const remark = renewalText(facts, end);
  const text = `${end.name} has serial ${certificate.serialNumber} until ${certificate.notAfter}`;
  return remark === undefined ? text : `${text} (${remark})`;
}

function ikeText({ connections = [] }: Pair): string {
  const sas = connections.flatMap(({ ikeSas }) => ikeSas).filter(({ state }) => state === 'established');
  const waiting = connections.some(isIdle) ? ', made for the first packet' : '';
  return `${sas.length} established${sas[0] === undefined ? waiting : `, ${sas[0].suite}`}`;
}

function saText({ connections = [] }: Pair): string {
  const children = connections.flatMap(childrenOf);
  return `${children.length} installed in both directions${children[0]?.suite === undefined ? '' : `, ESP ${children[0].suite}`}`;
}

function policyText({ config }: End): string {
  const levels = config?.spec.peerings.map(
    ({ name, enforcement: { outbound, inbound } }) => `${name} ${outbound} out, ${inbound} in`,
  );
  return levels?.join('; ') ?? '';
}

function counterText(pair: Pair): string {
  const totals = (pair.connections ?? []).flatMap(childrenOf).reduce(
    (sums, { inbound, outbound }) => ({
      in: sums.in + (inbound.packets ?? 0),
      out: sums.out + (outbound.packets ?? 0),
    }),
    { in: 0, out: 0 },
  );
  const idle = totals.in + totals.out === 0 ? ' (nothing to encrypt so far)' : '';
  return `${totals.out} packets out, ${totals.in} in${idle}`;
}

function pathText(pair: Pair): string {
  const heard = (pair.connections ?? []).flatMap(({ ikeSas }) =>
    ikeSas.flatMap(({ lastHeardSeconds }) => lastHeardSeconds ?? []),
  );
  const text =
    heard.length === 0
      ? `nothing against ${peerName(pair)}`
      : `${peerName(pair)} was heard ${Math.min(...heard)} s ago`;
  const mended = pair.connections?.find(({ reason }) => reason === 'FellBackToUDP');
  return mended === undefined ? text : `${text}; ${mended.message}`;
}

function faultOf({ steps }: Diagnosis): Finding | undefined {
  return steps.find((step) => step.state === 'wrong');
}

/** The earliest fault first, then what is not known. */
function rankOf({ verdict, steps }: Diagnosis): number {
  const at = steps.findIndex(({ state }) => state === 'wrong');
  if (at >= 0) return at;
  return verdict === 'unknown' ? STAGES.length : STAGES.length + 1;
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

const LAST_STAGE = STAGES.at(-1);
/** Nobody reads more; those in trouble come first. */
const MAX_PEERS = 1_000;
