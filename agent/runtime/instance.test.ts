import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentInstance } from './instance.ts';
import { systemRandom } from './random-system.ts';

describe('what an agent says of its run', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ikemesh-instance-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  function fileWith(text: string): string {
    const file = join(folder, 'boot_id');
    writeFileSync(file, text);
    return file;
  }

  it('is the boot of this machine, the same for every run, and a run of its own', () => {
    const file = fileWith('6ba7b810-9dad-11d1-80b4-00c04fd430c8\n');
    const runs = [agentInstance(systemRandom, file), agentInstance(systemRandom, file)];
    const bootId = Uint8Array.from(Buffer.from('6ba7b8109dad11d180b400c04fd430c8', 'hex'));
    expect(runs).toMatchObject([{ bootId }, { bootId }]);
    expect(runs[0]?.instance).not.toEqual(runs[1]?.instance);
    expect(runs[0]?.instance).toHaveLength(8);
  });

  it('is nothing where the boot is unknown: a made-up one would make peers drop SAs that our kernel still has', () => {
    expect(agentInstance(systemRandom, join(folder, 'missing'))).toBeUndefined();
    expect(agentInstance(systemRandom, fileWith('0123'))).toBeUndefined();
  });
});
