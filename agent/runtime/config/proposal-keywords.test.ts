import { describe, expect, it } from 'vitest';

import { proposalKeywords } from '../../../operator/api/proposal.ts';
import { type Algorithm, algorithms } from '../../crypto/suites.ts';

describe('the proposal keywords of the API', () => {
  it.each(Object.entries(proposalKeywords))('are the ones that agents know: %s', (kind, words) => {
    const rows: readonly Algorithm[] = algorithms.filter((row) => row.kind === kind);
    expect([...words].sort()).toEqual(rows.flatMap(({ keywords }) => keywords).sort());
  });

  it('leave out no kind of algorithm', () => {
    expect(new Set(algorithms.map(({ kind }) => kind))).toEqual(new Set(Object.keys(proposalKeywords)));
  });
});
