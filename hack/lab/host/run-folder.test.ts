import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

import { withRelativeInterpreter } from './root-folder.ts';
import { commandScript } from './run-folder.ts';
import { carriedEnvironment } from './with-esp.ts';

describe('commandScript', () => {
  it('hands words, working folder and variables over unchanged', () => {
    const words = ['it’s', "a 'quoted' word", '$HOME `id` \\ "x"', 'two\nlines', '', '*'];
    const script = commandScript({
      command: ['printf', '%s|', ...words],
      workingFolder: '/tmp',
      environment: new Map([['LAB_VALUE', "it's $HOME"]]),
    });
    expect(execFileSync('sh', ['-c', script], { encoding: 'utf8' })).toBe(`${words.join('|')}|`);
    const printed = commandScript({
      command: ['sh', '-c', 'pwd; printf %s "$LAB_VALUE"'],
      workingFolder: '/',
      environment: new Map([['LAB_VALUE', "it's $HOME"]]),
    });
    expect(execFileSync('sh', ['-c', printed], { encoding: 'utf8' })).toBe("/\nit's $HOME");
  });

  it('drops variables that no shell could set, and runs nothing in a missing folder', () => {
    const environment = new Map([['x;reboot', '1']]);
    expect(commandScript({ command: ['true'], workingFolder: '/', environment })).not.toContain('reboot');
    const lost = commandScript({ command: ['echo', 'ran'], workingFolder: '/no/such', environment: new Map() });
    expect(() => execFileSync('sh', ['-c', lost], { stdio: 'pipe' })).toThrow(expect.objectContaining({ status: 125 }));
  });
});

describe('carriedEnvironment', () => {
  it('carries what is meant for the command and leaves the places of the host behind', () => {
    const carried = new Map(
      carriedEnvironment({ IKEMESH_CRYPTO: 'noble', PATH: '/host/bin', HOME: '/home/me', CI: 'true' }),
    );
    expect(carried.get('IKEMESH_CRYPTO')).toBe('noble');
    expect(carried.get('CI')).toBe('true');
    expect(carried.get('HOME')).toBe('/root');
    expect(carried.get('PATH')).not.toContain('/host/bin');
  });
});

describe('withRelativeInterpreter', () => {
  it('names the loader relative to the root folder and changes nothing else', () => {
    const before = Buffer.from('ELF /lib64/ld-linux-x86-64.so.2\0 rest');
    const after = Buffer.from(withRelativeInterpreter(before));
    expect(after.toString()).toBe('ELF lib64/ld-linux-x86-64.so.2\0\0 rest');
    expect(before.toString()).toContain(' /lib64');
  });

  it('refuses a program of another machine', () => {
    expect(() => withRelativeInterpreter(Buffer.from('ELF /lib/ld-linux-aarch64.so.1\0'))).toThrow('x86-64 only');
  });
});
