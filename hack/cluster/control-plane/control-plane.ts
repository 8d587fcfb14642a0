import { join } from 'node:path';

import { startCertManager } from '../cert-manager/cert-manager.ts';
import { ClusterError } from '../cluster-error.ts';
import type { DualStack } from '../network/address-plan.ts';
import { PortTakenError } from '../network/port-taken-error.ts';
import type { ProgramName } from '../programs/program.ts';
import { programPaths } from '../programs/program-paths.ts';
import type { Authority, Credential, User } from './authority.ts';
import type { Component } from './component.ts';
import { apiServer, controllerManager, etcd, type Parts, programPath, scheduler } from './components.ts';
import { makeControlPlaneFolder, removeFolder } from './folder.ts';
import { freePorts } from './free-ports.ts';
import type { Server } from './kubeconfig.ts';
import { auditLogFile, kubeconfigFile, type Layout, type Ports, portNames } from './layout.ts';
import { administrator, prepare, saveKubeconfig } from './prepare.ts';
import { type Ended, runProgram } from './run-program.ts';

/** What a control plane is to have beside etcd, kube-apiserver and kubectl. */
export interface ControlPlaneOptions {
  /** Kubernetes' own controllers and the scheduler. */
  readonly controllers?: boolean;
  /** cert-manager: its kinds, its controllers, its webhook. */
  readonly certManager?: boolean;
  /** Told what takes longer than some seconds; standard error unless given. */
  readonly say?: (line: string) => void;
  /** Ends the start when aborted. */
  readonly signal?: AbortSignal;
  /** Processors that a build of missing programs may use; all of them unless given. */
  readonly jobs?: number;
  /** Where its servers run, so that nodes reach the API server; on the host unless given. */
  readonly network?: ControlPlaneNetwork;
}

/** A network of nodes, as far as a control plane needs it. */
export interface ControlPlaneNetwork {
  /** Where nodes reach the API server. */
  readonly addresses: DualStack;
  /** The command as it must be started to run there. */
  inside(command: readonly string[]): [string, ...string[]];
  /** Leads from ports at a loopback address of the host to the same ones there. */
  forward(ports: readonly number[], address: string): Promise<void>;
}

/**
 * Starts a control plane on free loopback ports, having built those of its programs that are not cached, and waits until
 * it is ready. It ends with `close`, and at the latest with this process, also when that is killed.
 * @throws CannotBuildError where Go modules cannot be had; ClusterError with the reason when a component fails.
 */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const say = options.say ?? ((line: string) => process.stderr.write(`cluster: ${line}\n`));
  const signal = options.signal ?? new AbortController().signal;
  const jobs = options.jobs === undefined ? {} : { jobs: options.jobs };
  const paths = await programPaths(programsOf(options), { say, signal, ...jobs });
  for (let attempt = 1; ; attempt++) {
    const layout = await makeLayout(options.network);
    try {
      await options.network?.forward(Object.values(layout.ports), layout.address);
      const parts = { layout, paths, say, prepared: await prepare(layout) };
      return await start({ ...parts, ...insideOf(options.network) }, options, signal);
    } catch (error) {
      removeFolder(layout.folder);
      if (!(error instanceof PortTakenError) || attempt === maxAttempts) throw error;
    }
  }
}

/** The programs that a control plane of these options runs. */
export function programsOf(options: Pick<ControlPlaneOptions, 'controllers' | 'certManager'>): readonly ProgramName[] {
  return [
    'etcd',
    'kube-apiserver',
    'kubectl',
    ...(options.controllers === true ? (['kube-controller-manager', 'kube-scheduler'] as const) : []),
    ...(options.certManager === true ? (['helm', 'cert-manager-controller', 'cert-manager-webhook'] as const) : []),
  ];
}

