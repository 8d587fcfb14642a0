import { describe, expect, it } from 'vitest';

import { overview } from './overview.ts';
import { nodeReport, peerReport, troubledPeers } from './testing/reports.ts';

const NOW = { atMs: 1_000, version: '0.1.0' };

describe('the overview of a node', () => {
  it('has first what is worst, then what is proven, and last who waits for traffic', () => {
    const peers = [
      peerReport('proven'),
      peerReport('in-udp', { reason: 'FellBackToUDP' }),
      peerReport('unproven', { reason: 'Unproven' }),
      peerReport('idle', { state: 'idle', reason: 'WaitingForTraffic', ikeSas: [] }),
      ...troubledPeers(),
    ];
    expect(overview(nodeReport(peers), [], NOW).peers.map(({ name }) => name)).toEqual([
      'no-answer',
      'being-negotiated',
      'not-arriving',
      'peer-silent',
      'unproven',
      'in-udp',
      'proven',
      'idle',
    ]);
  });

  it('says why as the status does, and counts the bytes of all SAs of a peer', () => {
    const [peer] = troubledPeers().slice(1);
    const [line] = overview(nodeReport(peer === undefined ? [] : [peer]), [], NOW).peers;
    expect(line).toMatchObject({
      reason: peer?.reason,
      message: peer?.message,
      bytesIn: 1_234_567,
      bytesOut: 7_654_321,
    });
  });

  it('names what is wrong with the node itself, with what to do', () => {
    const { faults } = overview(
      nodeReport([], {
        kernelFailure: 'EPERM',
        heldBack: ['tls.key: is not the key of the certificate'],
        demandsCookies: true,
        holder: { socket: '/run/holder.sock', state: 'absent', reason: 'ENOENT' },
        mssClampFailure: 'this kernel lacks nf_tables',
        bypasses: [{ traffic: 'neighbour discovery', policies: 4, installed: 3 }],
        certificates: [
          { kind: 'own', name: 'node-a', file: '/tls.crt', until: '2026-11-28 00:00:00Z', secondsLeft: -60 },
        ],
      }),
      [],
      NOW,
    );
    expect(faults.join('\n')).toMatch(
      /kernel.*EPERM\n.*tls[.]key.*\nnode-a has ended.*\/tls[.]crt\nneighbour.*1 of 4.*\nTCP segments.*nf_tables\n.*no holder at \/run\/holder[.]sock.*\n.*half open/,
    );
    expect(overview(nodeReport([]), [], NOW).faults).toEqual([]);
  });

  it('says that no agent runs, and what happened before', () => {
    const event = { what: 'Lost', isTrouble: true, peer: 'b', text: 'peerDead', atMs: 1, times: 1 } as const;
    const told = overview(undefined, [event], NOW);
    expect(told).toMatchObject({ node: '', peers: [], events: [event] });
    expect(told.faults).toHaveLength(1);
  });
});
