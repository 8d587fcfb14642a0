import { describe, expect, it } from 'vitest';

import { healthyFacts, withConnection } from '../testing/healthy-facts.ts';
import { sasLines } from './sas-lines.ts';

describe('the SAs of a node', () => {
  it('are made by the first packet where a peer waits for that, which is not shown as a fault', () => {
    const first = (reason: string) => {
      const fields = { state: 'down', reason, ikeSas: [] };
      const facts = withConnection(healthyFacts(), 'node-1', 'node-2-ipv4', (peer) => ({ ...peer, ...fields }));
      const report = facts.agents.get('node-1');
      if (report?.known !== true) throw new Error('the agent of node-1 was not asked');
      return sasLines(report.value, report.value.peers, (text, tone) => `${text} (${tone})`)[0];
    };
    expect(first('WaitingForTraffic')).toBe('node-2-ipv4: no IKE SA yet: the first packet makes one');
    expect(first('NotEstablished')).toBe('node-2-ipv4: no IKE SA (bad)');
  });
});
