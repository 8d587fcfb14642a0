import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { isRunning } from '../../lab/host/run-folder.ts';
import { ClusterError } from '../cluster-error.ts';
import { kubernetesVersion } from '../programs/program.ts';
import { Authority } from './authority.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import { askProbe } from './probe.ts';

describe('a control plane of etcd and kube-apiserver', () => {
  let controlPlane: ControlPlane;
  beforeAll(async () => {
    controlPlane = await startControlPlane();
  });
  afterAll(() => controlPlane?.close());

  const succeed = async (words: readonly string[], input = '', kubeconfig = controlPlane.kubeconfig) => {
    const { code, stdout, stderr } = await controlPlane.kubectl(words, { input, kubeconfig });
    expect(stderr + code).toBe('0');
    return stdout;
  };
  const refusal = async (words: readonly string[], input: string, kubeconfig: string) => {
    const { code, stderr } = await controlPlane.kubectl(words, { input, kubeconfig });
    expect(code).not.toBe(0);
    return stderr;
  };

  /** The authorizer learns of a grant by a watch, some time after the grant was answered. */
  const granted = async (words: readonly string[], kubeconfig: string) => {
    for (let asked = 0; asked < 100; asked++) {
      if ((await controlPlane.kubectl(['auth', 'can-i', ...words], { kubeconfig })).code === 0) return;
    }
    expect.fail(`${words.join(' ')} was never granted`);
  };

  it('is the Kubernetes that the pins name', async () => {
    const { serverVersion, clientVersion } = JSON.parse(await succeed(['version', '--output=json'])) as Record<
      string,
      { readonly gitVersion: string }
    >;
    expect([serverVersion?.gitVersion, clientVersion?.gitVersion]).toEqual(Array(2).fill(`v${kubernetesVersion}`));
  });

  it('lets users do what RBAC grants to their name or group, and nothing else', async () => {
    const alice = await controlPlane.kubeconfigOf({ name: 'alice', groups: ['readers'] });
    expect(await refusal(['get', 'configmaps'], '', alice)).toMatch(/User "alice" cannot list resource "configmaps"/);
    await succeed(['create', 'clusterrole', 'readers', '--verb=list', '--resource=configmaps']);
    await succeed(['create', 'clusterrolebinding', 'readers', '--clusterrole=readers', '--group=readers']);
    await granted(['list', 'configmaps'], alice);
    expect(await succeed(['get', 'configmaps', '--output=name'], '', alice)).toBe('');
    expect(await refusal(['create', 'configmap', 'a'], '', alice)).toMatch(/cannot create resource "configmaps"/);
  });

  it('lets a kubelet touch its own Node only, and read no Secret that none of its pods has', async () => {
    const kubelet = await controlPlane.kubeconfigOf({ name: 'system:node:a', groups: ['system:nodes'] });
    const node = (name: string) => JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name } });
    await succeed(['create', '--filename=-'], node('a'), kubelet);
    expect(await refusal(['create', '--filename=-'], node('b'), kubelet)).toMatch(/node "a" is not allowed/);
    await succeed(['create', 'secret', 'generic', 'psk', '--from-literal=psk=1']);
    expect(await refusal(['get', 'secret', 'psk'], '', kubelet)).toMatch(/no relationship found between node 'a'/);
  });

  it('believes its own authority only', async () => {
    const server = { url: `${controlPlane.server.url}/api`, authority: controlPlane.server.authority };
    const administrator = { name: 'kubernetes-admin', groups: ['system:masters'] };
    const stranger = Authority.create('kubernetes-ca').client(administrator);
    expect(await askProbe({ ...server, credential: controlPlane.credentialOf(administrator) })).toBeUndefined();
    expect(await askProbe({ ...server, credential: stranger })).toMatch(/^401 .*Unauthorized/s);
  });

  it('writes down who did what, once for each request', async () => {
    await succeed(['create', 'namespace', 'audited']);
    await succeed(['delete', 'namespace', 'audited', '--wait=false']);
    const events = (await readFile(controlPlane.auditLog, 'utf8'))
      .split('\n')
      .filter((line) => line.includes('"audited"'))
      .map((line) => JSON.parse(line) as { readonly user: { readonly username: string }; readonly verb: string });
    expect(events.map(({ user, verb }) => [user.username, verb])).toEqual([
      ['kubernetes-admin', 'create'],
      ['kubernetes-admin', 'delete'],
    ]);
  });

  it('keeps what it was told when the API server crashes and is started again', async () => {
    await succeed(['create', 'namespace', 'kept']);
    const server = controlPlane.component('kube-apiserver');
    await server.kill();
    expect(await refusal(['get', 'namespaces'], '', controlPlane.kubeconfig)).toMatch(/refused/);
    await server.start(new AbortController().signal);
    expect(await succeed(['get', 'namespace', 'kept', '--output=name'])).toBe('namespace/kept\n');
  });

  it('leaves no process and no file behind', async () => {
    const ended = await startControlPlane();
    const processes = (['etcd', 'kube-apiserver'] as const).map((name) => ended.component(name).pid ?? 0);
    expect(processes.every(isRunning)).toBe(true);
    await ended.close();
    expect(processes.some(isRunning)).toBe(false);
    expect(existsSync(ended.folder)).toBe(false);
  });

  it('says what it has none of', () => {
    expect(() => controlPlane.component('kube-scheduler')).toThrow(ClusterError);
  });
});
