import { describe, expect, it } from 'vitest';

import { ContainerProgram } from './container-program.ts';
import type { CommandOutput } from './serial-commands.ts';

/** A node whose serial line leads to the test. */
function scriptedNode() {
  const written: string[] = [];
  const { promise: code, resolve: end, reject: crash } = Promise.withResolvers<number>();
  const line: { output?: CommandOutput; command?: readonly string[] } = {};
  const node = {
    name: 'a',
    start: (command: readonly string[], output: CommandOutput) => {
      Object.assign(line, { command, output });
      const write = (piece: Uint8Array) => written.push(Buffer.from(piece).toString());
      return { code, write, closeInput: () => undefined, signal: () => undefined };
    },
  };
  return { node, line, written, end, crash, says: (text: string) => line.output?.stdout(Buffer.from(text)) };
}

describe('a program in a container', () => {
  it('is told words, and what it says is waited for', async () => {
    const { node, line, written, end, says } = scriptedNode();
    const program = new ContainerProgram(node, 'traffic', 'stream', ['/traffic', 'stream']);
    expect(line.command?.slice(-3)).toEqual(['traffic', '/traffic', 'stream']);
    const ready = program.said(/^ready$/m);
    says('rea');
    says('dy\n');
    await ready;
    program.write('go\n');
    expect(written).toEqual(['go\n']);
    end(0);
    expect(await program.exited()).toEqual({ code: 0, signal: null });
    expect(program.log()).toBe('ready\n');
  });

  it('that has ended, or whose node has, is not waited for', async () => {
    for (const how of ['ends', 'crashes'] as const) {
      const { node, end, crash, says } = scriptedNode();
      const program = new ContainerProgram(node, 'traffic', 'stream', ['/traffic']);
      says('no such address\n');
      if (how === 'ends') end(2);
      else crash(new Error('the node a has ended'));
      await expect(program.said('ready')).rejects.toThrow(
        how === 'ends'
          ? /stream in container traffic on a ended [(]code 2[)]\nno such address/
          : /the node a has ended/,
      );
    }
  });
});
