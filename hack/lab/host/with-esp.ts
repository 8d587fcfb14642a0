import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { constants } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { Interruption } from './interruption.ts';
import { chooseKernel, type KernelKind } from './kernel.ts';
import { LabError } from './lab-error.ts';
import { type Launched, launch, type Output } from './launch.ts';
import { newerKernel, type RecipeName, recipes } from './recipe.ts';
import { type BuildOptions, labCacheFolder, rootFolder } from './root-folder.ts';
import { makeRunFolder, type RunFolder, removeAbandonedRunFolders, type Share } from './run-folder.ts';

/** A command for the lab and where its output goes. */
export interface LabCommand {
  readonly command: readonly string[];
  readonly recipe?: RecipeName;
  readonly kernel?: KernelKind | 'auto';
  /** In User Mode Linux: a newer and faster kernel than the root folder's, which has no packet filter for IP. */
  readonly newerKernel?: boolean;
  readonly memoryMib?: number;
  /** Ended with TERM after this time, five seconds later killed; the exit code is then 124. */
  readonly timeoutMs?: number;
  /** Folder on the host that the command may write to; it finds the path in LAB_OUTPUT. */
  readonly outputFolder?: string;
  /** More folders to show, beside the project and the working folder. */
  readonly shares?: readonly Share[];
  /** Added to the environment that carries over. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly terminal?: boolean;
  readonly output?: Output;
  /** Told what takes longer than a second. */
  readonly say?: (line: string) => void;
}

/**
 * Runs a command as root in a kernel that has ESP, apart from the host's network, and gives its exit code.
 * Signals of the launcher reach the command; whatever happens, no process, mount or folder stays behind.
 * @throws LabError when the lab itself fails.
 */
export async function withEsp(request: LabCommand): Promise<number> {
  if (process.getuid?.() !== 0) {
    throw new LabError('the lab needs root, as in a plain container: use sudo, or docker run (no --privileged needed)');
  }
  const say = request.say ?? (() => undefined);
  const interruption = new Interruption();
  let launched: Launched | undefined;
  let run: RunFolder | undefined;
  try {
    removeAbandonedRunFolders();
    const build = { cacheFolder: labCacheFolder(process.env), say, signal: interruption.aborted };
    const root = await rootFolder(recipes[request.recipe ?? 'strongswan'], build);
    const kernel = await chooseKernel(root, request.kernel ?? 'auto');
    const wantsNewer = kernel === 'uml' && request.newerKernel === true;
    interruption.aborted.throwIfAborted();
    run = makeRunFolder(runContent(request, kernel));
    launched = launch({
      kernel,
      root,
      newerKernel: wantsNewer ? await newerKernelFolder(build) : undefined,
      run,
      memoryMib: request.memoryMib ?? 1024,
      terminal: request.terminal ?? false,
      output: request.output ?? ownOutput,
    });
    if (request.timeoutMs !== undefined) interruption.after(request.timeoutMs, say);
    interruption.passTo(launched);
    const code = await launched.exit;
    return interruption.timedOut ? timeoutCode : code;
  } catch (error) {
    // What was interrupted fails in whatever way it can.
    if (interruption.timedOut) return timeoutCode;
    if (interruption.by !== undefined) return 128 + constants.signals[interruption.by];
    throw error;
  } finally {
    interruption.stopListening();
    launched?.kill();
    run?.remove();
  }
}

/** The newer kernel's folder. Without it a guest is slower, no more, so that a mirror which lacks it is told and endured. */
async function newerKernelFolder(build: BuildOptions): Promise<string | undefined> {
  try {
    return await rootFolder(newerKernel, build);
  } catch (error) {
    if (!(error instanceof LabError) || build.signal.aborted) throw error;
    build.say(`no newer kernel, so that of the root folder: ${error.message}`);
    return undefined;
  }
}

function runContent(request: LabCommand, kernel: KernelKind): Parameters<typeof makeRunFolder>[0] {
  const workingFolder = process.cwd();
  const shares: Share[] = [{ path: projectFolder, mode: 'ro' }];
  const modules = join(projectFolder, 'node_modules');
  const show = (share: Share) => {
    const path = resolve(share.path);
    if (/[,\n]/.test(path)) throw new LabError(`a folder with a comma in its name cannot be shared: ${path}`);
    shares.push({ path, mode: share.mode });
  };
  if (existsSync(modules) && !isBelow(realpathSync(modules), projectFolder)) {
    show({ path: realpathSync(modules), mode: 'ro' });
  }
  if (!isBelow(workingFolder, projectFolder) && workingFolder !== '/') show({ path: workingFolder, mode: 'ro' });
  for (const share of request.shares ?? []) show(share);
  const environment = new Map(carriedEnvironment(process.env));
  environment.set('LAB_KERNEL', kernel);
  if (request.outputFolder !== undefined) {
    mkdirSync(request.outputFolder, { recursive: true });
    const path = realpathSync(request.outputFolder);
    show({ path, mode: 'rw' });
    environment.set('LAB_OUTPUT', path);
  }
  for (const [name, value] of Object.entries(request.environment ?? {})) environment.set(name, value);
  return { command: request.command, workingFolder, environment, shares };
}

/** The host's environment without what names the host's own places; PATH leads to the root folder's programs. */
export function carriedEnvironment(environment: NodeJS.ProcessEnv): [string, string][] {
  const carried = Object.entries(environment).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined &&
      !/^(PATH|PWD|OLDPWD|SHLVL|_|HOME|TMPDIR|TMP|TEMP|SHELL|LD_.*|XDG_.*|DBUS_.*|SSH_.*|DISPLAY|LAB_.*|NODE_EXTRA_CA_CERTS|LANG|LC_.*)$/.test(
        entry[0],
      ),
  );
  const path = `${join(projectFolder, 'node_modules/.bin')}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
  return [...carried, ['PATH', path], ['HOME', '/root'], ['LANG', 'C.UTF-8']];
}

function isBelow(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === '' || !(way === '..' || way.startsWith('../') || way.startsWith('/'));
}

/** The project's checkout, visible in the lab under its own path, read-only. */
export const projectFolder = resolve(import.meta.dirname, '../../..');

const ownOutput: Output = {
  stdout: (piece) => process.stdout.write(piece),
  stderr: (piece) => process.stderr.write(piece),
};
// What timeout(1) exits with.
const timeoutCode = 124;
