import type { Tone } from '../text/colour.ts';
import { type Paint, table } from '../text/table.ts';
import { CHECKS, type Check, STATES } from './check.ts';
import type { Preflight } from './preflight-command.ts';

/** A table of nodes, and below it everything that is not as it should be, with what to do. */
export function preflightLines({ cluster, nodes }: Preflight, paint: Paint): readonly string[] {
  const nodeLines = table(
    ['NODE', 'RESULT', ...CHECKS.map((name) => (name === 'node' ? 'STATUS' : name.toUpperCase()))],
    nodes.map(({ name, state, checks }) => [
      name,
      { text: MARKS[state], tone: TONES[state] },
      ...CHECKS.map((key) => ({ text: checks[key].short, tone: TONES[checks[key].state] })),
    ]),
    paint,
  );
  const clusterLines = Object.entries(cluster).map(
    ([name, { state, text }]) => `${name.padEnd(15)}${paint(MARKS[state].padEnd(11), TONES[state])}${text}`,
  );
  return [
    ...clusterLines,
    ...(nodes.length === 0 ? [] : ['', ...nodeLines]),
    ...reasonLines({ cluster, nodes }, paint),
  ];
}

/** The same of many nodes is said once. */
function reasonLines({ cluster, nodes }: Preflight, paint: Paint): readonly string[] {
  const reasons = new Map<string, { readonly check: Check; readonly name: string; readonly of: string[] }>();
  const add = (check: Check, name: string, of: readonly string[]): void => {
    if (check.state === 'ok') return;
    const key = `${name} ${check.text}`;
    const found = reasons.get(key) ?? { check, name, of: [] };
    found.of.push(...of);
    reasons.set(key, found);
  };
  for (const [name, check] of Object.entries(cluster)) if (check.remedy !== undefined) add(check, name, []);
  for (const { name: node, checks } of nodes) for (const key of CHECKS) add(checks[key], key, [node]);
  const ranked = [...reasons.values()].toSorted(
    (left, right) => STATES.indexOf(left.check.state) - STATES.indexOf(right.check.state),
  );
  const remedies = new Set<string>();
  return ranked.flatMap(({ check: { state, text, remedy }, name, of }, index) => {
    const nodeNames = of.length === 0 ? '' : ` of ${namesOf(of)}`;
    const isNew = remedy !== undefined && !remedies.has(remedy);
    if (remedy !== undefined) remedies.add(remedy);
    return [
      ...(index === 0 ? [''] : []),
      `${paint(MARKS[state].padEnd(11), TONES[state])}${name}${nodeNames}: ${text}`,
      ...(isNew ? [`${' '.repeat(11)}${paint(remedy, 'strong')}`] : []),
    ];
  });
}

function namesOf(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN).join(', ');
  return names.length > SHOWN ? `${shown} and ${names.length - SHOWN} more` : shown;
}

const MARKS: Readonly<Record<Check['state'], string>> = {
  ok: 'ok',
  doubtful: 'doubtful',
  wrong: 'WRONG',
  unknown: '?',
};
const TONES: Readonly<Record<Check['state'], Tone>> = {
  ok: 'good',
  doubtful: 'doubtful',
  wrong: 'bad',
  unknown: 'doubtful',
};
const SHOWN = 8;
