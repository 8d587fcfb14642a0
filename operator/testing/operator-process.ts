import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { guard } from '../../hack/lab/host/guard.ts';
import { killGroup } from '../../hack/lab/host/subprocess.ts';
import { type OperatorCluster, PLACES } from './operator-cluster.ts';

/** What an operator process may be told beside its name. */
export interface OperatorProcessOptions {
  /** As whom it comes to the API server; as the operator unless given. */
  readonly kubeconfig?: string;
  readonly metricsPort?: number;
}

/** `operator run` as a process of its own, which ends at the latest with this one. */
export class OperatorProcess {
  /** What it logged, and what else it said. */
  log = '';
  errors = '';
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#process = child;
    child.stdout?.on('data', (piece) => {
      this.log += piece;
    });
    child.stderr?.on('data', (piece) => {
      this.errors += piece;
    });
  }

  static async start(
    cluster: OperatorCluster,
    name: string,
    options: OperatorProcessOptions = {},
  ): Promise<OperatorProcess> {
    const { kubeconfig = await cluster.operatorKubeconfig(), metricsPort = 0 } = options;
    const ports = ['--health-port=0', `--metrics-port=${metricsPort}`];
    const words = [MAIN, 'run', '--trust-domain=mesh.test', `--kubeconfig=${kubeconfig}`, ...ports];
    const env = { ...process.env, POD_NAME: name, POD_NAMESPACE: PLACES.ownNamespace };
    const child = spawn(process.execPath, words, { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    guard(child, cluster.controlPlane.folder);
    return new OperatorProcess(child);
  }

  /** Whether it has begun to lead. */
  get leads(): boolean {
    return this.timesLed > 0;
  }

  /** How often it has begun to lead. */
  get timesLed(): number {
    return this.log.split('"msg":"leading"').length - 1;
  }

  get runs(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Ends it by a signal; answers its exit code, null where the signal ended it. */
  end(signal: NodeJS.Signals): Promise<number | null> {
    const ended = new Promise<number | null>((resolve) => this.#process.once('exit', resolve));
    killGroup(this.#process.pid, signal);
    return ended;
  }
}

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));
