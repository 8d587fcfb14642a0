import { describe, expect, it } from 'vitest';

import { runProgram } from './run-program.ts';

describe('a program', () => {
  it('is given its input and answers with what it said', async () => {
    const { code, stdout } = await runProgram('sh', ['-c', 'cat; exit 3'], { input: 'word' });
    expect({ code, stdout }).toEqual({ code: 3, stdout: 'word' });
  });

  it('ends at once when whoever waits for it gives up', async () => {
    const over = new AbortController();
    const begun = performance.now();
    const ended = runProgram('sleep', ['60'], { signal: over.signal });
    over.abort();
    await expect(ended).rejects.toThrow(/abort/i);
    expect(performance.now() - begun).toBeLessThan(10_000);
  });
});
