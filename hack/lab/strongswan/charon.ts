import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { IkeDaemon, type SaName } from '../ike-daemon/ike-daemon.ts';
import { type Completed, complete } from '../topology/completed.ts';
import type { Daemon } from '../topology/daemon.ts';
import type { LabNode } from '../topology/lab-node.ts';
import { type CharonIkeSa, parseListSas } from './list-sas.ts';
import { type Section, settingsText } from './settings.ts';
import { charonEnvironment, strongswanConf, swanctlFolders, viciSocket } from './strongswan-conf.ts';

/** What differs from a charon as Debian ships it. */
export interface CharonOptions {
  /** Settings of strongswan.conf's section `charon`, such as `{retransmit_tries: 2, cookie_threshold_ip: 1}`. */
  readonly charon?: Section;
  /** Connections and secrets, as the sections of swanctl.conf or as its text. */
  readonly swanctl?: Section | string;
  /** Files below the swanctl folder, such as `{'x509ca/ca.pem': '…'}`. */
  readonly files?: Readonly<Record<string, string>>;
  /** Levels of the log by subsystem, such as `{ike: 2, knl: 2}`; 1 otherwise. */
  readonly logLevels?: Readonly<Record<string, number>>;
}

/** A strongSwan charon that runs in one node, driven by swanctl; several run beside each other. */
export class Charon extends IkeDaemon {
  readonly #folder: string;

  private constructor(node: LabNode, daemon: Daemon, folder: string) {
    super(node, daemon);
    this.#folder = folder;
  }

  /** Starts a charon, waits until it listens, and loads what `options.swanctl` says. */
  static async start(node: LabNode, options: CharonOptions = {}): Promise<Charon> {
    const folder = mkdtempSync(join(tmpdir(), `charon-${node.name}-`));
    for (const name of [...swanctlFolders, 'run']) mkdirSync(join(folder, name));
    writeFileSync(join(folder, 'strongswan.conf'), settingsText(strongswanConf(folder, options)));
    // A run folder of its own for its pid file; the mount ends with the daemon's mount namespace.
    const script = `mount --bind ${folder}/run /run && exec /usr/lib/ipsec/charon`;
    const daemon = node.spawn('charon', ['sh', '-c', script], charonEnvironment(folder));
    const charon = new Charon(node, daemon, folder);
    await charon.logged('worker threads');
    if (options.files !== undefined) charon.addFiles(options.files);
    if (options.swanctl !== undefined) await charon.load(options.swanctl);
    return charon;
  }

  /** Writes files below the swanctl folder: certificates in x509, CA certificates in x509ca, keys in private. */
  addFiles(files: Readonly<Record<string, string>>): void {
    for (const [name, content] of Object.entries(files)) {
      const path = join(this.#folder, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content, { mode: 0o600 });
    }
  }

  /** Replaces connections, secrets, pools and authorities by those given. */
  async load(swanctl: Section | string): Promise<void> {
    const file = join(this.#folder, 'swanctl.conf');
    writeFileSync(file, typeof swanctl === 'string' ? swanctl : settingsText(swanctl));
    const done = await this.swanctl('--load-all', '--clear', '--file', file);
    if (done.code !== 0) throw new Error(`charon on ${this.node.name} refused swanctl.conf: ${said(done)}`);
  }

  /** Initiates; a failed negotiation is a code other than 0, with charon's words in the output. */
  initiate(name: SaName, timeoutSeconds = 10): Promise<Completed> {
    return this.swanctl('--initiate', ...nameWords(name), '--timeout', `${timeoutSeconds}`);
  }

  /** Ends an IKE SA or Child SA by a Delete. */
  terminate(name: SaName, timeoutSeconds = 10): Promise<Completed> {
    return this.swanctl('--terminate', ...nameWords(name), '--timeout', `${timeoutSeconds}`);
  }

  /** Rekeys all SAs of that name; `reauthenticate` renews an IKE SA with its authentication. */
  rekey(name: SaName, options: { readonly reauthenticate?: boolean } = {}): Promise<Completed> {
    return this.swanctl('--rekey', ...nameWords(name), ...(options.reauthenticate === true ? ['--reauth'] : []));
  }

  /** All IKE SAs with their Child SAs. */
  async listSas(): Promise<readonly CharonIkeSa[]> {
    const done = await this.swanctl('--list-sas', '--pretty');
    const parsed = parseListSas(done.stdout);
    if (done.code !== 0) throw new Error(`swanctl --list-sas on ${this.node.name}: ${said(done)}`);
    if (!parsed.ok) throw new Error(parsed.error);
    return parsed.value;
  }

  /** Runs swanctl against this charon. */
  swanctl(command: string, ...words: readonly string[]): Promise<Completed> {
    return complete(['swanctl', command, ...words, '--uri', viciSocket(this.#folder)], {
      environment: charonEnvironment(this.#folder),
    });
  }
}

function nameWords(name: SaName): readonly string[] {
  return 'ike' in name ? ['--ike', name.ike] : ['--child', name.child];
}

function said(done: Completed): string {
  return `${done.stdout}${done.stderr}`.trim();
}
