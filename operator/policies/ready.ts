import { holds, type Verdict } from './verdict.ts';

/** The summary: all of the others, and of those that do not hold the first says why. */
export function ready(others: readonly Verdict[]): Verdict {
  const failing = others.find(({ status }) => status === 'False') ?? others.find(({ status }) => status !== 'True');
  if (failing === undefined) return holds('Ready', others.at(-1)?.message ?? '');
  return failing;
}
