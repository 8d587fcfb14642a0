import { dirname, join } from 'node:path';
import { lastLines } from '../../lab/host/subprocess.ts';
import { ClusterError } from '../cluster-error.ts';
import type { User } from '../control-plane/authority.ts';
import type { Component } from '../control-plane/component.ts';
import { component, type Parts, programPath } from '../control-plane/components.ts';
import type { ControlPlane } from '../control-plane/control-plane.ts';
import { pkiFile } from '../control-plane/layout.ts';
import { runProgram } from '../control-plane/run-program.ts';
import { chartValues, type Manifests, manifestsOf, namespace, type Webhook } from './manifests.ts';

/**
 * Installs cert-manager's kinds and roles from its own chart and starts its controllers and its webhook as processes, each
 * as the ServiceAccount that it would have as a pod. Ready when the API server asks the webhook and the controllers have
 * read what there is.
 */
export async function startCertManager(
  controlPlane: ControlPlane,
  parts: Parts,
  add: (component: Component) => Promise<void>,
): Promise<void> {
  const { address, ports } = parts.layout;
  const webhook: Webhook = { host: `${address}:${ports.certManagerWebhook}`, authority: controlPlane.server.authority };
  const { foundations, webhooks } = await render(parts, webhook);
  await kubectl(controlPlane, serverSideApply, foundations);
  await kubectl(controlPlane, ['wait', '--for=condition=Established', '--timeout=30s', 'crd', '--all']);
  const webhookKubeconfig = await controlPlane.kubeconfigOf(serviceAccount('cert-manager-webhook'));
  const controllersKubeconfig = await controlPlane.kubeconfigOf(serviceAccount('cert-manager'));
  await Promise.all([
    add(controllersComponent(parts, controllersKubeconfig)),
    // Earlier, the API server would refuse every Certificate because nobody listens.
    add(webhookComponent(parts, webhookKubeconfig)).then(() => kubectl(controlPlane, serverSideApply, webhooks)),
  ]);
}

async function render(parts: Parts, webhook: Webhook): Promise<Manifests> {
  const chart = join(dirname(programPath(parts, 'cert-manager-controller')), 'chart');
  const values = chartValues(webhook).flatMap((value) => ['--set', value]);
  const words = ['template', 'cert-manager', chart, '--namespace', namespace, ...values];
  // Nothing of the user's own Helm is to matter.
  const ended = await runProgram(programPath(parts, 'helm'), words, { environment: { HOME: parts.layout.folder } });
  if (ended.code !== 0) throw new ClusterError(`helm cannot render cert-manager's chart\n${lastLines(ended.stderr)}`);
  return manifestsOf(ended.stdout, webhook);
}

async function kubectl(controlPlane: ControlPlane, words: readonly string[], input = ''): Promise<void> {
  const ended = await controlPlane.kubectl(words, { input });
  if (ended.code !== 0) throw new ClusterError(`cert-manager: kubectl ${words[0]} failed\n${lastLines(ended.stderr)}`);
}

function controllersComponent(parts: Parts, kubeconfig: string): Component {
  const health = `${parts.layout.address}:${parts.layout.ports.certManagerHealth}`;
  const flags = [`--kubeconfig=${kubeconfig}`, `--health-address=${health}`];
  return component(parts, 'cert-manager-controller', flags, { url: `http://${health}/readyz` });
}

function webhookComponent(parts: Parts, kubeconfig: string): Component {
  const { address, ports } = parts.layout;
  const flags = [
    `--kubeconfig=${kubeconfig}`,
    `--secure-port=${ports.certManagerWebhook}`,
    `--healthz-port=${ports.certManagerWebhookHealth}`,
    `--tls-cert-file=${pkiFile(parts.layout, 'cert-manager-webhook.crt')}`,
    `--tls-private-key-file=${pkiFile(parts.layout, 'cert-manager-webhook.key')}`,
    '--metrics-listen-address=0',
  ];
  const ready = { url: `http://${address}:${ports.certManagerWebhookHealth}/healthz` };
  return component(parts, 'cert-manager-webhook', flags, ready);
}

/** Whom the API server takes the bearer of the certificate for: what the chart's roles are bound to. */
function serviceAccount(name: string): User {
  return {
    name: `system:serviceaccount:${namespace}:${name}`,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
  };
}

const serverSideApply = ['apply', '--server-side', '--filename=-'] as const;
