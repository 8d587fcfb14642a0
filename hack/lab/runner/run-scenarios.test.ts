import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { runScenarios } from './run-scenarios.ts';
import type { Scenario } from './scenario.ts';
import { resultOf } from './scenario-claims.ts';

describe('runScenarios', () => {
  let outputFolder = '';
  let claimsFolder = '';
  let printed = '';

  beforeEach(() => {
    outputFolder = mkdtempSync(join(tmpdir(), 'run-scenarios-'));
    claimsFolder = join(outputFolder, 'claims');
    mkdirSync(claimsFolder);
    printed = '';
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      printed += String(text);
      return true;
    });
  });

  afterEach(() => {
    vi.restoreAllMocks();
    rmSync(outputFolder, { recursive: true });
  });

  it('runs the named scenarios only, and counts them for people and machines', async () => {
    const ran: string[] = [];
    const scenarios = ['one', 'two', 'three'].map((name) => scenario(name, async () => void ran.push(name)));
    await runScenarios(scenarios, order(['three', 'one']));
    expect(ran).toEqual(['three', 'one']);
    expect(printed).toMatch(/^ok {3}three .*\n(.*\n)*ok {3}one .*\n$/m);
    expect(results(['three', 'one'])).toMatchObject([{ outcome: 'passed' }, { outcome: 'passed' }]);
  });

  it('leaves to another guest what that has claimed', async () => {
    const ran: string[] = [];
    const scenarios = ['one', 'two', 'three'].map((name) =>
      scenario(name, async () => {
        ran.push(`${name} begins`);
        await Promise.resolve();
        ran.push(`${name} ends`);
      }),
    );
    const names = ['one', 'two', 'three'];
    await Promise.all([runScenarios(scenarios, order(names)), runScenarios(scenarios, order(names))]);
    expect(ran.sort()).toEqual(names.flatMap((name) => [`${name} begins`, `${name} ends`]).sort());
  });

  it('counts what was claimed and never ended as failed', () => {
    mkdirSync(join(claimsFolder, 'one'));
    expect(results(['one', 'two'])).toMatchObject([
      { outcome: 'failed', reason: 'the lab ended before it was over' },
      { outcome: 'failed', reason: 'the lab ended before its turn' },
    ]);
  });

  it('tells what a scenario skips, and why', async () => {
    const skipping = scenario('skipping', async (lab) => lab.skip('this kernel has ESP'));
    await runScenarios([skipping], order(['skipping']));
    expect(printed).toMatch(/^skip skipping \(.* s\): this kernel has ESP$/m);
    expect(results(['skipping'])).toMatchObject([{ outcome: 'skipped', reason: 'this kernel has ESP' }]);
  });

  it('goes on after a failure, with its reason and the ends of its logs shown', async () => {
    const failing = scenario('failing', async (lab) => {
      writeFileSync(join(lab.folder, 'a-agent.log'), 'the agent said why\n');
      throw new Error('no ESP');
    });
    await runScenarios([failing, scenario('fine', async () => undefined)], order(['failing', 'fine']));
    expect(printed).toContain('FAIL failing');
    expect(printed).toContain('no ESP');
    expect(printed).toContain('a-agent.log:\n    the agent said why\n');
    expect(results(['failing', 'fine'])).toMatchObject([
      { name: 'failing', outcome: 'failed', reason: expect.stringContaining('no ESP') },
      { name: 'fine', outcome: 'passed' },
    ]);
  });

  function order(names: readonly string[]): Parameters<typeof runScenarios>[1] {
    const programs = { udpPeer: 'udp-peer.js', datagrams: 'send-datagrams.js', keptConnection: 'kept-connection.js' };
    return { names, outputFolder, claimsFolder, programs };
  }

  function results(names: readonly string[]): unknown {
    return names.map((name) => resultOf(claimsFolder, name));
  }
});

function scenario(name: string, run: Scenario['run']): Scenario {
  return { name, description: `the scenario ${name}`, run };
}
