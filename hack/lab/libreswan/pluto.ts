import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { IkeDaemon, type IkeSa, type SaName } from '../ike-daemon/ike-daemon.ts';
import { waitUntil } from '../runner/wait-until.ts';
import { type Completed, complete } from '../topology/completed.ts';
import type { Daemon } from '../topology/daemon.ts';
import type { LabNode } from '../topology/lab-node.ts';
import { dumpStates } from '../xfrm/xfrm-dump.ts';
import { type IpsecConfiguration, ipsecConfText } from './ipsec-conf.ts';
import { listPlutoSas } from './list-states.ts';
import { makeNssDatabase, type PlutoCertificate, replaceOwn } from './nss-database.ts';

/** A libreswan pluto that runs in one node, driven by whack; several run beside each other. */
export class Pluto extends IkeDaemon {
  readonly #folder: string;

  private constructor(node: LabNode, daemon: Daemon, folder: string) {
    super(node, daemon);
    this.#folder = folder;
  }

  /** Starts a pluto and waits until it listens and has loaded every connection. */
  static async start(node: LabNode, configuration: IpsecConfiguration): Promise<Pluto> {
    const folder = mkdtempSync(join(tmpdir(), `pluto-${node.name}-`));
    for (const name of ['nss', 'run']) mkdirSync(join(folder, name));
    writeFileSync(join(folder, 'ipsec.conf'), ipsecConfText(configuration), { mode: 0o600 });
    writeFileSync(join(folder, 'ipsec.secrets'), `${(configuration.secrets ?? []).join('\n')}\n`, { mode: 0o600 });
    await makeNssDatabase(folder, configuration.credentials ?? { authorities: [] });
    const daemon = node.spawn('pluto', ['/usr/libexec/ipsec/pluto', '--nofork', ...placeWords(folder)]);
    const pluto = new Pluto(node, daemon, folder);
    const loaded = Object.keys(configuration.connections).map((name) => `"${name}": `);
    await waitUntil(`pluto on ${node.name} to listen`, () => {
      if (daemon.end !== undefined) throw new Error(`pluto on ${node.name} ended: ${daemon.log()}`);
      const log = pluto.log();
      if (log.includes('did not load properly')) throw new Error(`pluto on ${node.name} refused a connection:\n${log}`);
      return log.includes('loading secrets') && loaded.every((name) => log.includes(name));
    });
    // What it has once initiated it would bring back whenever the peer deletes it.
    if (configuration.revives !== true) await pluto.whack(['--impair', 'revival']);
    return pluto;
  }

  /** Initiates; a failed negotiation is a code other than 0, with pluto's words in the output. */
  initiate(name: SaName, timeoutSeconds = 10): Promise<Completed> {
    return this.whack(['--initiate', '--name', connectionOf(name)], timeoutSeconds);
  }

  /** Ends an IKE SA or Child SA by a Delete. */
  async terminate(name: SaName, timeoutSeconds = 10): Promise<Completed> {
    if ('ike' in name) return this.whack(['--down-ike', '--name', name.ike], timeoutSeconds);
    // Whack does not come back when the connection's last Child SA is down, so it does not wait.
    const done = await this.whack(['--down-child', '--asynchronous', '--name', name.child], timeoutSeconds);
    const gone = async () => !(await this.listSas()).some((sa) => sa.children.some((each) => each.name === name.child));
    await waitUntil(`pluto on ${this.node.name} to end its Child SA`, gone, { timeoutMs: timeoutSeconds * 1000 });
    return done;
  }

  /** Rekeys an IKE SA or Child SA. */
  rekey(name: SaName, timeoutSeconds = 10): Promise<Completed> {
    return this.whack(['ike' in name ? '--rekey-ike' : '--rekey-child', '--name', connectionOf(name)], timeoutSeconds);
  }

  /** Renews a certificate of its own; it is shown from the next authentication on, the SAs that there are stay. */
  async renew(own: PlutoCertificate): Promise<void> {
    await replaceOwn(this.#folder, own);
    const { code, stdout, stderr } = await this.whack(['--rereadcerts']);
    if (code !== 0) throw new Error(`whack --rereadcerts on ${this.node.name}: ${stdout}${stderr}`);
    await this.logged(`reloaded leftcert='${own.name}'`);
  }

  /** All IKE SAs with their Child SAs. */
  async listSas(): Promise<readonly IkeSa[]> {
    const states = await this.whack(['--showstates']);
    if (states.code !== 0) throw new Error(`whack --showstates on ${this.node.name}: ${states.stderr}`);
    return listPlutoSas({ states: states.stdout, log: this.log(), kernel: await dumpStates(this.node) });
  }

  /** Runs whack against this pluto. */
  whack(words: readonly string[], timeoutSeconds = 10): Promise<Completed> {
    const command = ['ipsec', 'whack', '--ctlsocket', join(this.#folder, 'run/pluto.ctl'), ...words];
    return complete(command, { timeoutMs: timeoutSeconds * 1000 });
  }
}

function placeWords(folder: string): readonly string[] {
  return [
    ...['--config', join(folder, 'ipsec.conf')],
    ...['--secretsfile', join(folder, 'ipsec.secrets')],
    ...['--nssdir', join(folder, 'nss')],
    ...['--rundir', join(folder, 'run')],
    '--stderrlog',
  ];
}

function connectionOf(name: SaName): string {
  return 'ike' in name ? name.ike : name.child;
}
