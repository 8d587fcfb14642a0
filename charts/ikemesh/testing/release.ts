import { type ControlPlane, startControlPlane } from '../../../hack/cluster/control-plane/control-plane.ts';
import { chart, Helm, helmProgram, type KubernetesObject, valueWords } from './helm.ts';

/** A cluster without nodes, and Helm in it. */
export class TestCluster {
  readonly controlPlane: ControlPlane;
  readonly helm: Helm;

  private constructor(controlPlane: ControlPlane, helm: Helm) {
    this.controlPlane = controlPlane;
    this.helm = helm;
  }

  static async start(): Promise<TestCluster> {
    const program = await helmProgram();
    const controlPlane = await startControlPlane({ controllers: true });
    return new TestCluster(controlPlane, new Helm(program, controlPlane.kubeconfig));
  }

  async close(): Promise<void> {
    this.helm.close();
    await this.controlPlane.close();
  }

  /** Installs the chart of a folder; nothing is waited for, because without nodes no pod ever runs. */
  install(release: string, namespace: string, values: readonly string[] = [], ...words: readonly string[]) {
    return this.helm.run('install', release, chart, ...inNamespace(namespace), ...valueWords(values), ...words);
  }

  /** As the administrator, or as another user with `--as`. */
  async kubectl(words: readonly string[], input = ''): Promise<string> {
    const { code, stdout, stderr } = await this.controlPlane.kubectl(words, { input });
    if (code !== 0) throw new Error(`kubectl ${words.join(' ')}: ${stderr}`);
    return stdout;
  }

  async get(...words: readonly string[]): Promise<KubernetesObject> {
    return JSON.parse(await this.kubectl(['get', ...words, '--output=json'])) as KubernetesObject;
  }

  async apply(...objects: readonly object[]): Promise<void> {
    const input = objects.map((object) => JSON.stringify(object)).join('\n---\n');
    await this.kubectl(['apply', '--server-side', '--force-conflicts', '--filename=-'], input);
  }

  /** Whether RBAC lets a ServiceAccount do something: `create secrets --namespace=…`. */
  async may(account: string, namespace: string, words: string): Promise<boolean> {
    const user = `--as=system:serviceaccount:${namespace}:${account}`;
    const { stdout } = await this.controlPlane.kubectl(['auth', 'can-i', ...words.split(' '), user]);
    return stdout.trim() === 'yes';
  }
}

/** Words that every command of Helm about a release needs. */
function inNamespace(namespace: string): readonly string[] {
  return [`--namespace=${namespace}`, '--create-namespace'];
}
