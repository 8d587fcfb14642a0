import { describe, expect, it } from 'vitest';

import { failuresOfScenarios, failuresOfVitest } from './failures.ts';

describe('what failed, at the end of npm test, where a reader of a long log finds it', () => {
  it('is each test with its file and why, in a line of bounded length', () => {
    const testResults = [
      {
        name: '/project/agent/x.test.ts',
        status: 'failed',
        message: '',
        assertionResults: [
          { status: 'passed', fullName: 'a b' },
          { status: 'failed', fullName: 'a c', failureMessages: ['expected 1\n  to be 2', 'more'] },
          { status: 'failed', fullName: 'a d', failureMessages: ['x'.repeat(9_000)] },
        ],
      },
    ];
    expect(failuresOfVitest({ testResults }, '/project')).toEqual([
      'agent/x.test.ts > a c: expected 1 to be 2',
      `agent/x.test.ts > a d: ${'x'.repeat(1_500)}`,
    ]);
  });

  it('is a file that did not load', () => {
    const testResults = [
      { name: '/project/y.test.ts', status: 'failed', message: 'no such file', assertionResults: [] },
    ];
    expect(failuresOfVitest({ testResults }, '/project')).toEqual(['y.test.ts: no such file']);
  });

  it('is each scenario of the lab that failed', () => {
    const scenarios = [
      { name: 'good', outcome: 'passed' },
      { name: 'bad', outcome: 'failed', reason: '3 packets lost' },
    ];
    expect(failuresOfScenarios(scenarios)).toEqual(['bad: 3 packets lost']);
  });
});
