import { createPublicKey } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { keyPem, testKey } from '../../../agent/pki/testing/authority.ts';
import { apiServerService } from '../network/address-plan.ts';
import { Authority, type Credential, saveCredential, type User } from './authority.ts';
import { auditPolicy, auditPolicyFile } from './flags.ts';
import { kubeconfigText, type Server } from './kubeconfig.ts';
import { kubeconfigFile, type Layout, pkiFile, url } from './layout.ts';

/** What a control plane's files hold that its owner goes on using. */
export interface Prepared {
  /** Issues certificates of users and servers. */
  readonly authority: Authority;
  readonly server: Server;
  readonly administrator: Credential;
  readonly etcd: { readonly authority: string; readonly client: Credential };
}

/** Member of the group that may do everything. */
export const administrator: User = { name: 'kubernetes-admin', groups: ['system:masters'] };

/** As whom the API server asks kubelets for logs and the like; RBAC lets it, where there are nodes. */
export const kubeletClient: User = { name: 'kube-apiserver-kubelet-client' };

/** The common name of the authority whose certificates the API server believes. */
export const authorityName = 'kubernetes-ca';

/** Writes everything that the components read: keys and certificates, kubeconfigs, the audit policy. */
export async function prepare(layout: Layout): Promise<Prepared> {
  for (const name of ['pki', 'kubeconfigs', 'logs']) await mkdir(join(layout.folder, name), { mode: 0o700 });
  await writeFile(auditPolicyFile(layout), JSON.stringify(auditPolicy));
  await prepareServiceAccounts(layout);
  const etcd = await prepareEtcd(layout);
  await prepareFrontProxy(layout);
  const authority = Authority.create(authorityName);
  await authority.save(pkiFile(layout, 'ca'));
  const { nodeNetwork = [] } = layout;
  const apiServerNames = [...serviceNames, 'localhost', layout.address, ...apiServerService, ...nodeNetwork];
  for (const name of servers) {
    const names = name === 'kube-apiserver' ? apiServerNames : [name, layout.address];
    await saveCredential(pkiFile(layout, name), authority.server(name, names));
  }
  const server: Server = { url: url(layout, layout.ports.apiServer), authority: authority.certificate };
  for (const name of componentUsers) await saveKubeconfig(layout, server, { name }, authority.client({ name }));
  await saveCredential(pkiFile(layout, 'kubelet-client'), authority.client(kubeletClient));
  const own = authority.client(administrator);
  await saveKubeconfig(layout, server, administrator, own);
  return { authority, server, administrator: own, etcd };
}

/** Writes a user's kubeconfig and gives its path. */
export async function saveKubeconfig(
  layout: Layout,
  server: Server,
  user: User,
  credential: Credential,
): Promise<string> {
  const path = kubeconfigFile(layout, user.name);
  await writeFile(path, kubeconfigText(server, user.name, credential), { mode: 0o600 });
  return path;
}

/** What tokens of ServiceAccounts are signed with. */
async function prepareServiceAccounts(layout: Layout): Promise<void> {
  const key = testKey('ecdsaP256');
  await writeFile(pkiFile(layout, 'service-accounts.key'), keyPem(key), { mode: 0o600 });
  await writeFile(
    pkiFile(layout, 'service-accounts.pub'),
    createPublicKey(key).export({ type: 'spki', format: 'pem' }),
  );
}

/** An authority of its own: a user's certificate must not open etcd. */
async function prepareEtcd(layout: Layout): Promise<Prepared['etcd']> {
  const authority = Authority.create('etcd-ca');
  const client = authority.client({ name: 'kube-apiserver' });
  await authority.save(pkiFile(layout, 'etcd-ca'));
  await saveCredential(pkiFile(layout, 'etcd'), authority.server('etcd', ['localhost', layout.address]));
  await saveCredential(pkiFile(layout, 'etcd-client'), client);
  return { authority: authority.certificate, client };
}

/** An authority of its own: whom it certifies may speak in the name of any user. */
async function prepareFrontProxy(layout: Layout): Promise<void> {
  const authority = Authority.create('front-proxy-ca');
  await authority.save(pkiFile(layout, 'front-proxy-ca'));
  const client = authority.client({ name: 'front-proxy-client' });
  await saveCredential(pkiFile(layout, 'front-proxy-client'), client);
}

const serviceNames = [
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
] as const;
const servers = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'cert-manager-webhook'] as const;
const componentUsers = ['system:kube-controller-manager', 'system:kube-scheduler'] as const;
