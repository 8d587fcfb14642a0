import { describe, expect, it } from 'vitest';
import { Pair } from './testing/pair.ts';

describe('initial exchanges', () => {
  it('two sides with one pre-shared key end up with one Child SA whose SPIs and keys match', () => {
    const pair = new Pair();
    pair.configure();
    pair.settle();
    expect(pair.left.facts.map((fact) => fact.kind)).toContain('childSaEstablished');
    expect(pair.right.facts.map((fact) => fact.kind)).toContain('childSaEstablished');
  });
});
