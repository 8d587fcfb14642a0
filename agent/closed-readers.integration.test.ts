import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const [READERS, LOGGER] = ['closed-readers.ts', 'runtime/log/logger.ts'].map(
  (file) => new URL(file, import.meta.url).href,
);
let full = 0;

beforeAll(() => {
  full = openSync('/dev/full', 'w');
});

afterAll(() => closeSync(full));

describe('a program', () => {
  it('goes on when its log cannot be written, as on a full disk', () => {
    const { stdout, status } = run(
      "log.info({}, 'begun'); setTimeout(() => { log.info({}, 'later'); process.stdout.write('there'); }, 50);",
      ['ignore', 'pipe', full],
    );
    expect({ stdout, status }).toEqual({ stdout: 'there', status: 0 });
  });

  it('fails when what it was asked for cannot be written', () => {
    const { stderr, status } = run("process.stdout.write('there');", ['ignore', full, 'pipe']);
    expect(stderr).toContain('ENOSPC');
    expect(status).toBe(1);
  });
});

/** Runs a program that may use `log`. */
function run(body: string, stdio: (number | 'ignore' | 'pipe')[]) {
  const program = `import { goOnWithoutReaders } from '${READERS}'; import { createLog } from '${LOGGER}'; goOnWithoutReaders(); const log = createLog('json', 'info', process.stderr, false); ${body}`;
  return spawnSync(process.execPath, ['--input-type=module', '-e', program], { stdio, encoding: 'utf8' });
}
