import { describe, expect, it } from 'vitest';

import { type Progress, readinessOf } from './readiness.ts';

const begun: Progress = {
  source: 'the API server',
  standby: false,
  kernelFailure: undefined,
  startFailure: undefined,
  lockFailure: undefined,
  shortcomings: [],
  isCarriedOut: false,
  unreadable: undefined,
  isTold: false,
  isAnswered: false,
  isComplete: false,
};
const told = { isTold: true, isAnswered: true };

describe('an agent is ready', () => {
  it.each<[string, Partial<Progress>]>([
    ['that carries out what its node is to do', { ...told, isCarriedOut: true }],
    ['that does so without the API server', { isTold: true, isCarriedOut: true }],
    ['whose node takes part in nothing', { isAnswered: true }],
    ['that stands by and could go on at once', { ...told, standby: true, isComplete: true }],
  ])('%s', (_, progress) => {
    expect(readinessOf({ ...begun, ...progress }).ready).toBe(true);
  });
});

describe('an agent is not ready, so that the one before it is not ended', () => {
  it.each<[string, Partial<Progress>, RegExp]>([
    ['that has heard nothing', { standby: true }, /waits for the API server/],
    ['whose keys did not come yet', { ...told, standby: true }, /waits for the API server/],
    [
      'that cannot read what its node is told',
      { isAnswered: true, standby: true, unreadable: 'spec: is of another version' },
      /another version/,
    ],
    [
      'that may not use the kernel',
      { ...told, standby: true, isComplete: true, kernelFailure: 'the kernel says EPERM' },
      /EPERM/,
    ],
    ['that cannot start', { ...told, isComplete: true, startFailure: 'UDP port 500 is taken' }, /port 500/],
    [
      'that cannot know whether another one is at work',
      { standby: false, lockFailure: 'the state folder /var/lib/ikemesh cannot be used' },
      /\/var\/lib\/ikemesh/,
    ],
    ['that has all and has not begun', { ...told, isComplete: true }, /waits/],
  ])('%s', (_, progress, text) => {
    expect(readinessOf({ ...begun, ...progress })).toEqual({ ready: false, text: expect.stringMatching(text) });
  });
});

it('tells what an agent at work lacks', () => {
  const shortcomings = ['the configuration is not kept: ENOSPC'];
  expect(readinessOf({ ...begun, ...told, isCarriedOut: true, shortcomings })).toEqual({
    ready: true,
    text: 'carries out what the node is to do; the configuration is not kept: ENOSPC',
  });
});
