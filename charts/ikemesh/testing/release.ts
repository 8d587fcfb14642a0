import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import {
  type ControlPlane,
  type ControlPlaneOptions,
  startControlPlane,
} from '../../../hack/cluster/control-plane/control-plane.ts';
import type { Ended } from '../../../hack/cluster/control-plane/run-program.ts';
import { ApiClient } from '../../../operator/kube/api-client.ts';
import { chart, Helm, type HelmRelease, helmProgram, type KubernetesObject, valueWords } from './helm.ts';

/** A cluster without nodes, and Helm in it. */
export class TestCluster {
  readonly controlPlane: ControlPlane;
  readonly helm: Helm;

  private constructor(controlPlane: ControlPlane, helm: Helm) {
    this.controlPlane = controlPlane;
    this.helm = helm;
  }

  static async start(options: ControlPlaneOptions = {}, release: HelmRelease = 'helm'): Promise<TestCluster> {
    const program = await helmProgram(release);
    const controlPlane = await startControlPlane({ controllers: true, ...options });
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

  /** As whoever a token is of; the kubeconfig of the administrator would win over it. */
  async withToken(token: string, words: readonly string[], input = ''): Promise<Ended> {
    const { url, authority } = this.controlPlane.server;
    const file = join(this.controlPlane.folder, 'token-authority.crt');
    await writeFile(file, authority);
    const own = [`--server=${url}`, `--certificate-authority=${file}`, `--token=${token}`];
    return this.controlPlane.kubectl([...own, ...words], { kubeconfig: '/dev/null', input });
  }

  /** Writes a status as an agent does: `written`, or why not. */
  async writeStatus(token: string, node: string): Promise<string> {
    const { url, authority } = this.controlPlane.server;
    const client = new ApiClient({
      server: new URL(url),
      options: async () => ({ ca: authority, headers: { authorization: `Bearer ${token}` } }),
    });
    const answer = await client.ask({
      method: 'PATCH',
      path: `/apis/ikemesh.io/v1alpha1/ipsecnodeconfigs/${node}/status`,
      query: { fieldManager: 'ikemesh-agent', force: true },
      contentType: 'application/apply-patch+yaml',
      body: {
        apiVersion: 'ikemesh.io/v1alpha1',
        kind: 'IPsecNodeConfig',
        metadata: { name: node },
        status: { observedGeneration: 1 },
      },
    });
    return answer.ok ? 'written' : answer.error.message;
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
