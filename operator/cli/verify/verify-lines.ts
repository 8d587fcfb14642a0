import type { Tone } from '../text/colour.ts';
import { type Paint, table } from '../text/table.ts';
import type { DirectionCounts, PairVerdict } from './verdict.ts';

/** A table of pairs, each direction a line, and below it what is wrong, with what to do. */
export function verifyLines(verdicts: readonly PairVerdict[], probes: number, paint: Paint): readonly string[] {
  if (verdicts.length === 0) return ['there are no two nodes that could encrypt with one another'];
  const rows = verdicts.flatMap(({ nodes, what, state, directions }) => {
    const shown: readonly (DirectionCounts | undefined)[] = directions.length === 0 ? [undefined] : directions;
    return shown.map((direction, index) => [
      direction === undefined ? nodes.join(' - ') : `${direction.from} → ${direction.to}`,
      index === 0 ? { text: state === 'wrong' ? 'WRONG' : state, tone: TONES[state] } : '',
      direction === undefined ? '-' : `${direction.sent}`,
      ...[direction?.encrypted, direction?.decrypted, direction?.received, direction?.answered].map((count) =>
        count === undefined ? '-' : `${count}`,
      ),
      index === 0 ? what : '',
    ]);
  });
  const encrypted = verdicts.filter(({ state }) => state === 'encrypted').length;
  const reasons = verdicts.filter(({ state }) => state !== 'encrypted').flatMap((verdict) => reasonOf(verdict, paint));
  return [
    ...table(['PAIR', 'RESULT', 'SENT', 'ENCRYPTED', 'DECRYPTED', 'RECEIVED', 'ANSWERED', 'WAY'], rows, paint),
    '',
    ...reasons,
    `${encrypted} of ${verdicts.length} encrypted: ${probes} UDP datagrams from the agent of each node to the other's, to sockets whose kernel`,
    'hands over only what it has decrypted; every packet counted by the SAs of both ends',
  ];
}

function reasonOf({ nodes, what, state, code, text, remedy }: PairVerdict, paint: Paint): readonly string[] {
  const pair = `${nodes.join(' - ')}${what === '' ? '' : ` (${what})`}`;
  return [
    `${paint(pair, TONES[state])}  ${code}: ${text}`,
    ...(remedy === undefined ? [] : [`  ${paint('remedy', 'strong')}  ${remedy}`]),
    '',
  ];
}

const TONES: Readonly<Record<PairVerdict['state'], Tone>> = { encrypted: 'good', wrong: 'bad', unknown: 'doubtful' };
