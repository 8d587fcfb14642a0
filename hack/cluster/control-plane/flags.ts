import { join } from 'node:path';

import { networks } from '../network/address-plan.ts';
import { auditLogFile, kubeconfigFile, type Layout, pkiFile, url } from './layout.ts';

/** etcd of one member that forgets at the end; its clients and peers need certificates of its own authority. */
export function etcdFlags(layout: Layout): readonly string[] {
  const clients = url(layout, layout.ports.etcdClients);
  const peers = url(layout, layout.ports.etcdPeers);
  return [
    '--name=etcd',
    `--data-dir=${join(layout.folder, 'etcd')}`,
    `--listen-client-urls=${clients}`,
    `--advertise-client-urls=${clients}`,
    `--listen-peer-urls=${peers}`,
    `--initial-advertise-peer-urls=${peers}`,
    `--initial-cluster=etcd=${peers}`,
    '--client-cert-auth',
    `--trusted-ca-file=${pkiFile(layout, 'etcd-ca.crt')}`,
    `--cert-file=${pkiFile(layout, 'etcd.crt')}`,
    `--key-file=${pkiFile(layout, 'etcd.key')}`,
    '--peer-client-cert-auth',
    `--peer-trusted-ca-file=${pkiFile(layout, 'etcd-ca.crt')}`,
    `--peer-cert-file=${pkiFile(layout, 'etcd.crt')}`,
    `--peer-key-file=${pkiFile(layout, 'etcd.key')}`,
    // Nothing of a test has to survive a power cut, and syncing to disk is what etcd waits for.
    '--unsafe-no-fsync',
    '--log-level=warn',
  ];
}

/** The API server, with everything on that a cluster of today has on. */
export function apiServerFlags(layout: Layout): readonly string[] {
  return [
    `--etcd-servers=${url(layout, layout.ports.etcdClients)}`,
    `--etcd-cafile=${pkiFile(layout, 'etcd-ca.crt')}`,
    `--etcd-certfile=${pkiFile(layout, 'etcd-client.crt')}`,
    `--etcd-keyfile=${pkiFile(layout, 'etcd-client.key')}`,
    ...reachFlags(layout),
    `--secure-port=${layout.ports.apiServer}`,
    ...servingFlags(layout, 'kube-apiserver'),
    `--client-ca-file=${pkiFile(layout, 'ca.crt')}`,
    `--kubelet-certificate-authority=${pkiFile(layout, 'ca.crt')}`,
    `--kubelet-client-certificate=${pkiFile(layout, 'kubelet-client.crt')}`,
    `--kubelet-client-key=${pkiFile(layout, 'kubelet-client.key')}`,
    '--kubelet-preferred-address-types=InternalIP',
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged=true',
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    `--service-account-key-file=${pkiFile(layout, 'service-accounts.pub')}`,
    `--service-account-signing-key-file=${pkiFile(layout, 'service-accounts.key')}`,
    `--service-cluster-ip-range=${networks.services.join(',')}`,
    `--requestheader-client-ca-file=${pkiFile(layout, 'front-proxy-ca.crt')}`,
    '--requestheader-allowed-names=front-proxy-client',
    '--requestheader-username-headers=X-Remote-User',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    `--proxy-client-cert-file=${pkiFile(layout, 'front-proxy-client.crt')}`,
    `--proxy-client-key-file=${pkiFile(layout, 'front-proxy-client.key')}`,
    `--audit-policy-file=${auditPolicyFile(layout)}`,
    `--audit-log-path=${auditLogFile(layout)}`,
    '--profiling=false',
  ];
}

/** Without nodes the API server is there for this machine only. */
function reachFlags({ address, nodeNetwork }: Layout): readonly string[] {
  if (nodeNetwork === undefined) {
    // Endpoints of the service `kubernetes` may not be loopback addresses; without nodes nobody asks for them.
    return [`--bind-address=${address}`, `--advertise-address=${address}`, '--endpoint-reconciler-type=none'];
  }
  // Services are addresses of kube-proxy on the nodes, and the API server is on none of them.
  return ['--bind-address=::', `--advertise-address=${nodeNetwork[0]}`, '--enable-aggregator-routing=true'];
}

/** The controllers of Kubernetes itself, each with a ServiceAccount of its own. */
export function controllerManagerFlags(layout: Layout): readonly string[] {
  return [
    ...delegatedFlags(layout, 'system:kube-controller-manager'),
    `--secure-port=${layout.ports.controllerManager}`,
    ...servingFlags(layout, 'kube-controller-manager'),
    '--use-service-account-credentials=true',
    `--service-account-private-key-file=${pkiFile(layout, 'service-accounts.key')}`,
    `--root-ca-file=${pkiFile(layout, 'ca.crt')}`,
    `--cluster-signing-cert-file=${pkiFile(layout, 'ca.crt')}`,
    `--cluster-signing-key-file=${pkiFile(layout, 'ca.key')}`,
    '--allocate-node-cidrs=true',
    `--cluster-cidr=${networks.pods.join(',')}`,
    `--service-cluster-ip-range=${networks.services.join(',')}`,
    '--node-cidr-mask-size-ipv4=24',
    '--node-cidr-mask-size-ipv6=64',
  ];
}

/** The scheduler. */
export function schedulerFlags(layout: Layout): readonly string[] {
  return [
    ...delegatedFlags(layout, 'system:kube-scheduler'),
    `--secure-port=${layout.ports.scheduler}`,
    ...servingFlags(layout, 'kube-scheduler'),
  ];
}

/** What is written where `--audit-policy-file` points: who did what to which object, once, when it was done. */
export const auditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'Metadata' }],
} as const;

/** The path of the audit policy. */
export function auditPolicyFile(layout: Layout): string {
  return join(layout.folder, 'audit-policy.json');
}

function delegatedFlags(layout: Layout, userName: string): readonly string[] {
  const kubeconfig = kubeconfigFile(layout, userName);
  return [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    `--bind-address=${layout.address}`,
    // There is one of it; waiting for a lease would only delay it.
    '--leader-elect=false',
  ];
}

function servingFlags(layout: Layout, name: string): readonly string[] {
  return [
    `--tls-cert-file=${pkiFile(layout, `${name}.crt`)}`,
    `--tls-private-key-file=${pkiFile(layout, `${name}.key`)}`,
  ];
}
