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
  it('are one of each family, with the packets of that family', () => {
    expect(written({ directions: [direction(false, 100, 0), direction(true, 20, 0)] })).toMatchObject([
      { family: 'IPv4', outcome: 'kept', counts: { sentPackets: 100, lostPackets: 0, plaintextPackets: 0 } },
      { family: 'IPv6', outcome: 'kept', counts: { sentPackets: 20, lostPackets: 0, plaintextPackets: 0 } },
    ]);
  });

  it('are broken by a packet that is lost, that of the family which lost it', () => {
    const rows = written({ directions: [direction(false, 100, 0), direction(true, 20, 1)] });
    expect(rows.map(({ outcome }) => outcome)).toEqual(['kept', 'broken']);
    expect(rows[1]?.why).toContain('1 of 20 packets lost');
  });

  it('are broken by a packet in plaintext, and by an event that does not do what it is to do', () => {
    const leak = { kind: 'plaintext', family: 4, summary: 'UDP 7000' } as const;
    const [leaked] = written({ packets: [...ESP, leak] });
    expect(leaked).toMatchObject({ outcome: 'broken', counts: { plaintextPackets: 1 } });
    expect(written({ failure: 'the API server did not come back' })).toMatchObject([
      { outcome: 'broken', why: 'the API server did not come back' },
      { outcome: 'broken', why: 'the API server did not come back' },
    ]);
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
    directions: [direction(false, 100, 0), direction(true, 20, 0)],
    packets: ESP,
    failure: undefined,
    recoverySeconds: undefined,
    ...changes,
  };
}

function direction(ipv6: boolean, sent: number, lost: number): ClusterCounts['directions'][number] {
  const counted = { received: sent - lost, duplicated: 0, reordered: 0, longestGapMs: 10 };
  return { ipv6, rate: 20, report: { ...counted, from: 'a', to: 'b', sent, refused: {}, lost } };
}

const ESP: ClusterCounts['packets'] = [
  { kind: 'esp', family: 4, summary: 'ESP' },
  { kind: 'esp', family: 6, summary: 'ESP' },
];
