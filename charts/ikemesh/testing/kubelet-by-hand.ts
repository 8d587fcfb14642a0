import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

import { chart } from './helm.ts';
import type { Container } from './pods.ts';
import type { TestCluster } from './release.ts';

/** A container of ours as a process, with the rights of its ServiceAccount. */
export class Running {
  readonly #child: ChildProcess;
  readonly ended: Promise<number>;
  output = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (piece: string) => {
        this.output += piece;
      });
    }
    this.ended = new Promise((resolve) => {
      child.on('close', (code) => resolve(code ?? 128));
    });
  }

  stop(): void {
    this.#child.kill('SIGTERM');
  }
}

/** Runs the operator's program as a container of the chart says: there is no node that would. */
export async function runContainer(
  cluster: TestCluster,
  { command = [], args = [] }: Container,
  account: string,
  namespace: string,
): Promise<Running> {
  if (command.join(' ') !== '/usr/bin/node /app/operator.js') throw new Error(`no operator: ${command.join(' ')}`);
  const kubeconfig = await cluster.controlPlane.kubeconfigOf({
    name: `system:serviceaccount:${namespace}:${account}`,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
  });
  const words = args[0] === 'run' ? [...args, '--health-port=0'] : args;
  const child = spawn(process.execPath, [join(chart, '../../operator/main.ts'), ...words], {
    env: { PATH: process.env['PATH'], KUBECONFIG: kubeconfig, POD_NAME: 'operator-0', POD_NAMESPACE: namespace },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return new Running(child);
}

/** Tells the API server of a pod what a kubelet would. */
export async function reportPod(
  cluster: TestCluster,
  namespace: string,
  name: string,
  status: 'ready' | 'succeeded',
): Promise<void> {
  const said =
    status === 'ready' ? { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } : { phase: 'Succeeded' };
  const words = ['patch', 'pod', name, `--namespace=${namespace}`, '--subresource=status', '--type=merge'];
  await cluster.kubectl([...words, `--patch=${JSON.stringify({ status: said })}`]);
}
