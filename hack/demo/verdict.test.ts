import { describe, expect, it } from 'vitest';
import { brokenPromises, type DemoResult, verdictTable } from './verdict.ts';

const good: DemoResult = {
  nodes: 3,
  sentPackets: 240,
  lostPackets: 0,
  droppedPackets: 0,
  espPackets: 480,
  plaintextPackets: 0,
  securityAssociations: 24,
  certificatesRotated: 1,
  kernel: '6.12.0',
  seconds: 9,
};

describe('the verdict of the demo', () => {
  it('is good when every packet arrived as ESP', () => {
    expect(brokenPromises(good, 24)).toEqual([]);
  });

  it.each([
    ['a lost packet', { lostPackets: 1 }, /1 of 240 packets were lost/],
    ['a packet that IPsec dropped', { droppedPackets: 3 }, /IPsec dropped 3 packets/],
    ['a packet in plaintext', { plaintextPackets: 2 }, /2 packets crossed the wire in plaintext/],
    ['fewer ESP packets than were sent and answered', { espPackets: 479 }, /479 ESP packets/],
    ['a missing SA', { securityAssociations: 23 }, /23 SAs are installed, 24 are needed/],
    ['a certificate that nobody took in', { certificatesRotated: 0 }, /no renewed certificate was proven/],
    ['no traffic at all', { sentPackets: 0 }, /no packet was sent/],
  ])('names %s', (_, change, text) => {
    expect(brokenPromises({ ...good, ...change }, 24).join('\n')).toMatch(text);
  });

  it('asks for one ESP packet each where packets are not answered', () => {
    expect(brokenPromises({ ...good, espPackets: 240 }, 24, 1)).toEqual([]);
    expect(brokenPromises({ ...good, espPackets: 239 }, 24, 1)).toHaveLength(1);
  });

  it('is a table in which each promise stands with what was measured', () => {
    const lines = verdictTable({ ...good, lostPackets: 1 }, 24);
    expect(lines.filter((line) => line.endsWith('BROKEN'))).toEqual([expect.stringMatching(/^none is lost +1 lost/)]);
    expect(lines.filter((line) => line.endsWith('kept'))).toHaveLength(lines.length - 1);
  });
});
