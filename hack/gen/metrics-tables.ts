import { readFileSync } from 'node:fs';

import { AGENT_METRICS } from '../../agent/metrics/definitions.ts';
import { OPERATOR_METRICS } from '../../operator/metrics/definitions.ts';
import { withMarkedPart } from './marked-part.ts';

/** The READMEs of the metrics, with tables of what there is. */
export function metricsTables(): readonly { readonly path: string; readonly text: string }[] {
  const agent: readonly Row[] = AGENT_METRICS;
  return [
    written('agent/metrics/README.md', [
      table(agent.filter(({ perPeer }) => perPeer !== true)),
      'For each peer, where that is not switched off:\n',
      table(agent.filter(({ perPeer }) => perPeer === true)),
    ]),
    written('operator/metrics/README.md', [table(OPERATOR_METRICS)]),
  ];
}

interface Row {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly unit: string;
  readonly perPeer?: true;
}

function written(path: string, parts: readonly string[]): { readonly path: string; readonly text: string } {
  const readme = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
  return { path, text: withMarkedPart(path, readme, BEGIN, END, parts.join('\n')) };
}

function table(rows: readonly Row[]): string {
  const lines = rows.map(({ name, type, labels, unit, help }) => {
    const labelled = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${labelled} | ${unit} | ${help.replaceAll('|', '\\|')} |`;
  });
  return ['| name | type | labels | unit | meaning |', '|---|---|---|---|---|', ...lines, ''].join('\n');
}

const BEGIN = '<!-- metrics, generated from definitions.ts by npm run generate -->';
const END = '<!-- end of metrics -->';
