import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { runScenarios } from './run-scenarios.ts';
import type { Scenario } from './scenario.ts';

describe('runScenarios', () => {
  let outputFolder = '';
  let printed = '';

  beforeEach(() => {
    outputFolder = mkdtempSync(join(tmpdir(), 'run-scenarios-'));
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
    expect(await runScenarios(scenarios, order(['three', 'one']))).toBe(0);
    expect(ran).toEqual(['three', 'one']);
    expect(printed).toMatch(/^ok {3}three .*\n(.*\n)*2 passed, 0 failed\n$/m);
    expect(results()).toMatchObject({ passed: 2, failed: 0, skipped: 0 });
  });

  it('goes on after a failure, with its reason and the ends of its logs shown', async () => {
    const failing = scenario('failing', async (lab) => {
      writeFileSync(join(lab.folder, 'a-agent.log'), 'the agent said why\n');
      throw new Error('no ESP');
    });
    expect(await runScenarios([failing, scenario('fine', async () => undefined)], order(['failing', 'fine']))).toBe(1);
    expect(printed).toContain('FAIL failing');
    expect(printed).toContain('no ESP');
    expect(printed).toContain('a-agent.log:\n    the agent said why\n');
    expect(results()).toMatchObject({
      passed: 1,
      failed: 1,
      scenarios: [{ name: 'failing', passed: false, reason: expect.stringContaining('no ESP') }, { name: 'fine' }],
    });
  });

  function order(names: readonly string[]): Parameters<typeof runScenarios>[1] {
    return { names, outputFolder, programs: { udpPeer: 'udp-peer.js', datagrams: 'send-datagrams.js' } };
  }

  function results(): unknown {
    return JSON.parse(readFileSync(join(outputFolder, 'results.json'), 'utf8'));
  }
});

function scenario(name: string, run: Scenario['run']): Scenario {
  return { name, description: `the scenario ${name}`, run };
}
