import { describe, expect, it } from 'vitest';

import type { LabelSelector } from '../api/label-selector.ts';
import { matchesSelector } from './matches-selector.ts';

const labels = { arch: 'amd64', role: '' };

describe('a label selector', () => {
  it.each<[string, LabelSelector, boolean]>([
    ['that is empty matches everything', {}, true],
    ['matches equal labels', { matchLabels: { arch: 'amd64', role: '' } }, true],
    ['does not match a missing label as empty', { matchLabels: { other: '' } }, false],
    ['does not match another value', { matchLabels: { arch: 'arm64' } }, false],
    ['In', expression('arch', 'In', ['arm64', 'amd64']), true],
    ['In, missing', expression('other', 'In', ['x']), false],
    ['NotIn', expression('arch', 'NotIn', ['amd64']), false],
    ['NotIn matches a missing label', expression('other', 'NotIn', ['x']), true],
    ['Exists matches an empty value', expression('role', 'Exists'), true],
    ['Exists, missing', expression('other', 'Exists'), false],
    ['DoesNotExist', expression('arch', 'DoesNotExist'), false],
    ['DoesNotExist, missing', expression('other', 'DoesNotExist'), true],
    ['is not fooled by what every object has', expression('constructor', 'Exists'), false],
    ['needs all of its parts', { matchLabels: { arch: 'amd64' }, ...expression('other', 'Exists') }, false],
  ])('%s', (_, selector, expected) => {
    expect(matchesSelector(selector, labels)).toBe(expected);
  });
});

function expression(
  key: string,
  operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist',
  values?: string[],
): LabelSelector {
  return { matchExpressions: [{ key, operator, ...(values === undefined ? {} : { values }) }] };
}
