import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { goOnWithoutReaders } from '../../agent/closed-readers.ts';
import { LabError } from '../lab/host/lab-error.ts';
import { CannotBuildError, CannotRunNodesError, ClusterError } from './cluster-error.ts';
import { Authority } from './control-plane/authority.ts';
import { programsOf } from './control-plane/control-plane.ts';
import { kubeconfigText } from './control-plane/kubeconfig.ts';
import { authorityName } from './control-plane/prepare.ts';
import { clusterPrograms, nodeRoot } from './nodes/cluster.ts';
import { expectNodesToRun, whyNoNodes } from './nodes/why-no-nodes.ts';
import { type ProgramName, programNames } from './programs/program.ts';
import { programPaths } from './programs/program-paths.ts';
import { down } from './session/down.ts';
import { give, type Order } from './session/orders.ts';
import { readSession, type Session, sessionFile } from './session/session.ts';
import { up } from './session/up.ts';

goOnWithoutReaders();

interface BuildFlags {
  readonly jobs?: number;
}

interface NameFlags {
  readonly name: string;
}

interface UpFlags extends BuildFlags, NameFlags {
  readonly controlPlaneOnly?: true;
  readonly nodes: number;
  readonly certManager: boolean;
}

/** Exit code where this machine cannot build the programs or run nodes, for tests that are skipped then (EX_UNAVAILABLE). */
const unavailableCode = 69;
const jobsText = 'processors that a build may use (all of them, niced)';
const nameText = 'of several clusters, this one';

const program = new Command('cluster')
  .description('A real Kubernetes on this machine, its programs built once from Go modules.')
  .enablePositionalOptions();

program
  .command('build')
  .description('build the programs that are not in the cache, and print where they are')
  .argument('[program...]', `of ${programNames.join(', ')}; all unless given`, programName)
  .option('--jobs <count>', jobsText, count)
  .action(async (names: readonly ProgramName[], { jobs }: BuildFlags) => {
    const wanted = names.length > 0 ? names : programNames;
    const paths = await programPaths(wanted, { say, ...(jobs === undefined ? {} : { jobs }) });
    for (const name of wanted) process.stdout.write(`${paths[name]}\n`);
    // What nodes boot from has to be there before tests begin.
    const reason = names.length > 0 ? 'not asked for' : await whyNoNodes();
    if (reason === undefined) await nodeRoot({ say, signal: new AbortController().signal });
  });

program
  .command('up')
  .description('start a cluster that stays until `down`')
  .addOption(new Option('--nodes <count>', 'machines with kubelet, about 1 GiB each').argParser(count).default(3))
  .addOption(new Option('--control-plane-only', 'without nodes, and so without privileges').conflicts('nodes'))
  .option('--no-cert-manager', 'without cert-manager')
  .option('--name <name>', nameText, clusterName, 'default')
  .option('--jobs <count>', jobsText, count)
  .action(async ({ name, certManager, jobs, ...flags }: UpFlags) => {
    const nodes = flags.controlPlaneOnly === true ? 0 : flags.nodes;
    if (nodes > 0) await expectNodesToRun();
    const wanted = nodes > 0 ? clusterPrograms({ certManager }) : programsOf({ controllers: true, certManager });
    await programPaths(wanted, { say, ...(jobs === undefined ? {} : { jobs }) });
    if (nodes > 0) await nodeRoot({ say, signal: new AbortController().signal });
    const started = performance.now();
    const session = await up({ sessionFile: sessionFile(name), certManager, nodes }, say);
    say(`ready after ${((performance.now() - started) / 1000).toFixed(1)} s at ${session.url}`);
    process.stdout.write(`export KUBECONFIG=${session.kubeconfig}\n`);
  });

program
  .command('down')
  .description('end the cluster; nothing of it is left')
  .option('--name <name>', nameText, clusterName, 'default')
  .action(async ({ name }: NameFlags) => {
    say((await down(sessionFile(name))) ? 'it has ended, nothing of it is left' : 'none is up');
  });

program
  .command('user')
  .description('print the path of a kubeconfig of a user, who may do what RBAC lets the name and the groups do')
  .argument('<user>', 'name')
  .option('--group <group>', 'group (repeatable)', (group: string, all: string[]) => [...all, group], [])
  .option('--name <name>', nameText, clusterName, 'default')
  .action(async (user: string, { name, group }: NameFlags & { readonly group: readonly string[] }) => {
    const session = await running(name);
    const authority = await Authority.load(authorityName, join(session.folder, 'pki/ca'));
    const path = join(session.folder, 'kubeconfigs', `${encodeURIComponent(user)}.yaml`);
    const server = { url: session.url, authority: authority.certificate };
    const credential = authority.client({ name: user, groups: group });
    await writeFile(path, kubeconfigText(server, user, credential), { mode: 0o600 });
    process.stdout.write(`${path}\n`);
  });

