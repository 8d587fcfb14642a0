import { describe, expect, it } from 'vitest';

import { fqdn } from '../ike/testing/pair.ts';
import { initiationBetween } from './initiation.ts';

const [LOW, HIGH] = [fqdn('a.mesh.test'), fqdn('b.mesh.test')];

describe('who begins', () => {
  it('is one of the two, which both know, and the other one if that one does not', () => {
    expect([initiationBetween(LOW, HIGH, 'Always'), initiationBetween(HIGH, LOW, 'Always')]).toEqual([
      'start',
      'takeover',
    ]);
  });

  it('does not depend on how the names are written', () => {
    expect(initiationBetween(fqdn('A.mesh.test'), HIGH, 'Always')).toBe('start');
    expect(initiationBetween(HIGH, fqdn('A.MESH.test'), 'Always')).toBe('takeover');
  });

  it('is whoever has traffic first, or neither, where that is wanted', () => {
    expect(initiationBetween(LOW, HIGH, 'OnDemand')).toBe('onDemand');
    expect(initiationBetween(LOW, HIGH, 'Never')).toBe('respond');
  });
});
