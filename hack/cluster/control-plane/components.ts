import type { ProgramName } from '../programs/program.ts';
import type { ProgramPaths } from '../programs/program-paths.ts';
import { Component } from './component.ts';
import { apiServerFlags, controllerManagerFlags, etcdFlags, schedulerFlags } from './flags.ts';
import { type Layout, logFile, url } from './layout.ts';
import type { Prepared } from './prepare.ts';
import type { Probe } from './probe.ts';

/** What components are made of. */
export interface Parts {
  readonly layout: Layout;
  readonly prepared: Prepared;
  /** Of the programs that were asked for. */
  readonly paths: Partial<ProgramPaths<ProgramName>>;
  /** Told what takes longer than some seconds. */
  readonly say: (line: string) => void;
  /** Makes a server's command run where its nodes reach it; here unless given. */
  readonly inside?: (command: readonly string[]) => readonly [string, ...string[]];
}

/** The store of everything. */
export function etcd(parts: Parts): Component {
  const { layout, prepared } = parts;
  const { authority, client: credential } = prepared.etcd;
  const ready = { url: `${url(layout, layout.ports.etcdClients)}/health`, authority, credential };
  return component(parts, 'etcd', etcdFlags(layout), ready);
}

/** Ready when its roles, its priorities and its informers are. */
export function apiServer(parts: Parts): Component {
  const { layout } = parts;
  return component(parts, 'kube-apiserver', apiServerFlags(layout), probe(parts, layout.ports.apiServer, 'readyz'));
}

/** Garbage collection, namespaces, ServiceAccounts, workloads and the rest. */
export function controllerManager(parts: Parts): Component {
  const { layout } = parts;
  const ready = probe(parts, layout.ports.controllerManager, 'healthz');
  return component(parts, 'kube-controller-manager', controllerManagerFlags(layout), ready);
}

/** Pods to nodes. */
export function scheduler(parts: Parts): Component {
  const { layout } = parts;
  return component(parts, 'kube-scheduler', schedulerFlags(layout), probe(parts, layout.ports.scheduler, 'readyz'));
}

/** A component with its log in the control plane's folder. */
export function component(parts: Parts, name: ProgramName, flags: readonly string[], ready: Probe): Component {
  const { layout, say, inside } = parts;
  const program = programPath(parts, name);
  const command = inside?.([program]) ?? ([program] as const);
  return new Component({ name, command, flags, ready, say, folder: layout.folder, logFile: logFile(layout, name) });
}

/** The path of a program that was asked for. */
export function programPath({ paths }: Parts, name: ProgramName): string {
  const path = paths[name];
  if (path === undefined) throw new Error(`${name} is used but was not asked for`);
  return path;
}

function probe({ layout, prepared }: Parts, port: number, path: string): Probe {
  const { authority } = prepared.server;
  return { url: `${url(layout, port)}/${path}`, authority, credential: prepared.administrator };
}
