import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { type ClusterCounts, rowsVariable, writeClusterRows } from './cluster-rows.ts';
import type { Row } from './row.ts';

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ikemesh-rows-'));
  file = join(folder, 'rows.jsonl');
  vi.stubEnv(rowsVariable, file);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

describe('the rows of an event on a cluster', () => {
  it('are one of each mode and family, with the packets of these', () => {
    const kept = (sentPackets: number) => ({
      outcome: 'kept',
      counts: { sentPackets, lostPackets: 0, plaintextPackets: 0 },
    });
    expect(written({})).toMatchObject([
      { mode: 'transport', family: 'IPv4', ...kept(100) },
      { mode: 'transport', family: 'IPv6', ...kept(20) },
      { mode: 'tunnel', family: 'IPv4', ...kept(60) },
      { mode: 'tunnel', family: 'IPv6', ...kept(30) },
    ]);
  });

  it('are broken by a packet that is lost, that of the mode and family which lost it', () => {
    const rows = written({ directions: [...DIRECTIONS.slice(1), direction('transport', true, 20, 1)] });
    expect(rows.map(({ outcome }) => outcome)).toEqual(['broken', 'broken', 'kept', 'kept']);
    expect(rows[1]?.why).toContain('1 of 40 packets lost');
  });

  it('are broken by a packet in plaintext, and by an event that does not do what it is to do', () => {
    const leak = { kind: 'plaintext', family: 4, summary: 'UDP 7000', destination: POD } as const;
    const leaked = (source: string) =>
      written({ packets: [...ESP, { ...leak, source }] }).map(({ counts: found }) => found?.plaintextPackets);
    expect(leaked('10.244.0.2')).toEqual([0, 0, 1, 0]);
    const ofNodes = written({ packets: [...ESP, { ...leak, source: '10.88.0.11', destination: '10.88.0.12' }] });
    expect(ofNodes.map(({ outcome }) => outcome)).toEqual(['broken', 'kept', 'kept', 'kept']);
    const failed = written({ failure: 'the API server did not come back' });
    expect(failed.map(({ why }) => why)).toEqual(Array.from({ length: 4 }, () => 'the API server did not come back'));
  });

  it('have the time until a node that was away has its SAs again', () => {
    expect(written({ recoverySeconds: 3.5 })[0]?.counts?.recoverySeconds).toBe(3.5);
  });

  it('are written only where somebody wants them', () => {
    vi.stubEnv(rowsVariable, undefined);
    writeClusterRows(counts({}));
    expect(existsSync(file)).toBe(false);
  });
});

function written(changes: Partial<ClusterCounts>): readonly Row[] {
  rmSync(file, { force: true });
  writeClusterRows(counts(changes));
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Row);
}

function counts(changes: Partial<ClusterCounts>): ClusterCounts {
  return {
    event: 'api-server-away',
    directions: DIRECTIONS,
    packets: ESP,
    podAddresses: new Set([POD]),
    failure: undefined,
    recoverySeconds: undefined,
    ...changes,
  };
}

function direction(
  mode: 'transport' | 'tunnel',
  ipv6: boolean,
  sent: number,
  lost: number,
): ClusterCounts['directions'][number] {
  const counted = { received: sent - lost, duplicated: 0, reordered: 0, longestGapMs: 10 };
  return { mode, ipv6, rate: 20, report: { ...counted, from: 'a', to: 'b', sent, refused: {}, lost } };
}

const POD = '10.244.1.2';
const DIRECTIONS = [
  direction('transport', false, 100, 0),
  direction('transport', true, 20, 0),
  direction('tunnel', false, 60, 0),
  direction('tunnel', true, 30, 0),
];
const ESP: ClusterCounts['packets'] = [
  { kind: 'esp', family: 4, summary: 'ESP', source: '10.88.0.11', destination: '10.88.0.12' },
  { kind: 'esp', family: 6, summary: 'ESP', source: 'fd00:10:88::b', destination: 'fd00:10:88::c' },
];
