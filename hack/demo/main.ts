import { join, relative } from 'node:path';
import { Command } from 'commander';

import { LabError } from '../lab/host/lab-error.ts';
import { runInLab } from './in-lab.ts';
import { CannotShowError } from './plan-mesh.ts';

interface Flags {
  readonly json?: true;
  readonly manifests: string;
}

async function main({ json, manifests }: Flags): Promise<number> {
  const narrate = (piece: Uint8Array | string): void => {
    if (json === undefined) process.stdout.write(piece);
  };
  try {
    narrate('ikemesh demo: an agent on each node of a mesh, everything between them encrypted.\n');
    const { code, result } = await runInLab(manifests, { narrate, complain: (piece) => process.stderr.write(piece) });
    if (json !== undefined && result !== undefined) process.stdout.write(`${result}\n`);
    narrate(
      code === 0 ? '\nAll as promised: nothing lost, nothing in plaintext.\n' : '\nNot as promised; see above.\n',
    );
    return code;
  } catch (error) {
    if (!(error instanceof LabError || error instanceof CannotShowError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return error instanceof CannotShowError ? 2 : 3;
  }
}

/** `npm run demo`: a mesh of three nodes, everything between them encrypted and counted, also while a certificate is renewed. */
process.exitCode = await main(
  new Command('demo')
    .description(
      'Plans a mesh from manifests, runs its agents on a kernel with ESP, renews a certificate, and proves that it encrypts.',
    )
    .option('--json', 'print one object instead of the story')
    .option(
      '--manifests <folder>',
      'peering and Nodes, of a mesh of two to six nodes',
      relative(process.cwd(), join(import.meta.dirname, 'manifests')),
    )
    .parse()
    .opts<Flags>(),
);
