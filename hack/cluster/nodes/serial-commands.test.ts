import { createInterface } from 'node:readline';
import { duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';

import { SerialCommands } from './serial-commands.ts';

/** The node's end, by hand: what it was asked, and a way to answer. */
function line() {
  const [own, far] = duplexPair();
  const asked: Record<string, unknown>[] = [];
  createInterface({ input: far }).on('line', (text) => asked.push(JSON.parse(text) as Record<string, unknown>));
  const answer = (...replies: readonly object[]) => {
    for (const reply of replies) far.write(`${JSON.stringify(reply)}\n`);
  };
  return { commands: new SerialCommands(own, 'node-1'), asked, answer, far, own };
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

describe('commands on a node', () => {
  it('are waited for until the node listens, whatever its kernel says on the line before', async () => {
    const { commands, far, answer } = line();
    far.write('Linux version 6.12\n');
    answer({ id: 0 });
    await commands.ready;
  });

  it('that run at the same time get their own output and code each', async () => {
    const { commands, answer } = line();
    const [first, second] = [commands.run(['a']), commands.run(['b'])];
    answer({ id: 2, stdout: base64('two') }, { id: 1, stderr: base64('one') }, { id: 2, code: 0 }, { id: 1, code: 3 });
    expect(await first).toEqual({ code: 3, stdout: '', stderr: 'one' });
    expect(await second).toEqual({ code: 0, stdout: 'two', stderr: '' });
  });

  it('are given their input and its end', async () => {
    const { commands, asked, answer } = line();
    const running = commands.run(['cat'], { input: 'hello' });
    answer({ id: 1, code: 0 });
    await running;
    expect(asked).toEqual([
      { id: 1, run: ['cat'] },
      { id: 1, input: base64('hello') },
      { id: 1, close: true },
    ]);
  });

  it('fail when their node ends, and those after them too', async () => {
    const { commands, far } = line();
    const running = commands.run(['sleep', '9']);
    far.destroy();
    await expect(running).rejects.toThrow('node-1 has ended');
    await expect(commands.run(['true'])).rejects.toThrow('node-1 has ended');
    await expect(commands.ready).rejects.toThrow('node-1 has ended');
  });

  it('fail, and nothing else does, when the line breaks', async () => {
    const { commands, own } = line();
    const running = commands.run(['sleep', '9']);
    own.destroy(new Error('ECONNRESET'));
    await expect(running).rejects.toThrow('node-1 has ended');
  });

  it('that were running fail when the other end of the line begins anew', async () => {
    const { commands, answer } = line();
    answer({ id: 0 });
    await commands.ready;
    const running = commands.run(['sleep', '9']);
    answer({ id: 0 });
    await expect(running).rejects.toThrow(/lost/);
  });
});