const node = program.command('node').description("the cluster's nodes").enablePositionalOptions();

nodeCommand('list', 'name them').action(({ name }: NameFlags) => order(name, { kind: 'list-nodes' }));

nodeCommand('add', 'one more, with an empty disk and an address that no node has had')
  .argument('[node]', 'its name (the first free one of node-1, node-2 and so on)', nodeNameWord)
  .action((added: string | undefined, { name }: NameFlags) =>
    order(name, { kind: 'add-node', ...(added === undefined ? {} : { name: added }) }),
  );

nodeCommand('remove', 'switch one off for good; its disk and its Node go')
  .argument('<node>', 'its name')
  .action((removed: string, { name }: NameFlags) => order(name, { kind: 'remove-node', name: removed }));

nodeCommand('reboot', 'boot one again, from its own disk')
  .argument('<node>', 'its name')
  .option('--crash', 'cut its power instead of shutting it down', false)
  .action((rebooted: string, { name, crash }: NameFlags & { readonly crash: boolean }) =>
    order(name, { kind: 'reboot-node', name: rebooted, crash }),
  );

nodeCommand('run', 'run a command as root on one, beside its network; its exit code is the exit code')
  .argument('<node>', 'its name')
  .argument('<word...>', 'the command')
  .passThroughOptions()
  .action((on: string, command: readonly string[], { name }: NameFlags) =>
    // Also as `run NODE -- COMMAND`, as kubectl exec has it.
    order(name, { kind: 'run', name: on, command: command[0] === '--' ? command.slice(1) : command }),
  );

program
  .command('load-image')
  .description('bring an image to all nodes, which pull none')
  .argument('[layout]', 'folder with an OCI image layout', join(import.meta.dirname, '../../dist/image'))
  .option('--name <name>', nameText, clusterName, 'default')
  .action((layout: string, { name }: NameFlags) => order(name, { kind: 'load-image', layout: resolve(layout) }));

for (const tool of ['kubectl', 'helm'] as const) {
  program
    .command(tool)
    .description(`${tool} as the administrator of the cluster`)
    .argument('[word...]')
    .option('--name <name>', nameText, clusterName, 'default')
    .passThroughOptions()
    .allowUnknownOption()
    .helpOption(false)
    .action(async (words: readonly string[], { name }: NameFlags) => {
      const session = await running(name);
      const paths = await programPaths([tool], { say });
      process.exitCode = await runTool(paths[tool], words, session);
    });
}

function nodeCommand(name: string, description: string): Command {
  const command = node.command(name).description(description);
  return command.option('--name <name>', nameText, clusterName, 'default');
}

async function order(name: string, wanted: Order): Promise<void> {
  const session = await running(name);
  if (!session.nodes) throw new ClusterError('this cluster has no nodes: it was started with --control-plane-only');
  process.exitCode = await give(session, wanted, {
    say,
    ...(wanted.kind === 'run' && !process.stdin.isTTY ? { input: process.stdin } : {}),
    stdout: (piece) => process.stdout.write(piece),
    stderr: (piece) => process.stderr.write(piece),
  });
}

async function running(name: string): Promise<Session> {
  const session = await readSession(sessionFile(name));
  if (session === undefined) throw new ClusterError('none is up; npm run cluster -- up starts one');
  return session;
}

/** With the terminal, the working folder and the environment of the caller. */
function runTool(path: string, words: readonly string[], session: Session): Promise<number> {
  const environment = {
    ...process.env,
    // Never the caller's own, which may lead to a cluster that matters; --kubeconfig names another user's.
    KUBECONFIG: session.kubeconfig,
    KUBECACHEDIR: join(session.folder, 'kubectl'),
    HELM_CACHE_HOME: join(session.folder, 'helm'),
  };
  return new Promise((resolve, reject) => {
    const child = spawn(path, words, { stdio: 'inherit', env: environment });
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 128));
  });
}

function say(line: string): void {
  process.stderr.write(`cluster: ${line}\n`);
}

function programName(word: string, all: readonly ProgramName[] = []): readonly ProgramName[] {
  const found = programNames.find((name) => name === word);
  if (found === undefined) throw new InvalidArgumentError(`there is no such program.`);
  return [...all, found];
}

function clusterName(word: string): string {
  if (!/^[a-z0-9-]{1,40}$/.test(word)) throw new InvalidArgumentError('a-z, 0-9 and - are wanted.');
  return word;
}

function nodeNameWord(word: string): string {
  if (!/^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$/.test(word)) {
    throw new InvalidArgumentError('a-z, 0-9 and, between those, - are wanted.');
  }
  return word;
}

function count(word: string): number {
  const value = Number(word);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a positive whole number is wanted.');
  return value;
}

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof ClusterError || error instanceof LabError)) throw error;
  say(error.message);
  process.exitCode = error instanceof CannotBuildError || error instanceof CannotRunNodesError ? unavailableCode : 1;
}
