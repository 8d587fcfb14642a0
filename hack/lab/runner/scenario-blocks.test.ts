import { describe, expect, it } from 'vitest';

import { inBlocks } from './scenario-blocks.ts';

describe('inBlocks', () => {
  it('passes on whole scenarios, whatever pieces their output arrives in', () => {
    const output =
      '--- one: first\n    step\nok   one (1 s)\n--- two: second\nFAIL two (1 s): why\n  log:\n    --- no\n';
    for (let length = 1; length <= output.length; length++) {
      const blocks: string[] = [];
      const writer = inBlocks((block) => blocks.push(Buffer.from(block).toString()));
      for (let at = 0; at < output.length; at += length) writer.write(Buffer.from(output.slice(at, at + length)));
      const complete = blocks.join('');
      expect(complete === '' || complete.endsWith('ok   one (1 s)\n')).toBe(true);
      writer.end();
      expect(blocks.join('')).toBe(output);
    }
  });
});
