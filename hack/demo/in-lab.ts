import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { bundle } from '../build/bundle.ts';
import { projectFolder, withEsp } from '../lab/host/with-esp.ts';
import type { Handover } from './guest.ts';
import { planMesh } from './plan-mesh.ts';
import { Story } from './story.ts';

/** Who is told what. */
export interface DemoOutput {
  /** The story; nobody where only the result counts. */
  readonly narrate: (text: Uint8Array | string) => void;
  /** What takes long, and failures. */
  readonly complain: (text: Uint8Array | string) => void;
}

/** How a demo ended. */
export interface DemoEnd {
  readonly code: number;
  /** The result as JSON; undefined where it did not come to one. */
  readonly result: string | undefined;
}

/** The demo in the lab: plans from manifests on the host, and carries it out in a kernel with ESP. */
export async function runInLab(manifests: string, { narrate, complain }: DemoOutput): Promise<DemoEnd> {
  const startedMs = Date.now();
  const outputFolder = mkdtempSync(join(tmpdir(), 'ikemesh-demo-'));
  try {
    const story = new Story(narrate);
    story.step(`The operator plans from ${manifests} what each node is to do: no cluster is needed for that`);
    const plan = await planMesh(manifests, join(outputFolder, 'plan'));
    story.tell(...plan.lines.filter((line) => line !== ''));
    const agentProgram = join(projectFolder, 'dist/agent.js');
    const guest = join(projectFolder, 'dist/demo.js');
    await bundle(join(projectFolder, 'agent/main.ts'), agentProgram);
    await bundle(join(projectFolder, 'hack/demo/guest.ts'), guest);
    const handover: Handover = { plan, agentProgram, startedMs, steps: story.steps };
    writeFileSync(join(outputFolder, 'handover.json'), JSON.stringify(handover));
    const code = await withEsp({
      command: ['node', guest],
      recipe: 'demo',
      outputFolder,
      timeoutMs: GUEST_TIMEOUT_MS,
      output: { stdout: narrate, stderr: complain },
      say: (line) => complain(`   ${line}\n`),
    });
    const result = join(outputFolder, 'result.json');
    if (code !== 0) complain(agentLogs(outputFolder));
    return { code, result: existsSync(result) ? readFileSync(result, 'utf8') : undefined };
  } finally {
    rmSync(outputFolder, { recursive: true, force: true });
  }
}

/** What the agents said, for whoever has to find out why. */
function agentLogs(folder: string): string {
  return readdirSync(folder)
    .filter((name) => name.endsWith('-agent.log'))
    .map((name) => `\n--- ${name}\n${readFileSync(join(folder, name), 'utf8').slice(-4000)}`)
    .join('');
}

/** Far above what it takes; a hung guest must not hang a terminal. */
const GUEST_TIMEOUT_MS = 120_000;
