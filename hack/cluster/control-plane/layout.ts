import { join } from 'node:path';

import type { DualStack } from '../network/address-plan.ts';

/** TCP ports of a control plane. */
export interface Ports {
  readonly etcdClients: number;
  readonly etcdPeers: number;
  readonly apiServer: number;
  readonly controllerManager: number;
  readonly scheduler: number;
  readonly certManagerHealth: number;
  readonly certManagerWebhook: number;
  readonly certManagerWebhookHealth: number;
}

/** Where a control plane listens and keeps its files. */
export interface Layout {
  /** Removed when the control plane ends. */
  readonly folder: string;
  /** The address that everything listens at. */
  readonly address: string;
  readonly ports: Ports;
  /** Where nodes reach the API server, at the same port; without nodes nothing listens there. */
  readonly nodeNetwork?: DualStack;
}

export const portNames = [
  'etcdClients',
  'etcdPeers',
  'apiServer',
  'controllerManager',
  'scheduler',
  'certManagerHealth',
  'certManagerWebhook',
  'certManagerWebhookHealth',
] as const satisfies readonly (keyof Ports)[];

/** The path of a file of the control plane's PKI. */
export function pkiFile(layout: Layout, name: string): string {
  return join(layout.folder, 'pki', name);
}

/** The path of a user's kubeconfig; what is no letter in the name is no trouble in the path. */
export function kubeconfigFile(layout: Layout, userName: string): string {
  return join(layout.folder, 'kubeconfigs', `${encodeURIComponent(userName)}.yaml`);
}

/** Where the API server writes what each request was, one JSON object a line. */
export function auditLogFile(layout: Layout): string {
  return join(layout.folder, 'audit.log');
}

/** Where a component's output goes. */
export function logFile(layout: Layout, component: string): string {
  return join(layout.folder, 'logs', `${component}.log`);
}

/** As a client writes it. */
export function url({ address }: Layout, port: number): string {
  return `https://${address}:${port}`;
}
