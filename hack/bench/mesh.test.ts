import { describe, expect, it } from 'vitest';

import { meshResult } from './mesh.ts';
import { MeshNode } from './mesh-node.ts';

describe('mesh bench', () => {
  const node = new MeshNode(6);

  it('has the node and its peers, each with a certificate of its own, find one another; either side begins', () => {
    node.advance(30_000);
    expect(node.count('ikeSaEstablished')).toBe(6);
    expect(node.count('negotiationFailed')).toBe(0);
    expect(node.meter.seconds).toBeGreaterThan(0);
  });

  it('asks silent peers whether they live, each pair once in the interval', () => {
    const before = node.count('livenessChecked');
    node.advance(300_000);
    // The initiator of a pair asks: the node in half of them, every 30 seconds.
    expect(node.count('livenessChecked') - before).toBe(3 * 10);
  });

  it('rekeys every Child SA and every IKE SA once', () => {
    node.expireChildSas(6_000);
    node.advance(20_000);
    node.rekeyIkeSas(6_000);
    node.advance(20_000);
    expect([node.count('childSaRekeyed'), node.count('ikeSaRekeyed')]).toEqual([6, 6]);
    expect([node.count('childSaClosed'), node.count('ikeSaClosed')]).toEqual([6, 6]);
  });

  it('gives what a peer costs beside what all cost, the mean where several meshes were measured', () => {
    const memory = { heapBytes: 0, externalBytes: 0, rssBytes: 0 };
    const { figures } = meshResult(101, {
      meshes: 10,
      before: memory,
      established: { ...memory, heapBytes: 20_000_000 },
      cpuSeconds: { establishing: 1, resting: 2, rekeyingChildSas: 0.3, rekeyingIkeSas: 0.5 },
      longestTurnSeconds: 0.004,
      livenessChecks: 70,
    });
    expect(figures).toMatchObject({ establishCpuSeconds: 0.1, restHourCpuSeconds: 0.2, bytesPerPeerAndEnd: 10_000 });
    expect(figures).toMatchObject({ longestTurnMilliseconds: 4, livenessChecks: 7 });
    expect(figures['rekeyCpuSeconds']).toBeCloseTo(0.08);
    expect(figures['restHourMicrosecondsPerPeer']).toBeCloseTo(2_000);
  });
});
