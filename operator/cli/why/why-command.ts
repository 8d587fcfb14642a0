import { withAgents } from '../cluster/ask-agents.ts';
import { gatherFacts, lacksOf } from '../cluster/gather-facts.ts';
import type { Target } from '../cluster/target.ts';
import { type Diagnosis, diagnose, diagnosePair } from '../diagnosis/diagnose.ts';
import { valueOr } from '../diagnosis/known.ts';
import { endOf, peersOf } from '../diagnosis/view.ts';
import { ExitCode } from '../exit-code.ts';
import type { Outcome } from '../outcome.ts';
import type { Tone } from '../text/colour.ts';
import type { Paint } from '../text/table.ts';

/** `kubectl ikemesh why NODE [PEER]` */
export async function whyCommand(target: Target, node: string, peer: string | undefined): Promise<Outcome> {
  const gathered = await gatherFacts(target);
  const own = endOf(gathered.facts, node);
  const peers = peer === undefined ? peersOf(gathered.facts, own).slice(0, MAX_ASKED) : [peer];
  const nodes = new Set(valueOr(gathered.facts.nodes, []).map(({ object }) => object.metadata.name));
  const asked = [node, ...peers].filter((name) => nodes.has(name));
  target.progress.tell(`asking the agents of ${asked.join(', ')}`);
  const facts = await withAgents(target, gathered.facts, asked, { hosts: true });
  const { first, others } =
    peer === undefined ? diagnose(facts, node) : { first: diagnosePair(facts, node, peer), others: [] };
  const lacks = lacksOf({ ...gathered, facts });
  const value = { ...first, others: others.filter(({ verdict }) => verdict === 'wrong') };
  return { code: codeOf(first, facts.installed.known), value, lines: (paint) => whyLines(first, others, paint), lacks };
}

function codeOf({ verdict }: Diagnosis, installed: boolean): ExitCode {
  if (!installed) return ExitCode.NotInstalled;
  return { healthy: ExitCode.Fine, wrong: ExitCode.Wrong, unknown: ExitCode.Incomplete }[verdict];
}

export function whyLines(first: Diagnosis, others: readonly Diagnosis[], paint: Paint): readonly string[] {
  const { node, peer, steps, verdict } = first;
  const title = peer === undefined ? node : `${node} → ${peer}`;
  const walk = steps.map((step) => {
    const stage = `  ${step.stage.padEnd(14)}`;
    if (step.state === 'notReached') return paint(`${stage}-`, 'quiet');
    const mark = { ok: 'ok', wrong: 'WRONG', unknown: '?' }[step.state];
    return `${stage}${paint(mark.padEnd(6), TONES[step.state])} ${step.text}`;
  });
  const wrong = steps.find((step) => step.state === 'wrong');
  const answer =
    wrong?.state === 'wrong'
      ? [`${paint('cause ', 'bad')}  ${wrong.code}: ${wrong.text}`, `${paint('remedy', 'strong')}  ${wrong.remedy}`]
      : [
          verdict === 'healthy'
            ? paint('nothing is wrong', 'good')
            : 'nothing wrong was seen, but not everything could be looked at',
        ];
  return [title, ...walk, '', ...answer, ...otherLines(others, wrong?.state === 'wrong' ? wrong.code : undefined)];
}

/** With whom else something is wrong, those together that have the same. */
function otherLines(others: readonly Diagnosis[], code: string | undefined): readonly string[] {
  const byCode = new Map<string, string[]>();
  for (const { node, peer = `${node} itself`, steps } of others) {
    const wrong = steps.find((step) => step.state === 'wrong');
    if (wrong?.state !== 'wrong') continue;
    byCode.set(wrong.code, [...(byCode.get(wrong.code) ?? []), peer]);
  }
  if (byCode.size === 0) return [];
  return [
    '',
    ...[...byCode].map(([each, peers]) => {
      const shown = peers.slice(0, SHOWN).join(', ');
      const more = peers.length > SHOWN ? ` and ${peers.length - SHOWN} more` : '';
      return `${each === code ? 'the same' : each} with ${shown}${more}`;
    }),
  ];
}

const TONES: Readonly<Record<'ok' | 'wrong' | 'unknown', Tone>> = { ok: 'good', wrong: 'bad', unknown: 'doubtful' };
/** A node and some peers in trouble tell what there is to know; each answer takes a second. */
const MAX_ASKED = 5;
const SHOWN = 10;
