import { join, relative } from 'node:path';
import { Command, Option } from 'commander';
import { goOnWithoutReaders } from '../../agent/closed-readers.ts';
import { ClusterError } from '../cluster/cluster-error.ts';
import { LabError } from '../lab/host/lab-error.ts';
import { runInLab } from './in-lab.ts';
import { CannotShowError } from './plan-mesh.ts';

goOnWithoutReaders();

interface Flags {
  readonly json?: true;
  readonly manifests: string;
  readonly cluster?: true;
}

async function main({ json, manifests, cluster }: Flags): Promise<number> {
  const narrate = (piece: Uint8Array | string): void => {
    if (json === undefined) process.stdout.write(piece);
  };
  try {
    narrate('ikemesh demo: an agent on each node of a mesh, everything between them encrypted.\n');
    const output = { narrate, complain: (piece: Uint8Array | string) => process.stderr.write(piece) };
    // What a cluster takes is not loaded where none is asked for.
    const { code, result } = await (cluster === true
      ? import('./on-cluster.ts').then(({ runOnCluster }) => runOnCluster(output))
      : runInLab(manifests, output));
    if (json !== undefined && result !== undefined) process.stdout.write(`${result}\n`);
    narrate(`\n${lastWords(code)}\n`);
    return code;
  } catch (error) {
    if (!(error instanceof LabError || error instanceof ClusterError || error instanceof CannotShowError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return error instanceof CannotShowError ? 2 : 3;
  }
}

function lastWords(code: number): string {
  if (code === 0) return 'All as promised: nothing lost, nothing in plaintext.';
  // 128 and the number of the signal.
  return code > 128 ? 'Interrupted; nothing of it is left.' : 'Not as promised; see above.';
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
    .addOption(
      new Option('--cluster', 'on a real Kubernetes of three nodes, with helm, kubectl and cert-manager').conflicts(
        'manifests',
      ),
    )
    .parse()
    .opts<Flags>(),
);
