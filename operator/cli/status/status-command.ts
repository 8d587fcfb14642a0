import { gatherFacts, lacksOf } from '../cluster/gather-facts.ts';
import type { Target } from '../cluster/target.ts';
import { ExitCode } from '../exit-code.ts';
import type { Outcome } from '../outcome.ts';
import type { Tone } from '../text/colour.ts';
import { durationText } from '../text/duration.ts';
import { type Paint, table } from '../text/table.ts';
import { type MeshStatus, meshStatus, type NodeRow } from './mesh-status.ts';

/** `kubectl ikemesh status` */
export async function statusCommand(target: Target): Promise<Outcome> {
  const gathered = await gatherFacts(target);
  const { facts } = gathered;
  const lacks = lacksOf(gathered);
  if (!facts.installed.known) {
    return { code: ExitCode.NotInstalled, value: { peerings: [], nodes: [] }, lines: () => [], lacks };
  }
  const status = meshStatus(facts);
  const lines = (paint: Paint) => statusLines(status, facts.atMs, paint);
  return { code: codeOf(status, lacks), value: status, lines, lacks };
}

function codeOf({ peerings, nodes }: MeshStatus, lacks: readonly string[]): ExitCode {
  const isWrong = nodes.some(({ state }) => state === 'Wrong' || state === 'Degraded');
  if (isWrong || peerings.some(({ ready }) => ready === 'False')) return ExitCode.Wrong;
  const isCertain = lacks.length === 0 && peerings.every(({ ready }) => ready === 'True');
  return isCertain ? ExitCode.Fine : ExitCode.Incomplete;
}

export function statusLines({ peerings, nodes }: MeshStatus, atMs: number, paint: Paint): readonly string[] {
  const peeringLines = table(
    ['PEERING', 'READY', 'ENFORCEMENT', 'NODES', 'TUNNELS', 'STATUS'],
    peerings.map(({ name, ready, enforcement, nodes: counts, tunnels, message }) => [
      name,
      { text: ready, tone: READY_TONES[ready] ?? 'doubtful' },
      enforcement,
      counts === undefined ? '-' : `${counts.ready}/${counts.selected}`,
      tunnels === undefined ? '-' : `${tunnels.encrypting}/${tunnels.expected}`,
      message,
    ]),
    paint,
  );
  const nodeLines = table(
    ['NODE', 'STATE', 'PEERS', 'CERTIFICATE', 'AGENT', 'MESSAGE'],
    nodes.map((row) => [
      row.name,
      { text: row.state, tone: STATE_TONES[row.state] },
      `${row.peers.encrypting}/${row.peers.expected}`,
      certificateText(row, atMs),
      row.agent ?? '-',
      row.message,
    ]),
    paint,
  );
  const troubled = nodes.find(({ state }) => state === 'Wrong' || state === 'Degraded');
  return [
    ...(peerings.length === 0 ? ['no IPsecPeering is known'] : peeringLines),
    ...(nodes.length === 0 ? [] : ['', ...nodeLines]),
    ...(troubled === undefined ? [] : ['', paint(`what to do: kubectl ikemesh why ${troubled.name}`, 'strong')]),
  ];
}

function certificateText({ certificateEnds }: NodeRow, atMs: number): string {
  if (certificateEnds === undefined) return '-';
  const left = (Date.parse(certificateEnds) - atMs) / 1_000;
  return left > 0 ? `${durationText(left)} left` : 'ENDED';
}

const READY_TONES: Readonly<Record<string, Tone>> = { True: 'good', False: 'bad' };
const STATE_TONES: Readonly<Record<NodeRow['state'], Tone>> = {
  Wrong: 'bad',
  Degraded: 'bad',
  Unknown: 'doubtful',
  Pending: 'doubtful',
  Encrypting: 'good',
  NotSelected: 'quiet',
};
