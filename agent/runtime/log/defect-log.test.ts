import { describe, expect, it } from 'vitest';

import { DefectLog } from './defect-log.ts';
import { createLog } from './logger.ts';

describe('the log of defects', () => {
  it('has one line a minute for each, however many datagrams meet it, and says how many there were', () => {
    const lines: { readonly error: string; readonly similar?: number }[] = [];
    const log = createLog('json', 'info', { write: (line) => void lines.push(JSON.parse(line)) }, false);
    let now = 0;
    const defects = new DefectLog(log, { monotonicMs: () => now });
    const flood = (): void => {
      for (let count = 0; count < 1_000; count += 1) defects.note(new Error(`of the peer: ${count}`));
    };
    flood();
    defects.note(new Error('another one'));
    defects.note('not even an error');
    expect(lines.map(({ error }) => error.split('\n')[0])).toEqual([
      'Error: of the peer: 0',
      'Error: another one',
      'not even an error',
    ]);
    now += 60_000;
    flood();
    expect(lines.slice(3)).toMatchObject([{ similar: 999 }]);
  });
});
