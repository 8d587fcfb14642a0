import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { bundle } from '../build/bundle.ts';
import { LabError } from '../lab/host/lab-error.ts';
import { projectFolder, withEsp } from '../lab/host/with-esp.ts';

async function main(quiet: boolean): Promise<number> {
  const started = Date.now();
  const outputFolder = mkdtempSync(join(tmpdir(), 'ikemesh-demo-'));
  const narrate = (piece: Uint8Array | string): void => {
    if (!quiet) process.stdout.write(piece);
  };
  try {
    narrate('ikemesh demo: three nodes, an agent on each, everything between them encrypted.\n');
    const agent = join(projectFolder, 'dist/agent.js');
    const guest = join(projectFolder, 'dist/demo.js');
    await bundle(join(projectFolder, 'agent/main.ts'), agent);
    await bundle(join(projectFolder, 'hack/demo/guest.ts'), guest);
    const code = await withEsp({
      command: ['node', guest, agent, String(started)],
      outputFolder,
      timeoutMs: GUEST_TIMEOUT_MS,
      output: { stdout: narrate, stderr: (piece) => process.stderr.write(piece) },
      say: (line) => process.stderr.write(`   ${line}\n`),
    });
    const result = join(outputFolder, 'result.json');
    if (quiet && existsSync(result)) process.stdout.write(`${readFileSync(result, 'utf8')}\n`);
    if (code !== 0) showLogs(outputFolder);
    narrate(
      code === 0 ? '\nAll as promised: nothing lost, nothing in plaintext.\n' : '\nNot as promised; see above.\n',
    );
    return code;
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 3;
  } finally {
    rmSync(outputFolder, { recursive: true, force: true });
  }
}

/** What the agents said, for whoever has to find out why. */
function showLogs(folder: string): void {
  for (const name of ['node-a', 'node-b', 'node-c']) {
    const file = join(folder, `${name}-agent.log`);
    if (existsSync(file)) process.stderr.write(`\n--- ${name}\n${readFileSync(file, 'utf8').slice(-4000)}`);
  }
}

/** Far above the ten seconds that it takes; a hung guest must not hang a terminal. */
const GUEST_TIMEOUT_MS = 120_000;

/** `npm run demo`: three nodes, an agent on each, everything between them encrypted and counted. */
const { json } = new Command('demo')
  .description('Starts a mesh of three nodes on a kernel with ESP and proves that it encrypts.')
  .option('--json', 'print one object instead of the story')
  .parse()
  .opts<{ readonly json?: true }>();

process.exitCode = await main(json === true);