async function start(parts: Parts, options: ControlPlaneOptions, signal: AbortSignal): Promise<ControlPlane> {
  const controlPlane = new ControlPlane(parts);
  const add = (component: Component) => controlPlane.add(component, signal);
  try {
    await add(etcd(parts));
    await add(apiServer(parts));
    const controllers = options.controllers === true ? [controllerManager(parts), scheduler(parts)].map(add) : [];
    const certManager = options.certManager === true ? [startCertManager(controlPlane, parts, add)] : [];
    await Promise.all([...controllers, ...certManager]);
    return controlPlane;
  } catch (error) {
    await controlPlane.close();
    throw error;
  }
}

/** A running control plane. */
export class ControlPlane {
  readonly #parts: Parts;
  readonly #components: Component[] = [];
  #closed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Where the API server is, and whose certificate proves it. */
  get server(): Server {
    return this.#parts.prepared.server;
  }

  /** Issues certificates that the API server believes. */
  get authority(): Authority {
    return this.#parts.prepared.authority;
  }

  /** Path of the kubeconfig of one who may do everything. */
  get kubeconfig(): string {
    return kubeconfigFile(this.#parts.layout, administrator.name);
  }

  /** Path of the log of all requests, one JSON object (audit.k8s.io/v1 Event) a line. */
  get auditLog(): string {
    return auditLogFile(this.#parts.layout);
  }

  /** Logs, keys and data; goes with the control plane. */
  get folder(): string {
    return this.#parts.layout.folder;
  }

  /** The API server's port, which is the same wherever it is reached. */
  get apiServerPort(): number {
    return this.#parts.layout.ports.apiServer;
  }

  /** A certificate as any user; what the user may do is for RBAC to say. */
  credentialOf(user: User): Credential {
    return this.authority.client(user);
  }

  /** Path of a kubeconfig of any user, which it makes. */
  kubeconfigOf(user: User): Promise<string> {
    return saveKubeconfig(this.#parts.layout, this.server, user, this.credentialOf(user));
  }

  /** Runs kubectl as the administrator, or as whom the kubeconfig is of. */
  kubectl(
    words: readonly string[],
    options: { readonly input?: string; readonly kubeconfig?: string } = {},
  ): Promise<Ended> {
    const [program, ...own] = this.kubectlCommand(options.kubeconfig);
    return runProgram(program, [...own, ...words], { input: options.input ?? '' });
  }

  /** The command of kubectl as the administrator, or as whom the kubeconfig is of; its words follow. */
  kubectlCommand(kubeconfig = this.kubeconfig): readonly [string, ...string[]] {
    // What kubectl learns of the API would outlive the cluster in the user's home.
    const cache = `--cache-dir=${join(this.folder, 'kubectl')}`;
    return [programPath(this.#parts, 'kubectl'), `--kubeconfig=${kubeconfig}`, cache];
  }

  /** One of its servers, to be stopped, killed and started again. */
  component(name: ProgramName): Component {
    const found = this.#components.find((component) => component.name === name);
    if (found === undefined) throw new ClusterError(`this control plane has no ${name}`);
    return found;
  }

  /** Starts one more server, which ends with the control plane, and waits until it is ready. */
  async add(component: Component, signal: AbortSignal): Promise<void> {
    if (this.#closed) throw new ClusterError(`${component.name} is not started: the control plane is closed`);
    this.#components.push(component);
    await component.start(signal);
  }

  /** Ends everything and removes every trace; may be called again. */
  async close(): Promise<void> {
    this.#closed = true;
    // Nothing is kept, so nothing needs to end in order.
    await Promise.all(this.#components.map((component) => component.kill()));
    removeFolder(this.folder);
  }
}

function insideOf(network: ControlPlaneNetwork | undefined): Pick<Parts, 'inside'> {
  return network === undefined ? {} : { inside: (command) => network.inside(command) };
}

async function makeLayout(network: ControlPlaneNetwork | undefined): Promise<Layout> {
  const numbers = await freePorts(portNames.length, loopback);
  const ports = Object.fromEntries(portNames.map((name, index) => [name, numbers[index]])) as unknown as Ports;
  const nodeNetwork = network === undefined ? {} : { nodeNetwork: network.addresses };
  return { folder: makeControlPlaneFolder(), address: loopback, ports, ...nodeNetwork };
}

const loopback = '127.0.0.1';
const maxAttempts = 3;
