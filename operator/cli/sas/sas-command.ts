import { askAgent } from '../cluster/ask-agents.ts';
import { gatherFacts, lacksOf } from '../cluster/gather-facts.ts';
import type { Target } from '../cluster/target.ts';
import { valueOr } from '../diagnosis/known.ts';
import { connectionsWith, endOf, isIdle } from '../diagnosis/view.ts';
import { ExitCode } from '../exit-code.ts';
import type { Outcome } from '../outcome.ts';
import { sasLines } from './sas-lines.ts';

/** `kubectl ikemesh sas NODE [PEER]`: what the agent says, and where it cannot be asked what its status says. */
export async function sasCommand(target: Target, node: string, peer: string | undefined): Promise<Outcome> {
  const gathered = await gatherFacts(target);
  const { facts } = gathered;
  if (!facts.installed.known) {
    return { code: ExitCode.NotInstalled, value: { node, peers: [] }, lines: () => [], lacks: lacksOf(gathered) };
  }
  const known = valueOr(facts.nodes, []).map(({ object }) => object.metadata.name);
  if (facts.nodes.known && !known.includes(node)) {
    const lines = [`there is no Node ${node}: there are ${known.slice(0, SHOWN).join(', ')}`];
    return { code: ExitCode.Wrong, value: { node, peers: [] }, lines: () => lines, lacks: lacksOf(gathered) };
  }
  target.progress.tell(`asking the agent of ${node}`);
  const agent = await askAgent(target, facts, node);
  const lacks = lacksOf({ ...gathered, facts: { ...facts, agents: new Map([[node, agent]]) } });
  if (!agent.known) {
    const counts = endOf(facts, node).config?.status?.peerings ?? [];
    const lines = [
      `the SAs of ${node} cannot be listed; its status says:`,
      ...counts.map(({ name, tunnels }) =>
        tunnels === undefined
          ? `  ${name}: nothing`
          : `  ${name}: ${tunnels.encrypting} of ${tunnels.expected} peers encrypting, ${tunnels.established} with an IKE SA`,
      ),
    ];
    return { code: ExitCode.Incomplete, value: { node, peers: [], status: counts }, lines: () => lines, lacks };
  }
  const report = agent.value;
  const peers =
    peer === undefined
      ? report.peers
      : [
          ...connectionsWith(report, peer),
          ...report.peers.filter(({ name, remoteAddress }) => name === `gateway_${peer}` || remoteAddress === peer),
        ];
  if (peers.length === 0) {
    const lines = [
      peer === undefined
        ? `${node} has no peers`
        : `${node} has no peer ${peer}: it has ${report.peers
            .map(({ name }) => name)
            .slice(0, SHOWN)
            .join(', ')}`,
    ];
    return {
      code: peer === undefined ? ExitCode.Fine : ExitCode.Wrong,
      value: { node, peers },
      lines: () => lines,
      lacks,
    };
  }
  const shown = { ...report, earlierSas: peer === undefined ? report.earlierSas : [] };
  const fine = peers.every((each) => each.state === 'encrypting' || isIdle(each));
  return {
    code: fine ? ExitCode.Fine : ExitCode.Wrong,
    value: { node, version: report.version, peers, earlierSas: shown.earlierSas },
    lines: (paint) => sasLines(shown, peers, paint),
    lacks,
  };
}

const SHOWN = 10;
